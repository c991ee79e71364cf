import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { Gateway } from '../../tests/integration/lib/gateway.mjs';
import { ManyPairs } from '../../tests/integration/lib/many-pairs.mjs';
import { until } from '../../tests/integration/lib/wait.mjs';
import { ms, pause, row, stats } from '../lib/measure.mjs';

export const title = 'Retention: idle pairs leave Redis, and are back with their next heartbeat';

const students = 20_000;
const modules = Number(process.env.WATCHKEEPER_RETENTION_MODULES ?? 50); // pairs of each student
const retentionS = Number(process.env.WATCHKEEPER_RETENTION_S ?? 600);
const returningCount = 10_000;
const perSecond = 100;

const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MB`;

/** Bytes that Redis needs for its data, and has of the system's memory; and keys. */
function redisNow(gateway) {
  const ask = (...words) =>
    execFileSync(
      'redis-cli',
      ['-s', path.join(gateway.stores.folderOf('private-redis'), 'redis.sock'), ...words],
      { encoding: 'utf8' },
    );
  const memory = ask('INFO', 'memory');
  const field = (name) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(memory)[1]);
  return {
    bytes: field('used_memory_dataset'),
    residentBytes: field('used_memory_rss'),
    keys: Number(ask('DBSIZE')),
  };
}

/**
 * All pairs leave at once here, and Redis returns their memory to the system some 10 s later, all at once as
 * well: on some machines that holds everything up. In a deployment pairs leave a few at a time.
 */
async function memoryIsReturned(gateway) {
  const settledMs = 15_000;
  let lowest = Number.POSITIVE_INFINITY;
  let sinceMs = performance.now();
  await until(
    'Redis has returned the memory',
    () => {
      const { residentBytes } = redisNow(gateway);
      if (residentBytes < lowest * 0.99) {
        lowest = residentBytes;
        sinceMs = performance.now();
      }
      return performance.now() - sinceMs >= settledMs;
    },
    { timeoutMs: 300_000, everyMs: 500 },
  );
}

/** Sends heartbeats and keeps how long each waits from when it was due, in µs, the shortest first. */
class Waits {
  constructor(gateway) {
    this.gateway = gateway;
    this.us = [];
    this.beats = [];
  }
  send(token, dueMs) {
    const sentMs = Math.max(dueMs, performance.now());
    this.beats.push(
      this.gateway.send([token]).then(({ status, json, text }) => {
        if (status !== 200 || json.results[0].status !== 'credited') throw new Error(text);
        this.us.push((performance.now() - sentMs) * 1000);
      }),
    );
  }
  async end() {
    await Promise.all(this.beats);
    this.us.sort((a, b) => a - b);
  }
  /** Of a share of them, as 0.99. */
  at(share) {
    return this.us[Math.max(Math.ceil(this.us.length * share) - 1, 0)];
  }
}

/**
 * Pairs spread over all of them return at an even rate. Beside each, a pair that never left has a heartbeat:
 * what both wait for is the machine, and the difference is what it costs to come back.
 */
async function comeBack(many, known) {
  const [returning, present] = [new Waits(many.gateway), new Waits(many.gateway)];
  const beginsMs = performance.now();
  const stride = Math.floor(many.count / returningCount);
  for (let n = 0; n < returningCount; n++) {
    const dueMs = beginsMs + (n * 1000) / perSecond;
    const left = dueMs - performance.now();
    if (left > 0) await pause(left);
    returning.send(many.token(n * stride + (n % stride), 1, 100, 200), dueMs);
    const turn = 1 + Math.floor(n / known.count);
    present.send(known.token(n % known.count, turn, turn * 100, turn * 100 + 100), dueMs);
  }
  await Promise.all([returning.end(), present.end()]);
  return { returning, present };
}

export async function measure() {
  const gateway = await Gateway.start({
    variant: 'servers',
    settings: `[log]\nlevel = "warning"\n${ManyPairs.settings}`,
    store: `checkpoint_interval_s = 5\nhot_retention_s = ${retentionS}`,
  });
  try {
    const many = await ManyPairs.make(gateway, { students, modules });
    const known = await ManyPairs.make(gateway, { students: 100, modules: 1, name: 'known' });
    const empty = redisNow(gateway);
    await many.play(0, 0, 100);
    const full = redisNow(gateway);
    const playedMs = performance.now();
    const retired = async () => (await stats(gateway)).hot_store.retired_pairs;
    await until('all have left', async () => (await retired()) >= many.count, {
      timeoutMs: (retentionS * 2 + 1_800) * 1000,
      everyMs: 500,
    });
    const tookS = (performance.now() - playedMs) / 1000;
    const left = redisNow(gateway);
    await memoryIsReturned(gateway);
    await known.play(0, 0, 100);
    const { returning, present } = await comeBack(many, known);
    const extraUs = returning.at(0.99) - present.at(0.99);
    const failures = (await stats(gateway)).hot_store.failures;
    return [
      row('pairs played', many.count),
      row(
        'Redis per pair, with its session',
        `${((full.bytes - empty.bytes) / many.count).toFixed(0)} bytes`,
      ),
      row('Redis with all of them', `${mib(full.bytes)}, ${full.keys} keys`),
      row('Redis after they have left', `${mib(left.bytes)}, ${left.keys} keys`),
      row(`all have left, with a retention of ${retentionS} s`, `after ${tookS.toFixed(0)} s`),
      row(
        'their next heartbeats, credited',
        `${returning.us.length}`,
        returningCount,
        returning.us.length === returningCount,
      ),
      row('median of these heartbeats', ms(returning.at(0.5))),
      row('median of heartbeats of pairs that never left, beside them', ms(present.at(0.5))),
      row(
        'p99 of these heartbeats',
        ms(returning.at(0.99)),
        '≤ 20 ms',
        returning.at(0.99) <= 20_000,
      ),
      row('p99 of the others beside them', ms(present.at(0.99))),
      row('p99: what coming back adds', ms(extraUs), '≤ 20 ms', extraUs <= 20_000),
      row('calls of Redis that failed', failures, '0', failures === 0),
    ];
  } finally {
    await gateway.stop();
  }
}
