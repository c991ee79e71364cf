// kill -9 in the middle of a fleet's playback: what was acknowledged is there afterwards, what is
// there was sent, and each pair that was mastered has exactly one completion.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Gateway, program, tokens } from './lib/gateway.mjs';
import { lengthOf, union } from './lib/scene.mjs';
import { variants } from './lib/stores.mjs';
import { describe, test } from './lib/test.mjs';
import { event, Hopeless, until } from './lib/wait.mjs';

const promised = new Set(['credited', 'limited', 'duplicate', 'accepted']);
const devices = 120;
const moduleS = 30;

function readLog(file) {
  if (!fs.existsSync(file)) return [];
  // The last line may be cut: the fleet is writing, or was ended.
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** By "student/module": the intervals sent, those promised whole, and the sessions' numbers. */
function byPair(lines) {
  const pairs = new Map();
  for (const line of lines) {
    const key = `${line.student}/${line.module}`;
    if (!pairs.has(key))
      pairs.set(key, {
        student: line.student,
        module: line.module,
        sent: [],
        promised: [],
        limited: 0,
      });
    const pair = pairs.get(key);
    if (line.event === 'sent') pair.sent.push([line.from, line.to]);
    if (line.event === 'answered' && promised.has(line.status)) {
      // Of a limited one only the beginning counts.
      const to = line.status === 'limited' ? line.from + line.credited_ms : line.to;
      if (to > line.from) pair.promised.push([line.from, to]);
      if (line.status === 'limited') ++pair.limited;
    }
  }
  return pairs;
}

const contains = (set, [from, to]) => set.some(([a, b]) => a <= from && to <= b);

/** The players; gives the process, what it said, and its end. */
function startFleet(gateway, log) {
  const options = {
    url: gateway.origin,
    'admin-token': tokens.admin,
    devices,
    connections: 8,
    interval: 0.4,
    'playback-rate': 2,
    duration: 120, // at most: the test ends it
    'module-duration': moduleS,
    'ack-log': log,
    'request-timeout': 3,
    drain: 5,
  };
  const child = spawn(
    program,
    [
      'fleet',
      ...['--insecure', '--quiet', '--json', '--module', 'crash-a', '--module', 'crash-b'],
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const fleet = { child, said: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => (fleet.said += chunk));
  fleet.ended = event('the fleet ends', child, 'exit', 170_000);
  return fleet;
}

const isAcknowledged = (line) => line.event === 'answered' && promised.has(line.status);

/** Kills the gateway in the middle of the playback, and starts it again. */
async function kill(gateway, fleet, log, number) {
  const seen = readLog(log).length;
  await until(
    `heartbeats before kill ${number}`,
    () => {
      if (fleet.child.exitCode !== null) throw new Hopeless(`the fleet ended: ${fleet.said}`);
      const lines = readLog(log);
      return lines.filter(isAcknowledged).length > number * devices * 4 && lines.length > seen;
    },
    { timeoutMs: 30_000, everyMs: 100 },
  );
  gateway.child.kill('SIGKILL');
  assert.equal((await gateway.hasEnded()).signal, 'SIGKILL');
  await gateway.launch();
}

/** What was acknowledged is there, and what is there was sent. Gives whether the pair is mastered. */
async function checkPair(gateway, pair) {
  const name = `${pair.student}/${pair.module}`;
  const progress = await gateway.progress(pair.student, pair.module);
  const sent = union(pair.sent);
  for (const interval of pair.promised)
    assert.ok(
      contains(progress.coverage, interval),
      `${name}: acknowledged ${interval} is missing in ${JSON.stringify(progress.coverage)}`,
    );
  for (const interval of progress.coverage)
    assert.ok(contains(sent, interval), `${name}: ${interval} was never sent`);
  assert.equal(progress.seconds_watched, Math.floor(lengthOf(progress.coverage) / 1000));
  assert.ok(lengthOf(progress.coverage) >= lengthOf(union(pair.promised)));
  if (progress.state === 'MASTERED') return true;
  assert.ok(lengthOf(progress.coverage) < moduleS * 950, `${name} should be mastered`);
  return false;
}

for (const variant of variants) {
  describe(`a killed gateway, ${variant}`, () => {
    test('every acknowledged heartbeat is in the coverage', async (t) => {
      const gateway = await Gateway.start({ variant });
      let fleet;
      try {
        const log = path.join(gateway.directory, 'ack.jsonl');
        fleet = startFleet(gateway, log);
        for (let number = 1; number <= 2; ++number) await kill(gateway, fleet, log, number);
        await until(
          'a pair is mastered',
          async () => {
            if (fleet.child.exitCode !== null) throw new Hopeless(`the fleet ended: ${fleet.said}`);
            return (await gateway.completions()).length > 0;
          },
          { timeoutMs: 100_000, everyMs: 200 },
        );
        fleet.child.kill('SIGTERM');
        await fleet.ended;

        const pairs = byPair(readLog(log));
        assert.ok(pairs.size >= devices, `${pairs.size} pairs; ${fleet.said}`);
        let mastered = 0;
        for (const pair of pairs.values())
          if (pair.promised.length > 0 && (await checkPair(gateway, pair))) ++mastered;
        assert.ok(mastered > 0, 'no pair was mastered: the run was too short to show anything');
        const events = await until('every mastered pair has its completion', async () => {
          const all = await gateway.completions();
          return all.length >= mastered && all;
        });
        const subjects = events.map(({ subject }) => subject);
        assert.deepEqual(subjects.length, new Set(subjects).size);
        assert.equal(subjects.length, mastered);
        const lines = readLog(log);
        const count = (wanted) => lines.filter(wanted).length;
        t.diagnostic(
          `${count((line) => line.event === 'sent')} sent, ` +
            `${count(isAcknowledged)} acknowledged, ` +
            `${count((line) => line.event === 'answered' && line.status === 'retry')} to be repeated, ` +
            `${mastered} mastered`,
        );
      } finally {
        if (fleet && fleet.child.exitCode === null) fleet.child.kill('SIGKILL');
        await gateway.end('SIGKILL').catch(() => {});
        gateway.remove();
      }
    });
  });
}
