// The oracle of every fault run: what devices got as results against what the stores and the API hold.
//
//   I1  what was acknowledged is credited
//   I2  what is credited was sent, and its seconds are the length of the union
//   I3  one completion event for each pair at or above its threshold, none below it
//   I4  progress never falls
//   I5  Redis, PostgreSQL and every gateway's API hold the same
//
// Pure: no clock, no socket. tests/faults/checker.test.mjs gives it wrong data of each kind.
import { contains, lengthOf, same, union } from './intervals.mjs';

const violationsMax = 1000;

/**
 * @param {Map} sides.pairs       "student/module" → {sent, promised}: lists of [from, to] in ms
 * @param {Map} sides.holders     name ("redis", "postgres", "api of gateway 1") → Map of pair →
 *   {coverage, covered_ms?, seconds?, mastered}
 * @param {Set} sides.mayLack     holders that need not hold every pair (Redis after it was emptied)
 * @param {Set} sides.mayLag      holders that may be behind (Redis after a gateway died while it wrote
 *   to the ledger instead): what they hold is judged, what they lack is not
 * @param {Array} sides.completions  [{student, module, reader}], all of the outbox, from every reader
 * @param {Array} sides.readers   who read the outbox; each must have found every event once
 * @param {Function} sides.thresholdOf  pair → least covered_ms of a mastered pair
 * @param {Array} sides.falls     what the watch over the progress has found (see ProgressWatch)
 * @returns {Array} [{rule, pair, text}], empty when all is well
 */
export function check({
  pairs,
  holders: given,
  mayLack = new Set(),
  mayLag = new Set(),
  completions,
  readers,
  thresholdOf,
  falls = [],
}) {
  // A pair without coverage is no more than one that is not there: a gateway that died before the first
  // credit leaves such a one.
  const holders = new Map(
    [...given].map(([holder, states]) => [
      holder,
      new Map([...states].filter(([, state]) => state.coverage.length > 0 || state.mastered)),
    ]),
  );
  const found = [];
  const report = (rule, pair, text) => {
    if (found.length < violationsMax) found.push({ rule, pair, text });
  };

  for (const [holder, states] of holders) {
    if (!mayLag.has(holder)) checkPromises(holder, states, pairs, mayLack, report);
    checkCredits(holder, states, pairs, report);
  }
  checkCompletions(holders, completions, readers, thresholdOf, report);
  for (const fall of falls)
    report(
      'I4',
      fall.pair,
      `${fall.at}: lost ${show(fall.lost)}, and shows ${show(fall.coverage)}`,
    );
  checkAgreement(holders, mayLack, mayLag, report);
  return found;
}

const show = (value) => JSON.stringify(value);

function checkPromises(holder, states, pairs, mayLack, report) {
  for (const [name, { promised }] of pairs) {
    const state = states.get(name);
    if (!state) {
      if (promised.length > 0 && !mayLack.has(holder))
        report(
          'I1',
          name,
          `${holder} does not hold the pair; ${show(union(promised))} was acknowledged`,
        );
      continue;
    }
    for (const interval of promised)
      if (interval[1] > interval[0] && !contains(state.coverage, interval))
        report(
          'I1',
          name,
          `${holder} lacks ${show(interval)}, which was acknowledged; it holds ${show(state.coverage)}`,
        );
  }
}

function checkCredits(holder, states, pairs, report) {
  for (const [name, state] of states) {
    const sent = union(pairs.get(name)?.sent ?? []);
    for (const interval of state.coverage)
      if (!contains(sent, interval))
        report('I2', name, `${holder} holds ${show(interval)}, but sent was ${show(sent)}`);
    if (!same(state.coverage, union(state.coverage)))
      report(
        'I2',
        name,
        `${holder} holds pieces that are not apart or not sorted: ${show(state.coverage)}`,
      );
    const lengthMs = lengthOf(union(state.coverage));
    if (state.covered_ms !== undefined && state.covered_ms !== lengthMs)
      report('I2', name, `${holder} says ${state.covered_ms} ms; the union is ${lengthMs} ms long`);
    if (state.seconds !== undefined && state.seconds !== Math.floor(lengthMs / 1000))
      report('I2', name, `${holder} says ${state.seconds} s; the union is ${lengthMs} ms long`);
  }
}

function checkCompletions(holders, completions, readers, thresholdOf, report) {
  const events = new Map();
  for (const { student, module, reader } of completions) {
    const name = `${student}/${module}`;
    const readers = events.get(name) ?? new Map();
    readers.set(reader, (readers.get(reader) ?? 0) + 1);
    events.set(name, readers);
  }
  const names = new Set(events.keys());
  for (const states of holders.values()) for (const name of states.keys()) names.add(name);
  for (const name of names) {
    let coveredMs = 0;
    let says = false;
    for (const [holder, states] of holders) {
      const state = states.get(name);
      if (!state) continue;
      coveredMs = Math.max(coveredMs, lengthOf(union(state.coverage)));
      const reached = lengthOf(union(state.coverage)) >= thresholdOf(name);
      if (Boolean(state.mastered) !== reached)
        report(
          'I3',
          name,
          `${holder} says ${state.mastered ? 'MASTERED' : 'IN_PROGRESS'} at ${lengthOf(state.coverage)} ms`,
        );
      says ||= reached;
    }
    const expected = says ? 1 : 0;
    const counts = events.get(name) ?? new Map();
    for (const reader of readers) {
      const count = counts.get(reader) ?? 0;
      if (count !== expected)
        report(
          'I3',
          name,
          `${reader}: ${count} completion events at ${coveredMs} ms of ${thresholdOf(name)} ms`,
        );
    }
  }
}

function checkAgreement(holders, mayLack, mayLag, report) {
  const behind = (holder) => mayLack.has(holder) || mayLag.has(holder);
  const [first, ...others] = [...holders].sort(([a], [b]) => behind(a) - behind(b));
  if (!first) return;
  for (const [holder, states] of others) {
    for (const [name, state] of first[1]) {
      const other = states.get(name);
      if (!other) {
        if (!behind(holder)) report('I5', name, `${holder} lacks the pair, ${first[0]} holds it`);
      } else if (mayLag.has(holder)) {
        if (
          !other.coverage.every((interval) => contains(state.coverage, interval)) ||
          (other.mastered && !state.mastered)
        )
          report(
            'I5',
            name,
            `${holder} holds ${show(other)}, more than ${first[0]}: ${show(state)}`,
          );
      } else if (
        !same(other.coverage, state.coverage) ||
        Boolean(other.mastered) !== Boolean(state.mastered)
      ) {
        report('I5', name, `${holder} holds ${show(other)}, ${first[0]} ${show(state)}`);
      }
    }
    for (const name of states.keys())
      if (!first[1].has(name)) report('I5', name, `${holder} holds the pair, ${first[0]} lacks it`);
  }
}

/** I4 as it is seen while faults happen: all that a reader was ever shown of each pair. */
export class ProgressWatch {
  constructor() {
    this.shown = new Map();
    this.falls = [];
    this.looks = 0; // that were judged
    this.blind = 0; // at a gateway that may show less
  }
  /** `at`: who showed it, for the report. Falls are judged over all readers together. */
  saw(at, pair, coverage) {
    ++this.looks;
    const before = this.shown.get(pair) ?? [];
    const lost = before.filter((interval) => !contains(coverage, interval));
    if (lost.length > 0) this.falls.push({ at, pair, lost, coverage });
    this.shown.set(pair, union([...before, ...coverage]));
  }
}
