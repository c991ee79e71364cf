// The heatmap is what the students' coverages add up to: at once, after checkpoints, after kill -9,
// and with two gateways on one pair of stores.
import assert from 'node:assert/strict';
import { run } from './lib/command.mjs';
import { Gateway, program, tokens } from './lib/gateway.mjs';
import { stretch } from './lib/machine.mjs';
import { assertProblem, lengthOf, Scene } from './lib/scene.mjs';
import { variants } from './lib/stores.mjs';
import { describe, test } from './lib/test.mjs';
import { always, until } from './lib/wait.mjs';

/** Each begins in the middle of the one before. */
const secondsOf = (turn) => 5_000 + turn * 5_000;

const sum = (values) => values.reduce((total, value) => total + value, 0);

async function heatmap(gateway, module, query = '') {
  const response = await gateway.viewer('GET', `/v1/modules/${module}/heatmap${query}`);
  assert.equal(response.status, 200, response.text);
  const map = response.json;
  assert.equal(map.viewers.length, map.bins);
  assert.equal(map.plays.length, map.bins);
  for (let i = 0; i < map.bins; ++i)
    assert.ok(map.plays[i] >= map.viewers[i], `bin ${i}: ${map.plays[i]} < ${map.viewers[i]}`);
  return map;
}

/** Seconds that all students of the module have covered, bin by bin, from their progress. */
async function fromCoverages(gateway, module, bins, binMs) {
  const seen = new Array(bins).fill(0);
  let cursor = '';
  let students = 0;
  do {
    const page = (await gateway.viewer('GET', `/v1/modules/${module}/students?limit=500${cursor}`))
      .json;
    for (const { coverage } of page.items) {
      ++students;
      for (const [from, to] of coverage)
        for (let bin = Math.floor(from / binMs); bin < bins && bin * binMs < to; ++bin)
          seen[bin] += Math.min(to, (bin + 1) * binMs) - Math.max(from, bin * binMs);
    }
    cursor = page.next === null ? '' : `&cursor=${page.next}`;
  } while (cursor);
  return { students, viewers: seen.map((ms) => Math.round((ms / binMs) * 100) / 100) };
}

/** Runs `watchkeeper recount`; {code, text}. */
function recount(gateway, ...more) {
  return run(program, ['recount', '--config', gateway.file, ...more]).then(
    ({ stdout, stderr }) => ({ code: 0, text: stdout + stderr }),
    ({ code, message, stdout = '', stderr = message }) => ({ code, text: stdout + stderr }),
  );
}

/** A short fleet run; resolves when it has ended. */
async function fleet(gateway, module, ...more) {
  try {
    await run(program, [
      'fleet',
      '--url',
      gateway.origin,
      '--insecure',
      '--admin-token',
      tokens.admin,
      '--connections',
      '8',
      '--interval',
      '0.4',
      '--playback-rate',
      '2',
      '--module-duration',
      '20',
      '--module',
      module,
      '--quiet',
      '--json',
      '--drain',
      '5',
      ...more,
    ]);
  } catch (error) {
    if (error.code !== 1) throw error; // 1: some heartbeats were not acknowledged
  }
}

for (const variant of variants) {
  describe(`heatmap, ${variant}`, () => {
    test('a heartbeat is seen within a second; rewatching adds plays only', async () => {
      const gateway = await Gateway.start({ variant, store: 'checkpoint_interval_s = 600' });
      try {
        const scene = await Scene.make(gateway, { durationMs: 30_500 });
        const empty = await heatmap(gateway, scene.module);
        assert.equal(empty.bins, 31);
        assert.equal(empty.students, 0);
        assert.deepEqual(empty.viewers, new Array(31).fill(0));

        assert.equal((await scene.credited(0, 10_000)).status, 'credited');
        let map = await until(
          'the heartbeat is seen',
          async () => {
            const now = await heatmap(gateway, scene.module);
            return sum(now.viewers) === 10 && now;
          },
          { timeoutMs: 1_000 * stretch(), everyMs: 20 },
        );
        assert.deepEqual(map.viewers.slice(0, 12), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
        assert.equal(map.students, 1);

        const again = scene.claims(2_000, 4_500);
        const token = await scene.device.token(again);
        await gateway.send(token);
        await gateway.send(token); // a duplicate is no play
        await scene.credited(30_000, 30_500);
        map = await heatmap(gateway, scene.module);
        assert.equal(map.viewers[3], 1);
        assert.deepEqual(map.plays.slice(1, 6), [1, 2, 2, 1.5, 1]);
        assert.equal(map.viewers[30], 1, 'the last bin is divided by its own length');
        assert.equal(map.duration_ms, 30_500);

        const few = await heatmap(gateway, scene.module, '?bins=4');
        assert.equal(few.bin_ms, 8_000);
        assert.deepEqual(few.viewers, [1, 0.25, 0, 0.08]);

        assertProblem(await gateway.viewer('GET', '/v1/modules/none/heatmap'), 404, 'not-found');
        for (const bins of ['0', '1001', '-1', 'x', '1.5', ''])
          assertProblem(
            await gateway.viewer('GET', `/v1/modules/${scene.module}/heatmap?bins=${bins}`),
            400,
            'malformed-request',
          );
        const refused = await gateway.operator('GET', `/v1/modules/${scene.module}/heatmap`);
        assert.equal(refused.status, 403);
      } finally {
        await gateway.stop();
      }
    });

    test('it adds up after a fleet, a kill, and a recount', async () => {
      const gateway = await Gateway.start({ variant, store: 'checkpoint_interval_s = 1' });
      const module = 'heat-fleet';
      const check = async (when) => {
        const map = await heatmap(gateway, module);
        const truth = await fromCoverages(gateway, module, map.bins, map.bin_ms);
        assert.deepEqual(map.viewers, truth.viewers, when);
        assert.equal(map.students, truth.students, when);
        return map;
      };
      try {
        const running = fleet(gateway, module, '--devices', '60', '--duration', '12');
        await until(
          'the fleet plays',
          async () => {
            const response = await gateway.viewer('GET', `/v1/modules/${module}/heatmap`);
            return response.status === 200 && sum(response.json.viewers) > 100;
          },
          { timeoutMs: 30_000 },
        );
        gateway.child.kill('SIGKILL');
        await gateway.hasEnded();
        await gateway.launch();
        await running;
        // Students whose first heartbeat came after the last checkpoint are in no list yet.
        await until(
          'all is in the ledger',
          async () =>
            (await recount(gateway, '--check')).code === 0 &&
            (await gateway.operator('GET', '/v1/stats')).json.ledger.dirty_pairs === 0,
          { timeoutMs: 20_000, everyMs: 500 },
        );
        const map = await check('after the kill');
        assert.ok(sum(map.viewers) > 100);

        // An erasure takes the student's part, and leaves the plays.
        const student = (await gateway.viewer('GET', `/v1/modules/${module}/students?limit=1`)).json
          .items[0];
        assert.equal(
          (await gateway.admin('DELETE', `/v1/students/${student.student}`)).status,
          204,
        );
        const without = await check('after the erasure');
        assert.ok(
          Math.abs(sum(map.viewers) - sum(without.viewers) - lengthOf(student.coverage) / 1000) <
            0.2,
        );
        assert.deepEqual(without.plays, map.plays);

        // Another duration: other bins, and of the viewers those before the new end.
        const played = without.viewers.findLastIndex((viewers) => viewers > 0) + 1;
        const endS = Math.ceil((played * without.bin_ms) / 2000);
        await gateway.putModule(module, endS * 1000);
        const shorter = await heatmap(gateway, module);
        assert.equal(shorter.bins, endS);
        const before = sum(without.viewers.slice(0, (endS * 1000) / without.bin_ms));
        assert.ok(before < sum(without.viewers));
        assert.ok(Math.abs(sum(shorter.viewers) - before) < 0.2);
        const right = await recount(gateway, '--module', module, '--check');
        assert.equal(right.code, 0, right.text);
        const usage = await recount(gateway, '--module', 'no id');
        assert.equal(usage.code, 2, usage.text);
      } finally {
        await gateway.stop();
      }
    });

    test('students come in the order of their need', async () => {
      const gateway = await Gateway.start({ variant, store: 'checkpoint_interval_s = 1' });
      try {
        const first = await Scene.make(gateway, { durationMs: 60_000 });
        const { module } = first;
        const more = await Promise.all([1, 2, 3].map(() => Scene.make(gateway, { module })));
        const [skips, nearly, done] = more;
        const play = async (scene, intervals) => {
          for (const [from, to] of intervals)
            assert.equal((await scene.credited(from, to)).status, 'credited');
        };
        await play(first, [[0, 5_000]]);
        await play(skips, [
          [0, 5_000],
          [20_000, 25_000],
        ]);
        await play(nearly, [
          [0, 25_000],
          [25_000, 50_000],
        ]);
        await play(done, [
          [0, 29_000],
          [29_000, 58_000],
        ]);
        const list = (query) => gateway.viewer('GET', `/v1/modules/${module}/students?${query}`);
        await until('all four are in the ledger', async () => (await list('')).json.total === 4, {
          timeoutMs: 45_000,
        });
        let page = await until(
          'a list with all four',
          async () => {
            const response = (await list('order=attention&limit=2')).json;
            return response.total === 4 && response;
          },
          { timeoutMs: 45_000 },
        );
        const items = [...page.items];
        page = (await list(`order=attention&limit=2&cursor=${page.next}`)).json;
        assert.equal(page.next, null);
        assert.equal(page.total, undefined);
        items.push(...page.items);
        assert.deepEqual(
          items.map((item) => [item.student, item.attention]),
          [
            [skips.student, 'skipping'],
            [nearly.student, 'nearly_done'],
            [first.student, 'none'],
            [done.student, 'none'],
          ],
        );
        assert.equal(items[3].state, 'MASTERED');
        assert.equal(items[0].rewatched_ms, 0);
        assertProblem(await list('order=attention&cursor=0123456789abcdef.2'), 409, 'conflict');
        for (const wrong of [
          'order=need',
          'order=attention&cursor=x',
          'order=attention&cursor=.1',
          'order=attention&cursor=a.b',
          'order=attention&limit=0',
        ])
          assertProblem(await list(wrong), 400, 'malformed-request');
      } finally {
        await gateway.stop();
      }
    });
  });
}

if (variants.includes('servers'))
  describe('heatmap, two gateways', () => {
    test('their students add up', async () => {
      const one = await Gateway.start({ variant: 'servers', store: 'checkpoint_interval_s = 1' });
      let two;
      try {
        two = await one.beside();
        const scene = await Scene.make(one, { durationMs: 60_000 });
        const other = await Scene.make(one, { module: scene.module });
        other.gateway = two;
        await scene.credited(0, 10_000);
        await other.credited(5_000, 20_000);
        // One student on both gateways in turn: each millisecond counts once.
        await scene.credited(10_000, 20_000);
        scene.gateway = two;
        await scene.credited(15_000, 25_000);
        const expected = [
          ...new Array(5).fill(1),
          ...new Array(15).fill(2),
          ...new Array(5).fill(1),
        ];
        for (const gateway of [one, two])
          await until(
            'both show the same',
            async () => {
              const map = await heatmap(gateway, scene.module);
              return (
                map.students === 2 &&
                sum(map.viewers) === 40 &&
                expected.every((viewers, i) => map.viewers[i] === viewers)
              );
            },
            { timeoutMs: 20_000, everyMs: 200 },
          );
        const plays = await until(
          'all plays',
          async () => {
            const map = await heatmap(one, scene.module);
            return sum(map.plays) === 45 && map.plays;
          },
          { timeoutMs: 20_000, everyMs: 200 },
        );
        assert.equal(plays[16], 3);
        const checked = await recount(one, '--check');
        assert.equal(checked.code, 0, checked.text);
        assert.match(checked.text, /1 module, 0 wrong/);
      } finally {
        await two?.stop();
        await one.stop();
      }
    });

    test('what one credits the other shows at once, with nobody watching, and once', async () => {
      const one = await Gateway.start({ variant: 'servers', store: 'checkpoint_interval_s = 600' });
      let two;
      try {
        two = await one.beside();
        const scene = await Scene.make(one, { durationMs: 60_000 });
        const other = await Scene.make(one, { module: scene.module });
        // How long it takes, in milliseconds of a machine that has time.
        const shows = async (gateway, seconds, students) => {
          const before = stretch();
          const begun = Date.now();
          await until(
            'it is shown',
            async () => {
              const map = await heatmap(gateway, scene.module);
              await always(() =>
                assert.ok(
                  sum(map.viewers) <= seconds,
                  `${sum(map.viewers)} of ${seconds}: counted twice`,
                ),
              );
              return sum(map.viewers) === seconds && map.students === students;
            },
            { everyMs: 20 },
          );
          const tookMs = Date.now() - begun;
          return tookMs / Math.max(before, stretch());
        };
        await scene.credited(0, 10_000);
        const firstMs = await shows(two, 10, 1);
        assert.equal((await shows(one, 10, 1)) < 1_000, true);
        // The same student at both in turn, and another one, between them.
        const delays = [firstMs];
        let seconds = 10;
        let students = 1;
        for (let turn = 0; turn < 4; ++turn) {
          scene.gateway = turn % 2 === 0 ? two : one;
          await scene.credited(secondsOf(turn), secondsOf(turn) + 10_000);
          seconds += 5;
          delays.push(await shows(turn % 2 === 0 ? one : two, seconds, students));
          if (turn !== 1) continue;
          other.gateway = one;
          await other.credited(0, 10_000);
          seconds += 10;
          students = 2;
          delays.push(await shows(two, seconds, students));
        }
        const rounded = delays.map(Math.round).join(', ');
        console.log(`two gateways: shown by the other after ${rounded} ms`);
        assert.ok(Math.max(...delays) < 1_000, `${delays}`);
        await until(
          'both students are active, at either',
          async () =>
            (await two.viewer('GET', '/v1/overview')).json.modules[scene.module].active === 2,
        );
        // The last checkpoints, of both at once; then nothing is left to be added.
        await Promise.all([one.end(), two.end()]);
        await one.launch();
        const truth = await fromCoverages(one, scene.module, 60, 1_000);
        const map = await heatmap(one, scene.module);
        assert.deepEqual(map.viewers, truth.viewers);
        assert.equal(sum(map.viewers), seconds);
        const checked = await recount(one, '--check');
        assert.equal(checked.code, 0, checked.text);
      } finally {
        await two?.stop();
        await one.stop();
      }
    });
  });
