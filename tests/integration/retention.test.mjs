// Pairs that nobody plays leave the hot store, and are back with their next heartbeat.
import assert from 'node:assert/strict';
import { Gateway } from './lib/gateway.mjs';
import { ManyPairs } from './lib/many-pairs.mjs';
import { assertProblem } from './lib/scene.mjs';
import { variants } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';

const statsOf = async (gateway) => (await gateway.operator('GET', '/v1/stats')).json;

for (const variant of variants) {
  describe(`the retention of idle pairs, ${variant}`, () => {
    let gateway, other, many;
    before(async () => {
      gateway = await Gateway.start({
        variant,
        settings: ManyPairs.settings,
        store: 'checkpoint_interval_s = 1\nhot_retention_s = 2',
      });
      other = variant === 'servers' ? await gateway.beside() : gateway;
      many = await ManyPairs.make(gateway, { students: 40, modules: 50 });
    });
    after(async () => {
      if (other !== gateway) await other?.stop();
      await gateway?.stop();
    });

    const both = () => (other === gateway ? [gateway] : [gateway, other]);
    const retired = async () => {
      let sum = 0;
      for (const each of both()) sum += (await statsOf(each)).hot_store.retired_pairs;
      return sum;
    };
    const haveLeft = (count) =>
      until('they have left', async () => (await retired()) >= count, { timeoutMs: 90_000 });
    const shown = async (i) => {
      const { student, module } = many.names(i);
      return (await other.viewer('GET', `/v1/progress/${student}/${module}`)).json;
    };

    test('they leave, are shown, and come back with what they had', async () => {
      const first = many.token(0, 0, 0, 1_000);
      await many.play(0, 0, 1_000);
      await haveLeft(many.count);
      assert.equal(await retired(), many.count);
      assert.equal((await shown(0)).seconds_watched, 1);

      // The replay window outlives the pair.
      const replayed = await other.send([first]);
      assert.equal(replayed.status, 200, replayed.text);
      assert.equal(replayed.json.results[0].status, 'duplicate', replayed.text);
      many.gateway = other;
      await many.play(1, 1_000, 2_000, (result) => assert.equal(result.seconds_watched, 2));
      await haveLeft(2 * many.count);
      assert.equal((await shown(many.count - 1)).seconds_watched, 2);
      for (const each of both()) {
        const { hot_store, ledger } = await statsOf(each);
        assert.equal(hot_store.failures, 0, hot_store.last_failure);
        assert.equal(ledger.failures, 0, ledger.last_failure);
        assert.doesNotMatch(each.log, /has lost pairs|"level":"error"/);
      }
    });

    test('one that has left is reset and erased like any other', async () => {
      const before = await retired();
      const one = await ManyPairs.make(gateway, { students: 1, modules: 2, name: 'one' });
      await one.play(0, 0, 1_000);
      await haveLeft(before + one.count);
      const { student, module } = one.names(0);
      const reset = await gateway.admin('POST', `/v1/progress/${student}/${module}/reset`, {
        reason: 'watched by somebody else',
      });
      assert.ok(reset.status < 300, reset.text);
      assertProblem(await gateway.send([one.token(0, 0, 0, 1_000)]), 409, 'sequence-reused');
      const anew = await gateway.send([one.token(0, 1, 5_000, 6_000)]);
      assert.equal(anew.json.results[0].seconds_watched, 1, anew.text);

      await haveLeft(before + one.count + 1);
      assert.equal((await gateway.admin('DELETE', `/v1/students/${student}`)).status, 204);
      assertProblem(await gateway.send([one.token(1, 1, 1_000, 2_000)]), 401, 'unknown-device');
      const gone = await gateway.viewer('GET', `/v1/progress/${student}/${one.modules[1]}`);
      assertProblem(gone, 404, 'not-found');
    });
  });
}
