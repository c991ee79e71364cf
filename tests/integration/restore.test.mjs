// A ledger that went back in time: an older backup is put in its place (docs/operations.md,
// "Restoring an older ledger"), or an asynchronous standby becomes the primary.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { run } from './lib/command.mjs';
import { Gateway, program } from './lib/gateway.mjs';
import { assertProblem, Scene } from './lib/scene.mjs';
import { variants } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { always, until } from './lib/wait.mjs';

const binaries = process.env.WATCHKEEPER_POSTGRES_BIN ?? '/usr/lib/postgresql/15/bin';

async function playAll(scene) {
  for (let i = 0; i < 6; ++i) await scene.credited(i * 10_000, (i + 1) * 10_000);
}
const sequenceOf = (page) => Number(page.next);
/** The events after the number, and the number with which to go on. */
async function read(gateway, from) {
  const items = [];
  for (let next = from; ; ) {
    const { json: page } = await answered(() =>
      gateway.viewer('GET', `/v1/completions?limit=500&after=${next}`),
    );
    items.push(...page.items);
    if (page.next === null) return { items, next };
    next = page.next;
  }
}
const isOf =
  (scene) =>
  ({ data }) =>
    data.student === scene.student && data.module === scene.module;
const ledgerOf = async (gateway) => (await gateway.operator('GET', '/v1/stats')).json.ledger;
const reasonsOf = async (gateway) => (await gateway.operator('GET', '/readyz')).json.reasons;
/** How often the ledger went back, as the metrics and the statistics have it. */
async function lossesOf(gateway) {
  const { text } = await gateway.operator('GET', '/metrics');
  const counted = Number(/^watchkeeper_ledger_went_back_total (.*)$/m.exec(text)?.[1]);
  assert.equal(counted, (await ledgerOf(gateway)).went_back);
  return counted;
}

/** A connection that broke fails the call that finds it broken: a caller tries again after a 503. */
const answered = (call) =>
  until('the stores are there again', async () => {
    const response = await call();
    return response.status !== 503 && response;
  });

/** A checkpoint that began after this call is complete. */
async function checkpoint(gateway) {
  for (let rounds = 0; rounds < 2; ++rounds) {
    const begunMs = Date.now();
    await until(
      'a checkpoint is complete',
      async () => (await ledgerOf(gateway)).lag_ms < Date.now() - begunMs,
    );
  }
}

/** PostgreSQL as docs/operations.md says; `settings` of the ledger's private server. */
class PostgresBackup {
  constructor(gateway) {
    this.gateway = gateway;
    this.host = gateway.stores.folderOf('private-postgres');
    this.dump = path.join(gateway.directory, 'ledger.dump');
  }
  args(...more) {
    return ['-h', this.host, '-U', 'watchkeeper', ...more];
  }
  sql(...statements) {
    const commands = statements.flatMap((each) => ['-c', each]);
    return run(
      path.join(binaries, 'psql'),
      this.args('-d', 'postgres', '-XAtq', '-v', 'ON_ERROR_STOP=1', ...commands),
    );
  }
  take() {
    return run(
      path.join(binaries, 'pg_dump'),
      this.args('--format=custom', `--file=${this.dump}`, 'watchkeeper'),
    );
  }
  /** The gateways go on meanwhile. */
  async restore() {
    await this.sql('CREATE DATABASE watchkeeper_restored');
    await run(
      path.join(binaries, 'pg_restore'),
      this.args('--exit-on-error', '--dbname=watchkeeper_restored', this.dump),
    );
    await this.sql(
      'ALTER DATABASE watchkeeper WITH ALLOW_CONNECTIONS false',
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'watchkeeper'",
      'ALTER DATABASE watchkeeper RENAME TO watchkeeper_lost',
      'ALTER DATABASE watchkeeper_restored RENAME TO watchkeeper',
    );
  }
}

/** The gateway has to stand still for both. */
class SqliteBackup {
  constructor(gateway) {
    this.gateway = gateway;
    this.file = path.join(gateway.directory, 'data', 'watchkeeper.db');
    this.copy = path.join(gateway.directory, 'copy.db');
  }
  async stopped(work) {
    await this.gateway.end();
    work();
    await this.gateway.launch();
  }
  take() {
    return this.stopped(() => fs.copyFileSync(this.file, this.copy));
  }
  restore() {
    return this.stopped(() => {
      for (const ending of ['', '-wal', '-shm']) fs.rmSync(this.file + ending, { force: true });
      fs.copyFileSync(this.copy, this.file);
    });
  }
}

for (const variant of variants) {
  describe(`an older ledger, ${variant}`, () => {
    let gateway, other, backup;
    before(async () => {
      gateway = await Gateway.start({ variant, store: 'checkpoint_interval_s = 1' });
      other = variant === 'servers' ? await gateway.beside() : gateway;
      backup = variant === 'servers' ? new PostgresBackup(gateway) : new SqliteBackup(gateway);
    });
    after(async () => {
      if (other !== gateway) await other?.stop();
      await gateway?.stop();
    });

    const both = () => (other === gateway ? [gateway] : [gateway, other]);
    const erase = async ({ student }) =>
      assert.equal((await gateway.admin('DELETE', `/v1/students/${student}`)).status, 204);
    const revoke = async ({ device }) =>
      assert.equal((await gateway.admin('DELETE', `/v1/devices/${device.kid}`)).status, 204);
    const enrolAgain = ({ device, student }) =>
      answered(() =>
        gateway.admin('PUT', `/v1/devices/${device.kid}`, { student, jwk: device.jwk }),
      );
    const outboxHas = (...scenes) =>
      until('their completions are there', async () => {
        const found = await read(gateway, 0);
        return scenes.every((scene) => found.items.some(isOf(scene))) && found;
      });

    /** What happened before the backup, and what only the lost ledger had. */
    async function play() {
      const early = await Scene.make(gateway);
      const late = await Scene.make(gateway);
      const erased = await Scene.make(gateway);
      const revoked = await Scene.make(gateway);
      await playAll(early);
      await playAll(erased);
      await revoked.credited(0, 5_000);
      await revoke(revoked);
      await outboxHas(early, erased);
      await backup.take();

      late.gateway = other;
      await playAll(late);
      const enrolled = await Scene.make(gateway, { module: late.module });
      await playAll(enrolled);
      await gateway.enrol(revoked.device, revoked.student); // it may play again
      await revoked.credited(5_000, 10_000);
      await erase(erased);
      const lost = await outboxHas(late, enrolled);
      for (const each of both()) await checkpoint(each);
      return { late, erased, revoked, enrolled, lost };
    }

    /** A consumer that has read everything misses nothing. */
    async function isBack(late, lost) {
      const regained = await until('the completion is back', async () => {
        const response = await other.viewer('GET', `/v1/completions?after=${lost.next}`);
        return response.status === 200 && response.json.items.some(isOf(late)) && response.json;
      });
      assert.ok(sequenceOf(regained) > Number(lost.next));
      assert.equal(regained.items.find(isOf(late)).id, lost.items.find(isOf(late)).id);
      for (const each of both()) {
        await until('the loss was noticed, and is made up for', async () => {
          const ledger = await ledgerOf(each);
          return ledger.went_back > 0 && !ledger.catching_up;
        });
        await checkpoint(each);
        assert.deepEqual(await reasonsOf(each), []);
        assert.ok((await lossesOf(each)) >= 1);
        assert.match(each.log, /went back/);
      }
      const list = await answered(() =>
        gateway.viewer('GET', `/v1/modules/${late.module}/students`),
      );
      assert.deepEqual(
        list.json.items.map(({ student, state }) => [student, state]),
        [[late.student, 'MASTERED']],
      );
      const heatmap = await answered(() =>
        other.viewer('GET', `/v1/modules/${late.module}/heatmap`),
      );
      assert.equal(heatmap.json.students, 1);
      assert.ok(heatmap.json.viewers.every((viewers) => viewers === 1));
    }

    /** Who was erased stays erased, and begins anew. */
    async function staysErased(erased) {
      for (const each of both()) {
        const shown = await answered(() =>
          each.viewer('GET', `/v1/progress/${erased.student}/${erased.module}`),
        );
        assertProblem(shown, 404, 'not-found');
        const device = await answered(() => each.admin('GET', `/v1/devices/${erased.device.kid}`));
        assertProblem(device, 404, 'not-found');
        erased.gateway = each;
        const late = await answered(() => erased.play(0, 1_000));
        assertProblem(late, 401, 'unknown-device');
      }
      assert.ok(!(await read(gateway, 0)).items.some(isOf(erased)));
      await enrolAgain(erased);
      const anew = await until('the new enrolment is known', async () => {
        const response = await erased.play(10_000, 15_000);
        return response.status === 200 && response.json.results[0];
      });
      assert.equal(anew.seconds_watched, 5);
      assert.equal(anew.state, 'IN_PROGRESS');
    }

    /** Step 5: the commands find nothing, once what was played is checkpointed. */
    async function isWhole() {
      for (const each of both()) await checkpoint(each);
      await run(program, ['recount', '--config', gateway.file, '--check']);
      await run(program, ['check', '--config', gateway.file]);
    }

    /** Who was enrolled since is enrolled again, and has what was earned without playing. */
    async function goesOn(enrolled, lost) {
      await enrolAgain(enrolled);
      const again = await until('its completion is back', async () => {
        const found = await read(gateway, lost.next);
        return found.items.some(isOf(enrolled)) && found;
      });
      assert.equal(again.items.find(isOf(enrolled)).id, lost.items.find(isOf(enrolled)).id);
      const progress = await answered(() =>
        gateway.viewer('GET', `/v1/progress/${enrolled.student}/${enrolled.module}`),
      );
      assert.equal(progress.json.state, 'MASTERED');
      const beyond = await answered(() =>
        other.viewer('GET', `/v1/completions?after=${Number(again.next) + 1e6}`),
      );
      assertProblem(beyond, 409, 'cursor-from-the-future');
      assert.ok(Number(beyond.json.latest) >= Number(again.next));
    }

    test('is given what was acknowledged, and its numbers go on', async () => {
      const { late, erased, revoked, enrolled, lost } = await play();
      await backup.restore();
      await isBack(late, lost);
      await staysErased(erased);
      // What the backup says of a device holds, also where it was in memory.
      for (const each of both()) {
        revoked.gateway = each;
        const refused = await answered(() => revoked.play(10_000, 11_000));
        assertProblem(refused, 403, 'revoked-device');
        enrolled.gateway = each;
        const unknown = await answered(() => enrolled.play(0, 1_000));
        assertProblem(unknown, 401, 'unknown-device');
      }
      await goesOn(enrolled, lost);
      await isWhole();
    });
  });
}

describe('an older ledger beside a hot store that is away', {
  skip: !variants.includes('servers'),
}, () => {
  let gateway;
  before(async () => {
    gateway = await Gateway.start({ variant: 'servers', store: 'checkpoint_interval_s = 1' });
  });
  after(() => gateway?.stop());

  const away = 'the hot store is away';
  const wentBack = 'the ledger went back, and is given what it lacks';

  test('is named and counted from when it is noticed, and named until it is caught up with', async () => {
    const backup = new PostgresBackup(gateway);
    const lost = await Scene.make(gateway);
    await lost.credited(0, 10_000);
    await checkpoint(gateway);
    await backup.take();
    await lost.credited(10_000, 30_000);
    await checkpoint(gateway);
    assert.equal(await lossesOf(gateway), 0);
    assert.deepEqual(await reasonsOf(gateway), []);

    // What the ledger lacks is in the hot store: until that is back, the ledger cannot be given it.
    gateway.stores.halt('private-redis');
    await until('it is away', async () => (await reasonsOf(gateway)).includes(away));
    await backup.restore();
    const { json } = await until('it is noticed', async () => {
      const response = await gateway.operator('GET', '/readyz');
      return response.status === 200 && response.json.reasons.includes(wentBack) && response;
    });
    assert.deepEqual([json.ready, json.degraded, json.reasons], [true, true, [away, wentBack]]);
    assert.equal((await ledgerOf(gateway)).catching_up, true);
    assert.equal(await lossesOf(gateway), 1);

    gateway.stores.resume('private-redis');
    await until('no reason is left', async () => (await reasonsOf(gateway)).length === 0);
    assert.equal((await ledgerOf(gateway)).catching_up, false);
    await checkpoint(gateway);
    assert.equal(await lossesOf(gateway), 1);
    const list = await answered(() => gateway.viewer('GET', `/v1/modules/${lost.module}/students`));
    assert.equal(list.json.items[0].seconds_watched, 30);
  });
});

/** A copy of the server that gets nothing more, until it takes the place of the server. */
class Standby {
  constructor(stores) {
    this.stores = stores;
    this.folder = stores.folderOf('private-postgres');
    this.data = path.join(this.folder, 'data');
    this.copy = path.join(this.folder, 'standby');
  }
  /** PostgreSQL refuses to run as root. */
  owned(program, ...args) {
    const command = [path.join(binaries, program), ...args];
    if (process.getuid() !== 0) return run(command[0], command.slice(1));
    const owner = ['--reuid=postgres', '--regid=postgres', '--init-groups', '--'];
    return run('setpriv', [...owner, ...command], { cwd: '/' });
  }
  async begin() {
    const from = ['-h', this.folder, '-U', 'watchkeeper', '--checkpoint=fast'];
    await this.owned('pg_basebackup', ...from, '-D', this.copy);
    fs.writeFileSync(path.join(this.copy, 'standby.signal'), '');
  }
  async promote() {
    this.stores.halt('private-postgres');
    fs.renameSync(this.data, `${this.data}-lost`);
    fs.renameSync(this.copy, this.data);
    this.stores.resume('private-postgres');
    await this.owned('pg_ctl', '-D', this.data, '-w', 'promote');
  }
}

describe('an asynchronous standby', { skip: !variants.includes('servers') }, () => {
  let gateway;
  before(async () => {
    gateway = await Gateway.start({ variant: 'servers', store: 'checkpoint_interval_s = 1' });
  });
  after(() => gateway?.stop());

  test('that lacks the last transactions when it is promoted gets them', async () => {
    const standby = new Standby(gateway.stores);
    const lost = await Scene.make(gateway);
    const next = await Scene.make(gateway);
    await lost.credited(0, 10_000);
    await checkpoint(gateway);
    await standby.begin();
    for (let i = 1; i < 6; ++i) await lost.credited(i * 10_000, (i + 1) * 10_000);
    const whole = await until('its completion is there', async () => {
      const found = await read(gateway, 0);
      return found.items.some(isOf(lost)) && found;
    });
    await checkpoint(gateway);
    await standby.promote();
    // The new primary has transactions of its own.
    await until('another student plays', async () => (await next.play(0, 5_000)).status === 200);
    const regained = await until('the completion is back', async () => {
      const response = await gateway.viewer('GET', `/v1/completions?after=${whole.next}`);
      return response.status === 200 && response.json.items.find(isOf(lost));
    });
    assert.equal(regained.id, whole.items.find(isOf(lost)).id);
    await checkpoint(gateway);
    assert.equal((await ledgerOf(gateway)).went_back, 1);
    const list = await answered(() => gateway.viewer('GET', `/v1/modules/${lost.module}/students`));
    assert.equal(list.json.items[0].state, 'MASTERED');
  });
});

describe('an asynchronous standby, two gateways', { skip: !variants.includes('servers') }, () => {
  let gateway, other, both;
  before(async () => {
    gateway = await Gateway.start({ variant: 'servers', store: 'checkpoint_interval_s = 1' });
    other = await gateway.beside();
    both = [gateway, other];
  });
  after(async () => {
    await other?.stop();
    await gateway?.stop();
  });

  /** From the promotion on the erased student's device never gets credit, and is unknown soon. */
  const isRefused = (scene, each) =>
    until('the device is unknown', async () => {
      const response = await each.send(await scene.token(0, 1_000));
      await always(() => assert.notEqual(response.status, 200, response.text));
      return response.status !== 503 && response.json.type.endsWith(':unknown-device');
    });
  const isGone = ({ student, module }, each) =>
    until('the student is gone', async () => {
      const progress = await each.viewer('GET', `/v1/progress/${student}/${module}`);
      const list = await each.viewer('GET', `/v1/modules/${module}/students`);
      return progress.status === 404 && list.status === 200 && list.json.items.length === 0;
    });
  /** Repeated until the new primary has it, as docs/protocol.md says. */
  const deleted = async (address) =>
    assert.equal((await answered(() => gateway.admin('DELETE', address))).status, 204);

  test('that lacks an erasure and a revocation: only the revocation has to be repeated', async () => {
    const standby = new Standby(gateway.stores);
    const erased = await Scene.make(gateway);
    const revoked = await Scene.make(gateway);
    for (let i = 0; i < 6; ++i)
      for (const scene of [erased, revoked]) {
        scene.gateway = both[i % 2];
        await scene.credited(i * 10_000, (i + 1) * 10_000);
      }
    await until('their completions are there', async () => {
      const { items } = await read(gateway, 0);
      return [erased, revoked].every((scene) => items.some(isOf(scene)));
    });
    await standby.begin();
    const counted = await Promise.all(both.map(lossesOf));
    await deleted(`/v1/students/${erased.student}`);
    await deleted(`/v1/devices/${revoked.device.kid}`);
    await standby.promote();

    await Promise.all(both.map((each) => isRefused(erased, each)));
    for (const [i, each] of both.entries()) {
      await until('the loss was noticed, and is made up for', async () => {
        const ledger = await ledgerOf(each);
        return ledger.went_back > counted[i] && !ledger.catching_up;
      });
      await isGone(erased, each);
      await isRefused(erased, each);
      const device = await answered(() => each.admin('GET', `/v1/devices/${erased.device.kid}`));
      assertProblem(device, 404, 'not-found');
    }
    assert.ok(!(await read(gateway, 0)).items.some(isOf(erased)));

    // Only the lost transaction knew of it.
    const known = await answered(() => other.admin('GET', `/v1/devices/${revoked.device.kid}`));
    assert.equal(known.json.revoked, false);
    await deleted(`/v1/devices/${revoked.device.kid}`);
    for (const each of both) {
      revoked.gateway = each;
      const refused = await until('the revocation is known', async () => {
        const response = await revoked.play(0, 1_000);
        return response.status === 403 && response;
      });
      assertProblem(refused, 403, 'revoked-device');
    }

    const { kid, jwk } = erased.device;
    const enrolled = await answered(() =>
      gateway.admin('PUT', `/v1/devices/${kid}`, { student: erased.student, jwk }),
    );
    assert.equal(enrolled.status, 201, enrolled.text);
    erased.gateway = other;
    const anew = await until('the new enrolment is known', async () => {
      const response = await erased.play(10_000, 15_000);
      return response.status === 200 && response.json.results[0];
    });
    assert.deepEqual([anew.seconds_watched, anew.state], [5, 'IN_PROGRESS']);
    for (const each of both) await checkpoint(each);
    const address = `/v1/progress/${erased.student}/${erased.module}`;
    for (const each of both)
      assert.equal((await answered(() => each.viewer('GET', address))).json.seconds_watched, 5);
    assert.ok(!(await read(gateway, 0)).items.some(isOf(erased)));
  });
});
