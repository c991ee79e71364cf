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
import { event, until } from './lib/wait.mjs';

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

for (const variant of variants) {
  describe(`a killed gateway, ${variant}`, () => {
    test('every acknowledged heartbeat is in the coverage', async (t) => {
      const gateway = await Gateway.start({ variant });
      let fleet;
      try {
        const log = path.join(gateway.directory, 'ack.jsonl');
        // Half a second of media in 0.4 s: the module ends before the test does.
        fleet = spawn(
          program,
          [
            'fleet',
            '--url',
            gateway.origin,
            '--insecure',
            '--admin-token',
            tokens.admin,
            '--devices',
            String(devices),
            '--connections',
            '8',
            '--interval',
            '0.4',
            '--playback-rate',
            '2',
            '--duration',
            '40',
            '--module-duration',
            String(moduleS),
            '--module',
            'crash-a',
            '--module',
            'crash-b',
            '--ack-log',
            log,
            '--quiet',
            '--json',
            '--request-timeout',
            '3',
            '--drain',
            '5',
          ],
          { stdio: ['ignore', 'pipe', 'pipe'] },
        );
        let said = '';
        fleet.stdout.on('data', (chunk) => (said += chunk));
        fleet.stderr.on('data', (chunk) => (said += chunk));
        const fleetEnded = event('the fleet ends', fleet, 'exit', 170_000);
        for (let kill = 1; kill <= 2; ++kill) {
          const seen = readLog(log).length;
          await until(
            `heartbeats before kill ${kill}`,
            () => {
              if (fleet.exitCode !== null) throw new Error(`the fleet ended: ${said}`);
              return (
                readLog(log).filter(
                  (line) => line.event === 'answered' && promised.has(line.status),
                ).length >
                  kill * devices * 4 && readLog(log).length > seen
              );
            },
            { timeoutMs: 30_000, everyMs: 100 },
          );
          const { port } = gateway;
          gateway.child.kill('SIGKILL');
          assert.equal((await gateway.hasEnded()).signal, 'SIGKILL');
          await gateway.launch(port);
        }
        await fleetEnded;

        const pairs = byPair(readLog(log));
        assert.ok(pairs.size >= devices, `${pairs.size} pairs; ${said}`);
        let mastered = 0;
        for (const pair of pairs.values()) {
          if (pair.promised.length === 0) continue;
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
          if (progress.state === 'MASTERED') ++mastered;
          else assert.ok(lengthOf(progress.coverage) < moduleS * 950, `${name} should be mastered`);
        }
        assert.ok(mastered > 0, 'no pair was mastered: the run was too short to show anything');
        const events = await until('every mastered pair has its completion', async () => {
          const all = await gateway.completions();
          return all.length >= mastered && all;
        });
        const subjects = events.map((event) => event.subject);
        assert.deepEqual(subjects.length, new Set(subjects).size);
        assert.equal(subjects.length, mastered);
        const lines = readLog(log);
        const count = (event, test) =>
          lines.filter((line) => line.event === event && test(line)).length;
        t.diagnostic(
          `${count('sent', () => true)} sent, ` +
            `${count('answered', (line) => promised.has(line.status))} acknowledged, ` +
            `${count('answered', (line) => line.status === 'retry')} to be repeated, ${mastered} mastered`,
        );
      } finally {
        if (fleet && fleet.exitCode === null) fleet.kill('SIGKILL');
        await gateway.end('SIGKILL').catch(() => {});
        gateway.remove();
      }
    });
  });
}
