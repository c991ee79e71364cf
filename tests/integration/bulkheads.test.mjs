// What must wait for the ledger waits alone: a PostgreSQL that is slow holds up neither the
// heartbeats of known pairs nor the statistics, and one that has a row locked no call of the API.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TcpProxy } from '../faults/lib/proxy.mjs';
import { Gateway } from './lib/gateway.mjs';
import { Scene } from './lib/scene.mjs';
import { variants } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { event, until } from './lib/wait.mjs';

const binaries = process.env.WATCHKEEPER_POSTGRES_BIN ?? '/usr/lib/postgresql/15/bin';

const p90 = (times) => times.sort((a, b) => a - b)[Math.floor(times.length * 0.9)];

/** How long the call takes, in milliseconds. */
async function timed(call) {
  const began = performance.now();
  await call();
  return performance.now() - began;
}

/** One session of psql, which holds what it has locked until it ends. */
class Psql {
  static async begin(folder, statement) {
    const psql = new Psql();
    psql.child = spawn(
      path.join(binaries, 'psql'),
      ['-XAtq', '-h', folder, '-U', 'watchkeeper', '-d', 'watchkeeper'],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    psql.text = '';
    psql.child.stdout.on('data', (piece) => (psql.text += piece));
    await psql.ask(`BEGIN; ${statement}`);
    return psql;
  }
  /** Gives what the statement prints. */
  async ask(statement) {
    this.text = '';
    this.child.stdin.write(`${statement};\n\\echo over\n`);
    await until('psql has replied', () => this.text.includes('over\n'));
    return this.text.replace('over\n', '').trim();
  }
  async end() {
    const ended = event('psql ends', this.child, 'exit');
    this.child.stdin.end('ROLLBACK;\n');
    await ended;
  }
}

describe('a ledger that is slow or locked', { skip: !variants.includes('servers') }, () => {
  let gateway;
  let proxy;
  before(async () => {
    gateway = await Gateway.start({
      variant: 'servers',
      store: 'checkpoint_interval_s = 1',
      through: async (stores) => {
        proxy = await TcpProxy.start({
          path: path.join(stores.folderOf('private-postgres'), '.s.PGSQL.5432'),
        });
        const proxied = `postgresql://watchkeeper@127.0.0.1:${proxy.port}/watchkeeper?sslmode=disable`;
        stores.settings = `hot = "${stores.redisUrl}"\nledger = "${proxied}"\n`;
      },
    });
  });
  after(async () => {
    await gateway?.stop();
    await proxy?.stop();
  });

  /** Students whose devices and modules the gateway knows, but not their pairs in the second module. */
  async function known(count) {
    const first = await Scene.make(gateway, { durationMs: 600_000 });
    const second = await Scene.make(gateway, { durationMs: 600_000 });
    await second.credited(0, 1_000);
    const scenes = [];
    for (let i = 0; i < count; ++i) {
      const scene = await Scene.make(gateway, { module: first.module });
      await scene.credited(0, 1_000);
      scenes.push(scene);
    }
    let next = 0;
    return {
      scenes,
      second: second.module,
      /** A heartbeat of a pair that is known. */
      async play() {
        const scene = scenes[next++ % count];
        const from = 1_000 * scene.sn;
        assert.equal((await scene.credited(from, from + 1_000)).status, 'credited');
      },
      /** The first heartbeat of the student's second pair. */
      async playNew(scene) {
        const token = await scene.device.token({
          ...scene.claims(0, 1_000),
          cid: second.module,
          sid: crypto.randomUUID(),
          sn: 0,
        });
        return gateway.send(token);
      },
    };
  }

  test('heartbeats of known pairs and the statistics do not wait for a slow one', async () => {
    const students = await known(4);
    const order = [];
    proxy.delayMs = 1_000;
    const late = students.playNew(students.scenes[0]).then((response) => {
      order.push('new');
      return response;
    });
    await students.play().then(() => order.push('known'));
    assert.equal((await gateway.operator('GET', '/v1/stats')).status, 200);
    assert.equal((await gateway.operator('GET', '/metrics')).status, 200);
    order.push('statistics');
    const response = await late;
    proxy.delayMs = 0;
    assert.deepEqual(order, ['known', 'statistics', 'new']);
    assert.equal(response.status, 200, response.text);
    assert.equal(response.json.results[0].status, 'credited');
  });

  test('how much slower known pairs are beside new ones', async (t) => {
    const students = await known(40);
    /** For 600 ms, and no faster than the devices may. */
    const measure = async () => {
      const times = [];
      for (let i = 0; i < 15; ++i) {
        times.push(await timed(students.play));
        await delay(40 - Math.min(40, times.at(-1)));
      }
      return times;
    };
    const undisturbed = [];
    for (let i = 0; i < 5; ++i) undisturbed.push(...(await measure()));
    proxy.delayMs = 200;
    const news = [];
    const times = [];
    for (const scene of students.scenes.slice(0, 5)) {
      news.push(students.playNew(scene));
      times.push(...(await measure()));
    }
    for (const response of await Promise.all(news)) assert.equal(response.status, 200);
    proxy.delayMs = 0;
    t.diagnostic(
      `p90 of heartbeats of known pairs: ${p90(undisturbed).toFixed(1)} ms undisturbed, ` +
        `${p90(times).toFixed(1)} ms beside a new pair each 600 ms and a ledger of 400 ms a call`,
    );
    // Who waited for the ledger took 400 ms at least.
    assert.ok(p90(times) < 200);
  });

  test('a locked row holds up no call', async (t) => {
    const scene = await Scene.make(gateway, { durationMs: 600_000 });
    const other = await Scene.make(gateway, { durationMs: 600_000 });
    await scene.credited(0, 10_000);
    await other.credited(0, 10_000);
    const address = `/v1/modules/${scene.module}`;
    const elsewhere = `/v1/modules/${other.module}`;
    for (const module of [address, elsewhere])
      await until(
        'it is checkpointed',
        async () => (await gateway.viewer('GET', `${module}/students`)).json.items.length === 1,
      );
    const calls = [
      address,
      `${address}/heatmap`,
      `${address}/students`,
      `${address}/students?order=attention`,
      `${elsewhere}/heatmap`,
      '/v1/overview',
      '/v1/completions.csv',
      `/v1/progress/${scene.student}/${scene.module}`,
    ];
    // The threads that read have connected.
    for (let i = 0; i < 4; ++i) await Promise.all(calls.map((call) => gateway.viewer('GET', call)));
    const folder = gateway.stores.folderOf('private-postgres');
    const waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    // The checkpoint gives up after a while: a machine that stood still until then has shown
    // nothing.
    const shown = await until('calls are made beside a checkpoint that waits', async () => {
      const lock = await Psql.begin(
        folder,
        `SELECT 1 FROM progress WHERE student_id = '${scene.student}' FOR UPDATE`,
      );
      try {
        const watchedMs = scene.sn * 10_000 + 10_000;
        await scene.play(watchedMs - 10_000, watchedMs);
        await until('the checkpoint waits', async () => (await lock.ask(waits)) !== '0');
        const times = [];
        for (const call of calls)
          times.push(
            await timed(async () =>
              assert.equal((await gateway.viewer('GET', call)).status, 200, call),
            ),
          );
        const heatmap = (await gateway.viewer('GET', `${address}/heatmap`)).json;
        const viewersMs = heatmap.viewers.reduce((sum, viewers) => sum + viewers, 0) * 1_000;
        const waited = (await lock.ask(waits)) !== '0';
        assert.equal(Math.round(viewersMs), watchedMs);
        return waited && times;
      } finally {
        await lock.end();
      }
    });
    for (const [i, call] of calls.entries())
      t.diagnostic(`GET ${call} beside it: ${shown[i].toFixed(1)} ms`);
  });
});
