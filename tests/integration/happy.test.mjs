// From an empty gateway to a mastered module, on every kind of store.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Gateway } from './lib/gateway.mjs';
import { Scene } from './lib/scene.mjs';
import { variants } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';

for (const variant of variants) {
  describe(`the whole way, ${variant}`, () => {
    let gateway;
    before(
      async () => (gateway = await Gateway.start({ variant, store: 'checkpoint_interval_s = 2' })),
    );
    after(() => gateway?.stop());

    for (const alg of ['ES256', 'EdDSA']) {
      test(`${alg}: from nothing to MASTERED, with exactly one completion`, async () => {
        const scene = await Scene.make(gateway, { alg });
        const sent = [];
        for (let i = 0; i < 6; ++i) {
          const token = await scene.token(i * 10_000, (i + 1) * 10_000);
          sent.push(token);
          const response = await gateway.send(token);
          assert.equal(response.status, 200, response.text);
          assert.equal(response.headers['content-type'], 'application/json');
          assert.ok(response.headers.date);
          assert.ok(Math.abs(response.json.server_time * 1000 - Date.now()) < 10_000);
          const [result] = response.json.results;
          const seconds = (i + 1) * 10;
          assert.deepEqual(result, {
            sid: scene.sid,
            sn: i,
            status: 'credited',
            credited_ms: 10_000,
            seconds_watched: seconds,
            completion_percentage: Math.floor((seconds / 60) * 10_000) / 100,
            state: i === 5 ? 'MASTERED' : 'IN_PROGRESS',
            resume_ms: seconds * 1000,
          });
        }
        const progress = await scene.progress();
        assert.equal(progress.seconds_watched, 60);
        assert.equal(progress.completion_percentage, 100);
        assert.equal(progress.state, 'MASTERED');
        assert.deepEqual(progress.coverage, [[0, 60_000]]);
        assert.equal(progress.playtime_ms, 60_000);
        assert.equal(progress.resume_ms, 60_000);
        assert.match(progress.updated_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        assert.match(progress.mastered_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

        const mine = async () =>
          (await gateway.completions()).filter((e) => e.data.student === scene.student);
        await until('the completion is there', async () => (await mine()).length > 0);
        for (const token of sent) {
          const response = await gateway.send(token);
          assert.equal(response.status, 200);
          assert.equal(response.json.results[0].status, 'duplicate');
          assert.equal(response.json.results[0].seconds_watched, 60);
        }
        const events = await mine();
        assert.equal(events.length, 1);
        const [event] = events;
        assert.equal(event.specversion, '1.0');
        assert.equal(event.type, 'org.watchkeeper.module.mastered.v1');
        assert.equal(event.subject, `${scene.student}/${scene.module}`);
        assert.match(
          event.id,
          /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
        );
        assert.deepEqual(event.data, {
          student: scene.student,
          module: scene.module,
          seconds_watched: 60,
          completion_percentage: 100,
          mastered_at: progress.mastered_at,
          threshold: 95,
          attempt: 1,
          revision: 1,
        });
        assert.deepEqual(await scene.progress(), progress);
      });
    }

    test('lists show what the pairs show, and page', async () => {
      const first = await Scene.make(gateway);
      const scenes = [first];
      for (let i = 0; i < 2; ++i) scenes.push(await Scene.make(gateway, { module: first.module }));
      for (const scene of scenes) await scene.credited(0, 10_000);
      await first.credited(20_000, 27_000);
      const byStudent = (await gateway.viewer('GET', `/v1/students/${first.student}/progress`))
        .json;
      assert.deepEqual(byStudent, { items: [await first.progress()], next: null });
      // The list of a module pages through the ledger, which has the pair at the next checkpoint.
      const listed = await until(
        'all are checkpointed',
        async () => {
          const all = [];
          let cursor = '';
          do {
            const page = (
              await gateway.viewer(
                'GET',
                `/v1/modules/${first.module}/students?limit=2${cursor && `&cursor=${cursor}`}`,
              )
            ).json;
            assert.ok(page.items.length <= 2);
            all.push(...page.items);
            cursor = page.next ?? '';
          } while (cursor);
          return all.length === 3 && all;
        },
        { timeoutMs: 60_000, everyMs: 500 },
      );
      for (const scene of scenes)
        assert.deepEqual(
          listed.find((item) => item.student === scene.student),
          await scene.progress(),
        );
    });

    test('what it writes is closed to other users', () => {
      const data = path.join(gateway.directory, 'data');
      const written = fs.readdirSync(data).map((name) => path.join(data, name));
      assert.ok(written.length > 1, written.join());
      assert.deepEqual(
        [data, ...written].filter((file) => (fs.statSync(file).mode & 0o027) !== 0),
        [],
      );
    });

    test('what was acknowledged is there after a restart', async () => {
      const scene = await Scene.make(gateway);
      await scene.credited(0, 10_000);
      const token = await scene.token(10_000, 15_500);
      assert.equal((await gateway.send(token)).json.results[0].status, 'credited');
      const progress = await scene.progress();
      const count = (await gateway.completions()).length;
      assert.deepEqual(await gateway.end(), { code: 0, signal: null });
      await gateway.launch();
      assert.deepEqual(await scene.progress(), progress);
      assert.equal((await gateway.send(token)).json.results[0].status, 'duplicate');
      assert.equal((await scene.credited(15_500, 20_000)).seconds_watched, 20);
      assert.equal((await gateway.completions()).length, count);
    });

    test('an erased student is gone everywhere and comes back only by enrolment', async () => {
      const scene = await Scene.make(gateway);
      for (let i = 0; i < 6; ++i) await scene.credited(i * 10_000, (i + 1) * 10_000);
      const late = await scene.token(0, 5_000);
      assert.equal((await gateway.admin('DELETE', `/v1/students/${scene.student}`)).status, 204);
      assert.equal((await gateway.send(late)).status, 401);
      assert.equal(
        (await gateway.viewer('GET', `/v1/progress/${scene.student}/${scene.module}`)).status,
        404,
      );
      assert.deepEqual(
        (await gateway.viewer('GET', `/v1/students/${scene.student}/progress`)).json,
        { items: [], next: null },
      );
      assert.deepEqual(
        (await gateway.completions()).filter((e) => e.data.student === scene.student),
        [],
      );
      assert.ok(!gateway.log.includes(scene.student), 'the log names the student');
      assert.equal((await gateway.admin('DELETE', `/v1/students/${scene.student}`)).status, 204);
      await gateway.enrol(scene.device, scene.student);
      assert.equal((await scene.credited(0, 3_000)).seconds_watched, 3);
    });
  });
}
