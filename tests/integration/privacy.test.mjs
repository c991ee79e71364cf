// What is left of an erased student (docs/privacy.md): every file of every store is searched.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { run } from './lib/command.mjs';
import { b64 } from './lib/device.mjs';
import { Gateway } from './lib/gateway.mjs';
import { Scene } from './lib/scene.mjs';
import { variants } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';

const binaries = process.env.WATCHKEEPER_POSTGRES_BIN ?? '/usr/lib/postgresql/15/bin';
const uuidOfVersion4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** What base64 makes of the bytes at each of the three places in a group, without the characters at both ends. */
function base64Forms(bytes) {
  return [0, 1, 2].flatMap((before) => {
    const padded = Buffer.concat([Buffer.alloc(before), bytes]);
    const whole = (padded.length - (padded.length % 3)) / 3;
    const from = before === 0 ? 0 : 4;
    const plain = padded.toString('base64').slice(from, whole * 4);
    return [plain, plain.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

/** What names the student: the id, what can be made of it or of the device without a secret, and what was said. */
function namesOf({ student, device, reason }) {
  const id = Buffer.from(student);
  const digest = crypto.createHash('sha256').update(id).digest();
  const kid = Buffer.from(device.kid, 'base64url');
  return new Map([
    ['id', [id]],
    ['id in base64', base64Forms(id)],
    ['id in hexadecimal', [id.toString('hex'), id.toString('hex').toUpperCase()]],
    ['digest', [digest, digest.toString('hex'), b64(digest)]],
    ['device', [kid, device.kid, kid.toString('hex')]],
    ...(reason ? [['reason of a reset', [reason, Buffer.from(reason).toString('hex')]]] : []),
  ]);
}

function* filesIn(folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(file);
    else if (entry.isFile()) yield file;
  }
}
/** A server may remove a file between its being listed and its being read. */
function contentOf(file) {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    if (error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

const statsOf = async (gateway) => (await gateway.operator('GET', '/v1/stats')).json;

/** Redis and PostgreSQL, past the gateway. */
class Servers {
  constructor(gateway) {
    this.stores = gateway.stores;
    this.folders = [gateway.directory, gateway.stores.directory];
  }
  async redis(...args) {
    const socket = path.join(this.stores.folderOf('private-redis'), 'redis.sock');
    return (await run('redis-cli', ['-s', socket, ...args])).stdout.trim();
  }
  async sql(...statements) {
    const host = this.stores.folderOf('private-postgres');
    const commands = statements.flatMap((each) => ['-c', each]);
    const args = ['-h', host, '-U', 'watchkeeper', '-d', 'watchkeeper', '-XAtq'];
    const all = [...args, '-v', 'ON_ERROR_STOP=1', ...commands];
    return (await run(path.join(binaries, 'psql'), all)).stdout.trim();
  }
  /** Segments of the log are removed, not used again: docs/privacy.md, "PostgreSQL". */
  prepare() {
    return this.sql('ALTER SYSTEM SET wal_recycle = off', 'SELECT pg_reload_conf()');
  }
  /** What expires within a day is over. */
  async age({ student }) {
    const keys = (await this.redis('--scan', '--pattern', `wk:*${student}*`))
      .split('\n')
      .filter(Boolean);
    assert.ok(
      keys.some((key) => key.includes(':student:')),
      keys.join(' '),
    );
    for (const key of keys) await this.redis('PEXPIRE', key, '1');
    await until('the keys have expired', async () => (await this.redis('EXISTS', ...keys)) === '0');
    await this.sql(
      "UPDATE registry_change SET noted_at = noted_at - interval '1 hour'",
      "UPDATE erased_student SET erased_at = erased_at - interval '1 hour'",
    );
  }
  /** As docs/privacy.md says. */
  async cleanUp() {
    await this.redis('BGREWRITEAOF');
    await until('the file is rewritten', async () =>
      (await this.redis('INFO', 'persistence')).includes('aof_rewrite_in_progress:0'),
    );
    await this.sql('VACUUM (ANALYZE)', 'VACUUM FULL');
    for (let i = 0; i < 2; ++i) await this.sql('SELECT pg_switch_wal()', 'CHECKPOINT');
  }
}

/** hot.db and watchkeeper.db, past the gateway. */
class Files {
  constructor(gateway) {
    this.gateway = gateway;
    this.folders = [gateway.directory];
  }
  async execute(file, sql) {
    const database = path.join(this.gateway.directory, 'data', file);
    return (await run('sqlite3', ['-cmd', '.timeout 20000', database, sql])).stdout.trim();
  }
  sql(...statements) {
    return this.execute('watchkeeper.db', statements.join('; '));
  }
  prepare() {}
  async age() {
    await this.execute('hot.db', 'UPDATE hot_student SET touched_ms = 1 WHERE touched_ms <> 0');
    await this.execute('hot.db', 'UPDATE hot_session SET touched_ms = 1');
    await this.sql(
      'UPDATE registry_change SET noted_at = noted_at - 3601',
      'UPDATE erased_student SET erased_at = erased_at - 3601',
    );
  }
  async cleanUp() {
    for (const file of ['hot.db', 'watchkeeper.db'])
      await this.execute(file, 'VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
  }
}

for (const variant of variants) {
  describe(`traces of an erased student, ${variant}`, () => {
    let gateway, stores;
    before(async () => {
      gateway = await Gateway.start({
        variant,
        store: 'checkpoint_interval_s = 1',
        settings: '[log]\nlevel = "debug"\n[rate]\ndevice_per_s = 1000\ndevice_burst = 10000',
      });
      stores = variant === 'servers' ? new Servers(gateway) : new Files(gateway);
      await stores.prepare();
    });
    after(() => gateway?.stop());

    /** Where the student is named, as "file: what". */
    function found(scene) {
      const places = new Map(
        stores.folders.flatMap((folder) =>
          [...filesIn(folder)].map((file) => [path.relative(folder, file), contentOf(file)]),
        ),
      );
      places.set('the log', Buffer.from(gateway.log));
      return [...places].flatMap(([place, content]) =>
        [...namesOf(scene)]
          .filter(([, forms]) => forms.some((form) => content.includes(form)))
          .map(([name]) => `${place}: ${name}`),
      );
    }

    /** Everything that the gateway keeps of a student. */
    async function live() {
      const student = `pupil-${crypto.randomBytes(8).toString('hex')}`;
      const scene = await Scene.make(gateway, { student });
      assert.equal(
        (await gateway.admin('PUT', `/v1/assignments/${student}/${scene.module}`)).status,
        204,
      );
      for (let i = 0; i < 6; ++i) await scene.credited(i * 10_000, (i + 1) * 10_000);
      await until('its completion is there', async () =>
        (await gateway.completions()).some(({ data }) => data.student === student),
      );
      const refused = await scene.play(0, 1_000, { iat: Math.floor(Date.now() / 1000) - 7_200 });
      assert.equal(refused.status, 401, refused.text);
      await gateway.putModule(`${scene.module}-2`, 60_000);
      const other = Object.assign(Object.create(Scene.prototype), scene, {
        module: `${scene.module}-2`,
        sid: crypto.randomUUID(),
        sn: 0,
      });
      await other.credited(0, 10_000);
      // It may name the student in other words: whoever resets writes what they like.
      scene.reason = `watched by ${crypto.randomBytes(8).toString('hex')}`;
      const reset = await gateway.admin('POST', `/v1/progress/${student}/${other.module}/reset`, {
        reason: scene.reason,
      });
      assert.equal(reset.status, 204, reset.text);
      await other.credited(0, 10_000);
      return scene;
    }

    /** The gateway sweeps and forgets as others go on. */
    async function othersGoOn(scene) {
      for (let i = 0; i < 70; ++i) assert.equal((await scene.play(0, 10)).status, 200);
      await gateway.putModule(`${scene.module}-3`, 60_000);
    }

    test('no file names the student when its time is over', async () => {
      const bystander = await Scene.make(gateway);
      await bystander.credited(0, 10_000);
      const scene = await live();
      const before = found(scene);
      for (const store of variant === 'servers'
        ? [/aof/, /pg_wal/]
        : [/hot\.db/, /watchkeeper\.db/])
        assert.ok(
          before.some((place) => store.test(place)),
          `the search finds nothing in ${store}: ${before}`,
        );
      assert.ok(
        before.some((place) => place.endsWith('reason of a reset')),
        `the search finds no reason: ${before}`,
      );
      const begunMs = Date.now();
      const erased = await gateway.admin('DELETE', `/v1/students/${scene.student}`);
      assert.equal(erased.status, 204);
      await until('the hot store has dropped what its files had', async () => {
        const { traces } = (await statsOf(gateway)).hot_store;
        assert.equal(traces.refusal, '');
        return !traces.due && Date.parse(traces.removed_at) >= begunMs - 1_000;
      });
      assert.ok(!found(scene).some((place) => place.endsWith('digest')), found(scene).join('\n'));
      await stores.age(scene);
      await othersGoOn(bystander);
      await stores.cleanUp();
      assert.deepEqual(found(scene), [path.join('data', 'erasures: id')]);
      assert.ok(found(bystander).length > 1);
    });

    test('the answer names the erasure, and the audit only the erasure', async () => {
      const scene = await Scene.make(gateway);
      const ids = new Set();
      // A call that is repeated is an erasure of its own: whoever repeats it has got no answer.
      for (let i = 0; i < 2; ++i) {
        const erased = await gateway.admin('DELETE', `/v1/students/${scene.student}`);
        assert.equal(erased.status, 204);
        assert.match(erased.headers['erasure-id'], uuidOfVersion4);
        ids.add(erased.headers['erasure-id']);
      }
      assert.equal(ids.size, 2);
      const rows = await stores.sql(
        "SELECT erasure_id, device_rows, student_id FROM audit WHERE action = 'student-erased' ORDER BY audit_id DESC LIMIT 2",
      );
      const [last, first] = [...ids].reverse();
      assert.equal(rows, `${last}|0|\n${first}|1|`);
    });
  });
}

describe('a Redis that must not rewrite its log', { skip: !variants.includes('servers') }, () => {
  let gateway;
  before(async () => {
    gateway = await Gateway.start({ variant: 'servers' });
  });
  after(() => gateway?.stop());

  test('is named in the log once, and in the statistics', async () => {
    const servers = new Servers(gateway);
    await servers.redis('ACL', 'SETUSER', 'default', '-bgrewriteaof');
    const scene = await Scene.make(gateway);
    for (let i = 0; i < 2; ++i) {
      const erased = await gateway.admin('DELETE', `/v1/students/${scene.student}`);
      assert.equal(erased.status, 204);
    }
    const { traces } = await until('the refusal is known', async () => {
      const { hot_store } = await statsOf(gateway);
      return hot_store.traces.refusal !== '' && hot_store;
    });
    assert.match(traces.refusal, /bgrewriteaof/);
    assert.equal(traces.due, true);
    assert.equal(traces.removed_at, null);
    assert.equal(gateway.log.split('bgrewriteaof').length, 2);
  });
});
