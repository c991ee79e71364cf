// What is credited (docs/protocol.md, section 5), rule by rule.
import assert from 'node:assert/strict';
import { Device, uuid } from './lib/device.mjs';
import { Gateway } from './lib/gateway.mjs';
import { assertProblem, lengthOf, Scene, union } from './lib/scene.mjs';
import { variants } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';

for (const variant of variants) {
  describe(`what is credited, ${variant}`, () => {
    let gateway;
    before(async () => (gateway = await Gateway.start({ variant })));
    after(() => gateway?.stop());

    test('3: an interval is cut at the end of the module, however far it goes on', async () => {
      const scene = await Scene.make(gateway, { durationMs: 20_000 });
      const result = await scene.credited(15_000, 21_000);
      assert.equal(result.credited_ms, 5_000);
      assert.deepEqual((await scene.progress()).coverage, [[15_000, 20_000]]);
      const pastEnd = async () =>
        (await gateway.operator('GET', '/v1/stats')).json.heartbeats.past_end;
      const before = await pastEnd();
      const far = await scene.credited(16_000, 40_000);
      assert.equal(far.credited_ms, 4_000);
      assert.equal(await pastEnd(), before + 1);
      assert.deepEqual((await scene.progress()).coverage, [[15_000, 20_000]]);
      assertProblem(await scene.play(20_000, 20_500), 422, 'implausible-interval');
    });

    test('4: coverage is a set: rewatching adds playtime only, gaps of 250 ms are closed', async () => {
      const scene = await Scene.make(gateway);
      const played = [
        [0, 5_000],
        [2_000, 6_000],
        [6_250, 8_000],
        [8_251, 9_000],
        [20_000, 20_400],
        [0, 1_000],
      ];
      for (const [from, to] of played)
        assert.equal((await scene.credited(from, to)).status, 'credited');
      const progress = await scene.progress();
      assert.deepEqual(progress.coverage, union(played));
      assert.equal(progress.seconds_watched, Math.floor(lengthOf(union(played)) / 1000));
      assert.equal(
        progress.completion_percentage,
        Math.floor((lengthOf(union(played)) / 60_000) * 10_000) / 100,
      );
      assert.equal(progress.playtime_ms, lengthOf(played));
    });

    test('4: reaching the end by seeking masters nothing', async () => {
      const scene = await Scene.make(gateway);
      const result = await scene.credited(59_000, 60_000);
      assert.equal(result.state, 'IN_PROGRESS');
      assert.equal(result.seconds_watched, 1);
      assert.equal(result.resume_ms, 60_000);
    });

    test('5: over the budget an interval is cut at its end', async () => {
      const scene = await Scene.make(gateway, { durationMs: 600_000, more: { max_rate: 1 } });
      let last;
      for (let i = 0; i < 3; ++i) last = await scene.credited(i * 30_000, (i + 1) * 30_000);
      assert.equal(last.status, 'limited');
      const progress = await scene.progress();
      assert.equal(progress.coverage.length, 1);
      const [[from, to]] = progress.coverage;
      assert.equal(from, 0);
      // 60 s at the start, and 1.1 s for each second that the test has taken.
      assert.ok(to >= 60_000 && to < 80_000, `${to}`);
      assert.equal(last.credited_ms, to - 60_000);
      assert.equal(progress.playtime_ms, to);
      assert.equal(progress.resume_ms, to); // not beyond what counted
      const refusals = await gateway.viewer('GET', `/v1/students/${scene.student}/refusals`);
      const [{ kind, refused }] = refusals.json.items;
      assert.deepEqual([kind, refused], ['too_fast', [to, 90_000]]);
    });

    test("5: the budget is the student's, over devices, sessions and modules", async () => {
      const scene = await Scene.make(gateway, { durationMs: 600_000, more: { max_rate: 1 } });
      await gateway.putModule(`${scene.module}-b`, 600_000, { max_rate: 1 });
      await scene.credited(0, 30_000);
      await scene.credited(30_000, 60_000);
      scene.device = await Device.make('EdDSA');
      await gateway.enrol(scene.device, scene.student);
      scene.sid = uuid();
      const result = await scene.credited(0, 30_000, { cid: `${scene.module}-b` });
      assert.equal(result.status, 'limited');
      assert.ok(result.credited_ms < 20_000, `${result.credited_ms}`);
    });

    test('6: a number seen is a duplicate, one older than 64 is stale', async () => {
      const scene = await Scene.make(gateway);
      await scene.credited(0, 1_000, { sn: 100 });
      assert.equal((await scene.credited(0, 1_000, { sn: 100 })).status, 'duplicate');
      assert.equal((await scene.credited(1_000, 2_000, { sn: 37 })).status, 'credited');
      assertProblem(await scene.play(2_000, 3_000, { sn: 36 }), 401, 'stale-token');
      const progress = await scene.progress();
      assert.deepEqual(progress.coverage, [[0, 2_000]]);
      scene.sid = uuid(); // another session has numbers of its own
      assert.equal((await scene.credited(2_000, 3_000, { sn: 36 })).status, 'credited');
    });

    test('6: a number seen, with another interval, is no duplicate', async () => {
      const scene = await Scene.make(gateway);
      await scene.credited(0, 1_000, { sn: 7 });
      assertProblem(await scene.play(5_000, 9_000, { sn: 7 }), 409, 'sequence-reused');
      const response = await gateway.viewer('GET', `/v1/students/${scene.student}/refusals`);
      const [refusal] = response.json.items;
      assert.equal(refusal.problem, 'sequence-reused');
      assert.equal(refusal.kind, 'other');
      scene.sid = uuid();
      assert.equal((await scene.credited(5_000, 9_000, { sn: 7 })).status, 'credited');
      assert.deepEqual((await scene.progress()).coverage, [
        [0, 1_000],
        [5_000, 9_000],
      ]);
    });

    test('6: out of order and many at once come to the same', async () => {
      const scene = await Scene.make(gateway);
      const list = [];
      // 60 in all: a device may send 64 at once.
      for (let i = 0; i < 30; ++i) list.push(await scene.token(i * 1000, (i + 1) * 1000));
      for (let i = list.length - 1; i > 0; --i) {
        const j = (i * 7919) % (i + 1);
        [list[i], list[j]] = [list[j], list[i]];
      }
      const responses = await Promise.all([...list, ...list].map((token) => gateway.send(token)));
      const statuses = responses.map((a) => a.json.results[0].status);
      assert.equal(statuses.filter((s) => s === 'credited').length, 30);
      assert.equal(statuses.filter((s) => s === 'duplicate').length, 30);
      assert.deepEqual((await scene.progress()).coverage, [[0, 30_000]]);
    });

    test('7: mastery is at the threshold, not below, and for good', async () => {
      const scene = await Scene.make(gateway, {
        durationMs: 20_000,
        more: { mastery_threshold: 50 },
      });
      assert.equal((await scene.credited(0, 9_999)).state, 'IN_PROGRESS');
      assert.equal((await scene.credited(9_999, 10_000)).state, 'MASTERED');
      const before = await scene.progress();
      await gateway.putModule(scene.module, 40_000, { mastery_threshold: 100 });
      assert.equal((await scene.credited(10_000, 11_000)).state, 'MASTERED');
      assert.equal((await scene.progress()).mastered_at, before.mastered_at);
    });
  });
}
