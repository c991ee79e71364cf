// Revisions: a module changes, goes and comes back, and what its students have seen is judged by the rules of today.
import assert from 'node:assert/strict';
import { Gateway } from './lib/gateway.mjs';
import { assertProblem, Scene } from './lib/scene.mjs';
import { variants } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';

const completionsOf = async (gateway, scene) =>
  (await gateway.completions()).filter(({ data }) => data.module === scene.module);
const patch = async (scene, body, gateway = scene.gateway) => {
  const response = await gateway.admin('PATCH', `/v1/modules/${scene.module}`, body);
  assert.equal(response.status, 200, response.text);
  return response.json;
};
const heatmapOf = async (gateway, scene) =>
  (await gateway.viewer('GET', `/v1/modules/${scene.module}/heatmap`)).json;
const jobsOf = async (gateway) =>
  (await gateway.operator('GET', '/v1/stats?filter=jobs')).json.jobs;
/** A checkpoint that began after the call is complete, and nothing is left to judge. */
const settled = (gateway) => {
  let lagMs = Number.POSITIVE_INFINITY;
  let rounds = 0;
  return until('a checkpoint is complete, and all is judged', async () => {
    const { ledger, jobs } = (await gateway.operator('GET', '/v1/stats?filter=ledger,jobs')).json;
    if (ledger.lag_ms < lagMs) ++rounds; // the first look, a round that ran by then, and a whole one
    lagMs = ledger.lag_ms;
    return rounds >= 3 && jobs.length === 0;
  });
};

for (const variant of variants) {
  describe(`revisions, ${variant}`, () => {
    let gateway;
    let other;
    before(async () => {
      gateway = await Gateway.start({ variant, store: 'checkpoint_interval_s = 1' });
      if (variant !== 'embedded') other = await gateway.beside();
    });
    after(async () => {
      await other?.stop();
      await gateway?.stop();
    });

    test('what was seen beyond the end of a shorter module does not count', async () => {
      const scene = await Scene.make(gateway, { durationMs: 120_000 });
      await scene.credited(60_000, 90_000);
      await scene.credited(90_000, 115_000);
      await settled(gateway);
      assert.equal((await patch(scene, { duration_ms: 60_000 })).revision, 2);
      const shown = await scene.progress();
      assert.deepEqual(shown.coverage, []);
      assert.equal(shown.completion_percentage, 0);
      assert.equal(shown.state, 'IN_PROGRESS');
      assert.equal(shown.resume_ms, 60_000);
      const result = await scene.credited(0, 3_000);
      assert.equal(result.completion_percentage, 5);
      assert.equal(result.state, 'IN_PROGRESS');
      await settled(gateway);
      assert.equal((await scene.progress()).state, 'IN_PROGRESS');
      assert.deepEqual(await completionsOf(gateway, scene), []);
      const heatmap = await heatmapOf(gateway, scene);
      assert.equal(heatmap.bins, 60);
      assert.ok(
        heatmap.viewers.every((viewers) => viewers <= heatmap.students),
        JSON.stringify(heatmap.viewers),
      );
      const list = await gateway.viewer('GET', `/v1/modules/${scene.module}/students`);
      assert.equal(list.json.items[0].completion_percentage, 5);
      const overview = await gateway.viewer('GET', '/v1/overview');
      assert.equal(overview.json.modules[scene.module].average_completion, 5);
      // It was seen, and counts again where the module has it again.
      await patch(scene, { duration_ms: 120_000 });
      assert.equal((await scene.progress()).seconds_watched, 58);
    });

    test('a lower threshold masters all who reach it, with one event each', async () => {
      const first = await Scene.make(gateway);
      const second = await Scene.make(gateway, { module: first.module });
      const behind = await Scene.make(gateway, { module: first.module });
      for (const scene of [first, second]) {
        await scene.credited(0, 30_000);
        await scene.credited(30_000, 55_000);
      }
      await behind.credited(0, 30_000);
      await settled(gateway);
      assert.equal((await first.progress()).state, 'IN_PROGRESS');
      await patch(first, { mastery_threshold: 90 }, other ?? gateway);
      await until('both are mastered', async () => {
        const states = [await first.progress(), await second.progress()].map(({ state }) => state);
        return states.every((state) => state === 'MASTERED');
      });
      await until('the job has ended', async () => (await jobsOf(gateway)).length === 0);
      assert.equal((await behind.progress()).state, 'IN_PROGRESS');
      const events = await completionsOf(gateway, first);
      assert.deepEqual(
        events.map(({ data }) => data.student).sort(),
        [first.student, second.student].sort(),
      );
      for (const { data } of events) {
        assert.equal(data.revision, 2);
        assert.equal(data.threshold, 90);
        assert.equal(data.completion_percentage, 91.66);
      }
      // The device hears of it with its next heartbeat, and nobody loses it.
      assert.equal((await first.credited(0, 1_000)).state, 'MASTERED');
      await patch(first, { mastery_threshold: 100 });
      await settled(gateway);
      assert.equal((await first.progress()).state, 'MASTERED');
      assert.equal((await completionsOf(gateway, first)).length, 2);
    });

    test('a removed module keeps its threshold, masters nobody, and comes back', async () => {
      const scene = await Scene.make(gateway, { more: { mastery_threshold: 100 } });
      await scene.credited(0, 30_000);
      await scene.credited(30_000, 57_600);
      const address = `/v1/modules/${scene.module}`;
      assert.equal((await gateway.admin('DELETE', address)).status, 204);
      assertProblem(await scene.play(0, 5_000), 404, 'unknown-module');
      await settled(gateway);
      const shown = await scene.progress();
      assert.equal(shown.state, 'IN_PROGRESS');
      assert.equal(shown.completion_percentage, 96);
      assertProblem(await gateway.admin('PATCH', address, { title: 'x' }), 404, 'not-found');
      await gateway.putModule(scene.module, 60_000, { mastery_threshold: 96 });
      await until('it is mastered', async () => (await scene.progress()).state === 'MASTERED');
      const [event] = await completionsOf(gateway, scene);
      assert.equal(event.data.revision, 2);
      assert.equal(event.data.threshold, 96);
    });

    test('a patch of the title leaves the rules', async () => {
      const scene = await Scene.make(gateway, { more: { mastery_threshold: 33.33, max_rate: 4 } });
      const module = await patch(scene, { title: 'Another' });
      assert.equal(module.title, 'Another');
      assert.equal(module.mastery_threshold, 33.33);
      assert.equal(module.max_rate, 4);
      assert.equal(module.revision, 1);
    });

    test('short gaps at the beginning and the end count as seen', async () => {
      const scene = await Scene.make(gateway, {
        durationMs: 20_000,
        more: { mastery_threshold: 100 },
      });
      const result = await scene.credited(120, 19_960);
      assert.equal(result.state, 'MASTERED');
      assert.equal(result.completion_percentage, 100);
    });
  });
}
