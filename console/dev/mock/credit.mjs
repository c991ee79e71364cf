// What a heartbeat changes.
import crypto from 'node:crypto';
import { heatOf, spread } from './heat.mjs';
import { showCredit } from './live.mjs';
import { lengthOf, minus, unite } from './ranges.mjs';
import { activity, counts, db, second } from './state.mjs';

const newProgress = (student, module, attempt) => ({
  student,
  module,
  coverage: [],
  playtime_ms: 0,
  resume_ms: 0,
  mastered_at: null,
  state: 'IN_PROGRESS',
  attempt,
});

/** The progress of a pair, which begins with this attempt if there is none. */
export function progressOf(student, id, attempt = 1) {
  db.progress[id] ??= {};
  db.progress[id][student] ??= newProgress(student, id, attempt);
  return db.progress[id][student];
}

function master(document, module) {
  document.state = 'MASTERED';
  document.mastered_at = document.updated_at;
  db.completions.push({
    specversion: '1.0',
    id: crypto.randomUUID(),
    type: 'org.watchkeeper.module.mastered.v1',
    time: document.updated_at,
    data: {
      student: document.student,
      module: document.module,
      seconds_watched: document.seconds_watched,
      completion_percentage: document.completion_percentage,
      mastered_at: document.mastered_at,
      threshold: module.mastery_threshold,
      attempt: document.attempt,
    },
  });
}

/** Credits [from, to) and shows it to the live clients. */
export function credit(student, id, from, to, atMs = Date.now()) {
  const module = db.modules[id];
  to = Math.min(to, module.duration_ms);
  const heat = heatOf(id);
  const document = progressOf(student, id);
  const fresh = minus([from, to], document.coverage);
  document.coverage = unite([...document.coverage, ...fresh]);
  document.playtime_ms += to - from;
  document.resume_ms = to;
  document.updated_at = new Date(atMs).toISOString();
  document.seconds_watched = Math.floor(lengthOf(document.coverage) / 1000);
  document.completion_percentage =
    Math.floor((lengthOf(document.coverage) / module.duration_ms) * 10_000) / 100;
  if (document.state !== 'MASTERED' && document.completion_percentage >= module.mastery_threshold)
    master(document, module);
  const deltas = {};
  spread(heat, heat.viewers, fresh, deltas, 0);
  spread(heat, heat.plays, [[from, to]], deltas, 1);
  ++counts.credited;
  ++second.credited;
  (activity.get(id) ?? activity.set(id, []).get(id)).push([atMs, student]);
  showCredit(document, [from, to], fresh, deltas);
  return document;
}

/** Notes a rejection or a limitation in the list of the student. */
export function refuse(student, refusal) {
  const name = refusal.problem ?? refusal.status;
  if (refusal.status === 'rejected') {
    ++counts.rejected;
    counts.problems[name] = (counts.problems[name] ?? 0) + 1;
    second.rejected[name] = (second.rejected[name] ?? 0) + 1;
  } else {
    ++counts[refusal.status];
    ++second[refusal.status];
  }
  if (!student) return;
  db.refusals[student] ??= [];
  const list = db.refusals[student];
  list.unshift(refusal);
  list.length = Math.min(list.length, 100);
}
