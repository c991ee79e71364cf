// The checker must find each kind of wrong data, and nothing in right data.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from '../integration/lib/test.mjs';
import { AckRecord } from './lib/ack-record.mjs';
import { check, ProgressWatch } from './lib/checker.mjs';
import { lengthOf, union } from './lib/intervals.mjs';
import { Random } from './lib/random.mjs';

const thresholdMs = 11_400;

/** Right data of some pairs: some mastered, some on the way; a few heartbeats sent, not answered. */
function rightData(seed) {
  const random = new Random(seed);
  const pairs = new Map();
  const states = new Map();
  const completions = [];
  for (let i = 0; i < 12; ++i) {
    const name = `s-${i}/m-${i % 3}`;
    const beats = i % 3 === 0 ? 15 : random.between(3, 10);
    const pair = { sent: [], promised: [] };
    const credited = [];
    for (let sn = 0; sn < beats; ++sn) {
      const interval = [sn * 800, (sn + 1) * 800];
      pair.sent.push(interval);
      const fate = beats === 15 ? 1 : random.next();
      if (fate > 0.2) pair.promised.push(interval);
      if (fate > 0.1) credited.push(interval); // credited, but the response was lost
    }
    pairs.set(name, pair);
    const coverage = union(credited);
    const mastered = lengthOf(coverage) >= thresholdMs;
    states.set(name, {
      coverage,
      covered_ms: lengthOf(coverage),
      seconds: Math.floor(lengthOf(coverage) / 1000),
      mastered,
    });
    if (mastered) completions.push({ student: `s-${i}`, module: `m-${i % 3}`, reader: 'outbox' });
  }
  const copy = () => new Map([...states].map(([name, state]) => [name, structuredClone(state)]));
  return {
    pairs,
    completions,
    readers: ['outbox'],
    thresholdOf: () => thresholdMs,
    mayLack: new Set(),
    falls: [],
    holders: new Map([
      ['redis', copy()],
      ['postgres', copy()],
      ['api', copy()],
    ]),
  };
}

const rulesOf = (data) => [...new Set(check(data).map((violation) => violation.rule))].sort();
const inEveryHolder = (data, change) => {
  for (const states of data.holders.values()) change(states);
};
const pickState = (states, random, wanted = () => true) =>
  random.pick([...states].filter(([, state]) => wanted(state)));
const recount = (state) => {
  state.covered_ms = lengthOf(state.coverage);
  state.seconds = Math.floor(state.covered_ms / 1000);
};

/** Name → what is damaged, and the rules that have to notice. */
const damages = {
  'an acknowledged piece is gone everywhere': [
    (data, random) => {
      const name = random.pick(
        [...data.pairs].filter(([, pair]) => pair.promised.length > 0 && pair.promised.length < 12),
      )[0];
      const [from, to] = random.pick(data.pairs.get(name).promised);
      inEveryHolder(data, (states) => {
        const state = states.get(name);
        state.coverage = state.coverage
          .flatMap(([a, b]) => [
            [a, Math.min(b, from)],
            [Math.max(a, to), b],
          ])
          .filter(([a, b]) => b > a);
        recount(state);
      });
    },
    ['I1'],
  ],
  'one store lost an acknowledged pair': [
    (data, random) => {
      const holder = random.pick(['redis', 'postgres', 'api']);
      const [name] = pickState(data.holders.get(holder), random, (state) => !state.mastered);
      data.holders.get(holder).delete(name);
    },
    ['I1', 'I5'],
  ],
  'credit for what was never sent': [
    (data, random) => {
      const [name] = pickState(data.holders.get('api'), random, (state) => !state.mastered);
      inEveryHolder(data, (states) => {
        states.get(name).coverage.push([11_000, 11_300]);
        recount(states.get(name));
      });
    },
    ['I2'],
  ],
  'a pair nobody played': [
    (data) => {
      inEveryHolder(data, (states) =>
        states.set('s-x/m-0', {
          coverage: [[0, 800]],
          covered_ms: 800,
          seconds: 0,
          mastered: false,
        }),
      );
    },
    ['I2'],
  ],
  'seconds counted twice': [
    (data, random) => {
      const [, state] = pickState(data.holders.get('api'), random);
      state.seconds += random.between(1, 9);
    },
    ['I2'],
  ],
  'a store that added instead of uniting': [
    (data, random) => {
      const [, state] = pickState(data.holders.get('redis'), random);
      state.covered_ms += 800;
    },
    ['I2'],
  ],
  'pieces that overlap': [
    (data) => {
      const state = data.holders.get('postgres').get('s-0/m-0');
      state.coverage = [
        [0, 6000],
        [5000, 12_000],
      ];
    },
    ['I2', 'I5'],
  ],
  'a completion twice': [
    (data, random) => {
      data.completions.push({ ...random.pick(data.completions) });
    },
    ['I3'],
  ],
  'a completion missing': [
    (data, random) => {
      data.completions.splice(random.between(0, data.completions.length - 1), 1);
    },
    ['I3'],
  ],
  'all completions missing': [
    (data) => {
      data.completions.length = 0;
    },
    ['I3'],
  ],
  'a completion below the threshold': [
    (data, random) => {
      const [name] = pickState(data.holders.get('api'), random, (state) => !state.mastered);
      const [student, module] = name.split('/');
      data.completions.push({ student, module, reader: 'outbox' });
    },
    ['I3'],
  ],
  'mastered below the threshold': [
    (data, random) => {
      const [name] = pickState(data.holders.get('api'), random, (state) => !state.mastered);
      inEveryHolder(data, (states) => (states.get(name).mastered = true));
    },
    ['I3'],
  ],
  'mastery forgotten by one': [
    (data, random) => {
      pickState(data.holders.get('redis'), random, (state) => state.mastered)[1].mastered = false;
    },
    ['I3', 'I5'],
  ],
  'progress that fell': [
    (data, random) => {
      const watch = new ProgressWatch();
      for (const toMs of [0, 800, 1600, random.between(0, 1599), 2400])
        watch.saw('api', 's-1/m-1', toMs === 0 ? [] : [[0, toMs]]);
      assert.equal(watch.looks, 5);
      data.falls = watch.falls;
    },
    ['I4'],
  ],
  'progress that fell while it grew elsewhere': [
    (data) => {
      const watch = new ProgressWatch();
      watch.saw('api', 's-1/m-1', [[0, 800]]);
      watch.saw('api', 's-1/m-1', [[0, 1600]]);
      assert.deepEqual(watch.falls, []);
      watch.saw('api', 's-1/m-1', [[4000, 9000]]);
      data.falls = watch.falls;
    },
    ['I4'],
  ],
  'two stores that differ': [
    (data) => {
      // Sent and not acknowledged: neither I1 nor I2 can say, but one has it and the other has not.
      data.pairs.set('s-y/m-1', {
        sent: [
          [0, 800],
          [800, 1600],
        ],
        promised: [[0, 800]],
      });
      for (const [holder, states] of data.holders) {
        const coverage = [[0, holder === 'redis' ? 1600 : 800]];
        states.set('s-y/m-1', {
          coverage,
          covered_ms: lengthOf(coverage),
          seconds: Math.floor(lengthOf(coverage) / 1000),
          mastered: false,
        });
      }
    },
    ['I5'],
  ],
};

for (let seed = 1; seed <= 20; ++seed) {
  test(`right data has no violations, seed ${seed}`, () =>
    assert.deepEqual(check(rightData(seed)), []));
}
for (const [name, [damage, rules]] of Object.entries(damages)) {
  test(`found: ${name}`, () => {
    for (let seed = 1; seed <= 20; ++seed) {
      const data = rightData(seed);
      damage(data, new Random(seed, name));
      assert.deepEqual(rulesOf(data), rules, `seed ${seed}: ${JSON.stringify(check(data)[0])}`);
    }
  });
}

test('a store that was emptied may lack pairs, but not hold wrong ones', () => {
  const data = rightData(1);
  data.mayLack.add('redis');
  data.holders.get('redis').delete('s-1/m-1');
  assert.deepEqual(check(data), []);
  data.holders.get('redis').get('s-2/m-2').coverage[0][0] += 400;
  recount(data.holders.get('redis').get('s-2/m-2'));
  assert.ok(rulesOf(data).includes('I1') && rulesOf(data).includes('I5'));
});

test('a pair without coverage is as good as none, but not one that was acknowledged', () => {
  const data = rightData(1);
  const empty = { coverage: [], covered_ms: 0, seconds: 0, mastered: false };
  data.holders.get('redis').set('s-z/m-0', { ...empty });
  assert.deepEqual(check(data), []);
  data.holders.get('redis').set('s-1/m-1', { ...empty });
  assert.deepEqual(rulesOf(data), ['I1', 'I5']);
});

test('a store that may lag may hold less, but not more', () => {
  const data = rightData(1);
  data.mayLag = new Set(['redis']);
  const state = data.holders.get('redis').get('s-0/m-0');
  Object.assign(state, { coverage: [[0, 4000]], mastered: false });
  recount(state);
  assert.deepEqual(check(data), []);
  data.pairs.get('s-1/m-1').sent.push([11_000, 11_800]);
  data.holders.get('redis').get('s-1/m-1').coverage.push([11_000, 11_800]);
  recount(data.holders.get('redis').get('s-1/m-1'));
  assert.deepEqual(rulesOf(data), ['I5']);
});

test('the record: promises, retries, a line that is cut', () => {
  const file = path.join(
    fs.mkdtempSync(path.join(os.tmpdir(), 'watchkeeper-record-')),
    'ack.jsonl',
  );
  const base = { t_ms: 1, kid: 'k', student: 's', module: 'm', sid: 'x', attempt: 1 };
  const line = (event, sn, more = {}) =>
    `${JSON.stringify({ event, ...base, sn, from: sn * 1000, to: sn * 1000 + 1000, ...more })}\n`;
  const record = new AckRecord(file);
  assert.equal(record.read().counts.sent, 0); // no file yet
  fs.writeFileSync(
    file,
    line('sent', 0) +
      line('answered', 0, { status: 'retry', error: 'timeout' }) +
      line('sent', 0) +
      line('answered', 0, { status: 'duplicate' }) +
      line('sent', 1).slice(0, 30),
  );
  record.read();
  assert.deepEqual(record.pairs.get('s/m').promised, [[0, 1000]]);
  assert.deepEqual(record.counts, {
    sent: 2,
    acknowledged: 1,
    retried: 1,
    rejected: 0,
    limited: 0,
    duplicate: 1,
  });
  fs.appendFileSync(
    file,
    line('sent', 1).slice(30) +
      line('answered', 1, { status: 'limited', credited_ms: 300 }) +
      line('answered', 1, { status: 'duplicate' }) +
      line('answered', 2, { status: 'rejected', problem: 'stale-token' }),
  );
  record.read();
  // Of the limited one only the beginning was promised, also by the duplicate that followed.
  assert.deepEqual(record.pairs.get('s/m').promised, [
    [0, 1000],
    [1000, 1300],
    [1000, 1300],
  ]);
  assert.equal(record.counts.rejected, 1);
  assert.equal(record.problems.get('stale-token'), 1);
  fs.rmSync(path.dirname(file), { recursive: true });
});

test('the record: who plays, and what was not answered', () => {
  const record = new AckRecord('none');
  const line = (event, kid, sn, status) =>
    record.take({ event, kid, student: 's', module: 'm', sid: kid, sn, from: 0, to: 1, status });
  line('sent', 'a', 0);
  line('sent', 'b', 0);
  line('answered', 'a', 0, 'retry');
  assert.deepEqual([...record.players], []);
  assert.deepEqual(record.withoutResultAfter(0), [{ number: 1, pair: 's/m', interval: [0, 1] }]);
  assert.deepEqual(record.withoutResultAfter(2), []);
  // Sent once more it is one that was sent later.
  line('sent', 'b', 0);
  assert.deepEqual(record.withoutResultAfter(2), [{ number: 2, pair: 's/m', interval: [0, 1] }]);
  line('answered', 'b', 0, 'credited');
  line('answered', 'a', 0, 'limited');
  assert.deepEqual([...record.players], ['b', 'a']);
  assert.deepEqual(record.withoutResultAfter(0), []);
});
