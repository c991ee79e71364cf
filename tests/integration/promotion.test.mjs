// A replica of Redis is promoted that had lost its link before: whatever was acknowledged since then
// is in the ledger or in the memory of a gateway, and has to come back; what ended stays ended.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { TcpProxy } from '../faults/lib/proxy.mjs';
import { run } from './lib/command.mjs';
import { Gateway } from './lib/gateway.mjs';
import { ownPort } from './lib/ports.mjs';
import { assertProblem, Scene } from './lib/scene.mjs';
import { root, variants } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';

const privateRedis = path.join(root, 'scripts', 'private-redis');

/** The Redis of the stores, a replica of it, and the address at which the gateways find one of them. */
class ReplicatedRedis {
  static async start(stores) {
    const redis = new ReplicatedRedis();
    redis.stores = stores;
    redis.primary = stores.folderOf('private-redis');
    redis.replica = stores.folderOf('private-redis-replica');
    redis.serving = redis.primary;
    redis.port = await ownPort();
    await redis.ask(redis.primary, 'CONFIG', 'SET', 'port', redis.port);
    redis.proxy = await TcpProxy.start(() => ({ path: path.join(redis.serving, 'redis.sock') }));
    fs.mkdirSync(redis.replica);
    await run(privateRedis, ['start', redis.replica]);
    return redis;
  }
  async ask(folder, ...words) {
    const socket = path.join(folder, 'redis.sock');
    return (await run('redis-cli', ['-e', '-s', socket, ...words.map(String)])).stdout.trim();
  }
  async offset(folder, name) {
    const info = await this.ask(folder, 'INFO', 'replication');
    return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1];
  }
  async follow() {
    await this.ask(this.replica, 'REPLICAOF', '127.0.0.1', this.port);
    await until('the replica is as far as the primary', async () => {
      const written = await this.offset(this.primary, 'master_repl_offset');
      return (
        (await this.offset(this.replica, 'master_link_status')) === 'up' &&
        (await this.offset(this.replica, 'slave_repl_offset')) === written
      );
    });
  }
  /** The replica gets nothing more. */
  cutLink() {
    return this.ask(this.replica, 'REPLICAOF', '127.0.0.1', 1);
  }
  async promote() {
    this.serving = this.replica;
    await this.ask(this.replica, 'REPLICAOF', 'NO', 'ONE');
    this.proxy.cut();
    this.stores.halt('private-redis');
  }
  async stop() {
    await this.proxy?.stop();
    await run(privateRedis, ['stop', this.replica]);
  }
}

/** Sends until the stores are there again, as a device does: the result, or a response that is none. */
const send = (scene, token) =>
  until('the heartbeat has a result', async () => {
    const response = await scene.gateway.send(token);
    if (response.status === 200) return response.json.results[0];
    return response.status !== 503 && response;
  });
const shown = (at, { student, module }) =>
  until('the API replies', async () => {
    const response = await at.viewer('GET', `/v1/progress/${student}/${module}`);
    return response.status !== 503 && response;
  });
const completionsOf = async (gateway, { student }) =>
  (await gateway.completions()).filter(({ data }) => data.student === student);

/** What students do while the replica gets nothing, and what has to hold after its promotion. */
class LostWrites {
  constructor(gateway, other, redis) {
    Object.assign(this, { gateway, other, redis });
  }

  async playBefore() {
    this.late = await Scene.make(this.gateway, { durationMs: 600_000 });
    for (const name of ['mastered', 'erased', 'reset', 'fresh'])
      this[name] = await Scene.make(this.gateway);
    for (const scene of [this.late, this.mastered, this.erased, this.reset])
      await scene.credited(0, 30_000);
    for (const scene of [this.erased, this.reset]) await scene.credited(30_000, 56_000);
  }

  /** Heartbeats of known pairs, a first one, and ends of lives, which only the primary gets. */
  async playMeanwhile() {
    const { gateway, other, redis, late, mastered, fresh, erased, reset } = this;
    this.second = await late.token(30_000, 45_000);
    assert.equal((await send(late, this.second)).seconds_watched, 45);
    assert.equal((await mastered.credited(30_000, 60_000)).state, 'MASTERED');
    await fresh.credited(0, 20_000);
    assert.equal((await gateway.admin('DELETE', `/v1/students/${erased.student}`)).status, 204);
    const path = `/v1/progress/${reset.student}/${reset.module}/reset`;
    assert.equal((await other.admin('POST', path, { reason: 'a retake' })).status, 204);
    [this.event] = await until('the completion is there', async () => {
      const events = await completionsOf(gateway, mastered);
      return events.length === 1 && events;
    });
    const ofFresh = ['KEYS', `wk:*progress:${fresh.student}/*`];
    assert.notEqual(await redis.ask(redis.primary, ...ofFresh), '');
    assert.equal(await redis.ask(redis.replica, ...ofFresh), '');
  }

  async whatHasEndedStaysEnded() {
    const { gateway, other, erased, reset } = this;
    for (const at of [gateway, other]) {
      assertProblem(await shown(at, erased), 404, 'not-found');
      const begun = (await shown(at, reset)).json;
      assert.deepEqual([begun.seconds_watched, begun.attempt], [0, 2]);
      erased.gateway = at;
      const refused = await send(erased, await erased.token(56_000, 60_000));
      assertProblem(refused, 401, 'unknown-device');
    }
    await gateway.enrol(erased.device, erased.student);
    const anew = await until('the new enrolment is known', async () => {
      const response = await erased.play(56_000, 60_000);
      return response.status === 200 && response.json.results[0];
    });
    assert.deepEqual([anew.seconds_watched, anew.state], [4, 'IN_PROGRESS']);
    const retake = await send(reset, await reset.token(56_000, 60_000));
    assert.deepEqual([retake.seconds_watched, retake.state], [4, 'IN_PROGRESS']);
  }

  async whatWasAcknowledgedIsBack() {
    const { gateway, other, late, mastered, fresh } = this;
    for (const at of [gateway, other])
      await until('all that was acknowledged is shown', async () => {
        const [ofLate, ofFresh, ofMastered] = await Promise.all(
          [late, fresh, mastered].map(async (scene) => (await shown(at, scene)).json),
        );
        return (
          ofLate.seconds_watched === 55 &&
          ofFresh.seconds_watched === 20 &&
          ofMastered.state === 'MASTERED'
        );
      });
    // The promoted replica has not seen its number; what it covers counts once all the same.
    assert.equal((await send(late, this.second)).seconds_watched, 55);
    assert.equal((await send(mastered, await mastered.token(0, 10_000))).state, 'MASTERED');
  }

  async theLedgerAgrees() {
    const { gateway, late, mastered, erased, reset } = this;
    assert.deepEqual(await completionsOf(gateway, mastered), [this.event]);
    assert.deepEqual(await completionsOf(gateway, erased), []);
    assert.deepEqual(await completionsOf(gateway, reset), []);
    await until('nothing is left to checkpoint', async () => {
      const { ledger } = (await gateway.operator('GET', '/v1/stats')).json;
      return ledger.dirty_pairs === 0;
    });
    const rows = await gateway.viewer('GET', `/v1/modules/${late.module}/students`);
    assert.equal(rows.json.items[0].seconds_watched, 55);
  }
}

describe('a replica that is promoted', { skip: !variants.includes('servers') }, () => {
  let gateway, other, redis;
  before(async () => {
    gateway = await Gateway.start({
      variant: 'servers',
      store: 'checkpoint_interval_s = 1',
      through: async (stores) => {
        redis = await ReplicatedRedis.start(stores);
        stores.settings =
          `hot = "redis://127.0.0.1:${redis.proxy.port}"\n` + `ledger = "${stores.postgresUrl}"\n`;
      },
    });
    other = await gateway.beside();
  });
  after(async () => {
    await other?.stop();
    await redis?.stop();
    await gateway?.stop();
  });

  test('without the last writes loses nothing and undoes no end of a life', async () => {
    const lost = new LostWrites(gateway, other, redis);
    await lost.playBefore();
    await redis.follow();
    await redis.cutLink();
    await lost.playMeanwhile();
    await redis.promote();
    // What only one gateway has in memory is back with the next checkpoint.
    lost.late.gateway = other;
    const next = await send(lost.late, await lost.late.token(45_000, 55_000));
    assert.equal(next.status, 'credited');
    await lost.whatHasEndedStaysEnded();
    await lost.whatWasAcknowledgedIsBack();
    await lost.theLedgerAgrees();
  });
});
