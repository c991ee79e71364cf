// Lives: what an erasure or a reset has ended comes back through no gateway, and from no store.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Gateway } from './lib/gateway.mjs';
import { assertProblem, Scene } from './lib/scene.mjs';
import { variants } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { always, until } from './lib/wait.mjs';

const problem = (name) => `urn:watchkeeper:problem:${name}`;
/** A gateway may have heard of the erasure, and not yet of the enrolment behind it: it says otherwise soon. */
const isForNow = ({ status, json }) =>
  [429, 503].includes(status) || json.type === problem('unknown-device');
/** Sends the heartbeat again until it is no longer refused for now, and gives its result. */
async function sentUntilCredited(gateway, token) {
  let result;
  await until(
    'the heartbeat is credited',
    async () => {
      const response = await gateway.send(token);
      if (isForNow(response)) return false;
      await always(() => assert.equal(response.status, 200, response.text));
      [result] = response.json.results;
      return true;
    },
    { everyMs: 10 },
  );
  return result;
}
/** Sends the heartbeat again until it is refused for good, which no gateway may credit before. */
async function sentUntilStale(gateway, token) {
  const refused = await until('the heartbeat from before is refused', async () => {
    const response = await gateway.send(token);
    return !isForNow(response) && response;
  });
  assertProblem(refused, 401, 'stale-token');
}
const erase = async (gateway, student) =>
  assert.equal((await gateway.admin('DELETE', `/v1/students/${student}`)).status, 204);
const reset = (gateway, scene, body = { reason: 'watched by somebody else' }) =>
  gateway.admin('POST', `/v1/progress/${scene.student}/${scene.module}/reset`, body);
const completionsOf = async (gateway, scene) =>
  (await gateway.completions()).filter(({ data }) => data.student === scene.student);
/** A heartbeat in the buffer of a device, from before whatever comes next: an `iat` is as exact as a millisecond. */
async function keptBefore(scene, from, to) {
  const token = await scene.token(from, to);
  const signedMs = Date.now();
  await until('the next millisecond', () => Date.now() > signedMs, { everyMs: 1 });
  return token;
}
/** The next heartbeats are of a new session. */
const anew = (scene, gateway = scene.gateway) => {
  scene.gateway = gateway;
  scene.sid = crypto.randomUUID();
  scene.sn = 0;
};

for (const variant of variants) {
  describe(`lives, ${variant}`, () => {
    let gateway;
    before(async () => {
      gateway = await Gateway.start({ variant, store: 'checkpoint_interval_s = 1' });
    });
    after(() => gateway?.stop());

    test('a reset begins a new attempt; the history, and all else, stays', async () => {
      const scene = await Scene.make(gateway);
      for (let i = 0; i < 6; ++i) await scene.credited(i * 10_000, (i + 1) * 10_000);
      const [first] = await until('its completion is there', async () => {
        const events = await completionsOf(gateway, scene);
        return events.length === 1 && events;
      });
      assert.equal(first.data.attempt, 1);
      const kept = await keptBefore(scene, 0, 10_000);
      assertProblem(await reset(gateway, scene, {}), 400, 'malformed-request');
      assert.equal((await reset(gateway, scene)).status, 204);
      const { updated_at, ...shown } = await scene.progress();
      assert.ok(updated_at);
      assert.deepEqual(shown, {
        student: scene.student,
        module: scene.module,
        seconds_watched: 0,
        completion_percentage: 0,
        state: 'IN_PROGRESS',
        coverage: [],
        playtime_ms: 0,
        resume_ms: 0,
        mastered_at: null,
        attempt: 2,
      });
      assertProblem(await gateway.send(kept), 401, 'stale-token');
      const before = await scene.credited(0, 30_000);
      assert.equal(before.seconds_watched, 30);
      assert.equal(before.state, 'IN_PROGRESS');
      assert.equal((await scene.credited(30_000, 60_000)).state, 'MASTERED');
      const events = await until('the second completion is there', async () => {
        const all = await completionsOf(gateway, scene);
        return all.length === 2 && all;
      });
      assert.deepEqual(
        events.map(({ data }) => data.attempt),
        [1, 2],
      );
      assert.equal(events[0].id, first.id);
      assert.notEqual(events[1].id, first.id);
      const heatmap = await gateway.viewer('GET', `/v1/modules/${scene.module}/heatmap`);
      assert.equal(heatmap.json.students, 1);
      assert.ok(
        heatmap.json.viewers.every((viewers) => viewers === 1),
        heatmap.text,
      );
    });

    test('a reset takes a reason of 512 bytes, and no longer one', async () => {
      const scene = await Scene.make(gateway);
      await scene.credited(0, 10_000);
      const longest = 'ä'.repeat(256);
      assert.equal(Buffer.byteLength(longest), 512);
      for (const reason of ['', `${longest}x`, 'two\nlines', '\u007f', 17, null])
        assertProblem(await reset(gateway, scene, { reason }), 400, 'malformed-request');
      assert.equal((await scene.progress()).attempt, 1);
      assert.equal((await reset(gateway, scene, { reason: longest })).status, 204);
      const begun = await scene.progress();
      assert.deepEqual([begun.attempt, begun.seconds_watched], [2, 0]);
    });

    test('the completion of a later life has an id of its own', async () => {
      const scene = await Scene.make(gateway);
      const ids = new Set();
      for (let life = 0; life < 2; ++life) {
        for (let i = 0; i < 6; ++i) await scene.credited(i * 10_000, (i + 1) * 10_000);
        const [event] = await until('its completion is there', async () => {
          const events = await completionsOf(gateway, scene);
          return events.length === 1 && events;
        });
        ids.add(event.id);
        await erase(gateway, scene.student);
        await gateway.enrol(scene.device, scene.student);
        anew(scene);
      }
      assert.equal(ids.size, 2);
    });

    test('a heartbeat from before the erasure does not count after a new enrolment', async () => {
      const scene = await Scene.make(gateway);
      await scene.credited(0, 10_000);
      const kept = await keptBefore(scene, 10_000, 20_000);
      await erase(gateway, scene.student);
      await gateway.enrol(scene.device, scene.student);
      assertProblem(await gateway.send(kept), 401, 'stale-token');
      anew(scene);
      assert.equal((await scene.credited(20_000, 23_000)).seconds_watched, 3);
    });
  });
}

describe('lives, two gateways', { skip: !variants.includes('servers') }, () => {
  let one, two;
  before(async () => {
    one = await Gateway.start({ variant: 'servers', store: 'checkpoint_interval_s = 1' });
    two = await one.beside();
  });
  after(async () => {
    await two?.stop();
    await one?.stop();
  });

  /** Mastered at `two`, which has the pair in its memory then. */
  async function mastered() {
    const scene = await Scene.make(one);
    scene.gateway = two;
    for (let i = 0; i < 6; ++i) await scene.credited(i * 10_000, (i + 1) * 10_000);
    return scene;
  }
  /** Whether the gateway has completed a checkpoint since then. */
  async function hasCheckpointed(gateway, sinceMs) {
    const elapsedMs = Date.now() - sinceMs;
    const { json } = await gateway.operator('GET', '/v1/stats');
    return json.ledger.lag_ms < elapsedMs;
  }
  /** What the gateways show, until each has begun and completed a checkpoint; `events` of earlier lives stay. */
  async function shows(scene, seconds, events = 0, gateways = [one, two]) {
    const look = async () => {
      for (const gateway of gateways) {
        const progress = await gateway.progress(scene.student, scene.module);
        assert.equal(progress.seconds_watched, seconds);
        assert.equal(progress.state, 'IN_PROGRESS');
      }
    };
    for (let rounds = 0; rounds < 2; ++rounds) {
      const begunMs = Date.now();
      await until('each has completed a checkpoint', async () => {
        await always(look);
        for (const gateway of gateways)
          if (!(await hasCheckpointed(gateway, begunMs))) return false;
        return true;
      });
    }
    await look();
    assert.equal((await completionsOf(one, scene)).length, events);
  }

  const hotStoreIsBack = () =>
    until('the hot store is back', async () => {
      for (const gateway of [one, two])
        if ((await gateway.operator('GET', '/readyz')).json.degraded !== false) return false;
      return true;
    });

  test('what the other one has in memory does not come back after an erasure', async () => {
    for (let round = 0; round < 4; ++round) {
      const scene = await mastered();
      await erase(one, scene.student);
      await one.enrol(scene.device, scene.student);
      anew(scene, two);
      const result = await sentUntilCredited(two, await scene.token(0, 5_000));
      assert.equal(result.seconds_watched, 5);
      if (round === 0) await shows(scene, 5);
    }
  });

  test('what the other one has in memory does not come back after a reset', async () => {
    const scene = await mastered();
    assert.equal((await reset(one, scene)).status, 204);
    const result = await scene.credited(0, 5_000);
    assert.equal(result.seconds_watched, 5);
    assert.equal((await two.progress(scene.student, scene.module)).attempt, 2);
    await shows(scene, 5, 1);
  });

  test('a third one credits only the epoch that the second one began', async () => {
    const three = await one.beside();
    try {
      const scene = await mastered();
      anew(scene, three);
      assert.equal((await scene.credited(0, 10_000)).state, 'MASTERED');
      const kept = await keptBefore(scene, 10_000, 20_000);
      await erase(one, scene.student);
      await two.enrol(scene.device, scene.student);
      await sentUntilStale(three, kept);
      anew(scene, three);
      const result = await sentUntilCredited(three, await scene.token(0, 5_000));
      assert.deepEqual([result.seconds_watched, result.state], [5, 'IN_PROGRESS']);
      await shows(scene, 5, 0, [one, two, three]);
      const list = await one.viewer('GET', `/v1/modules/${scene.module}/students`);
      assert.deepEqual(
        list.json.items.map(({ student, seconds_watched }) => [student, seconds_watched]),
        [[scene.student, 5]],
      );
    } finally {
      await three.stop();
    }
  });

  /** How Redis can be away, and come back as it was. */
  const outages = {
    ended: {
      begin: () => one.stores.halt('private-redis'),
      end: () => one.stores.resume('private-redis'),
    },
    stopped: {
      begin: () => signalRedis('SIGSTOP'),
      end: () => signalRedis('SIGCONT'),
    },
  };
  const signalRedis = (signal) => {
    const file = path.join(one.stores.folderOf('private-redis'), 'redis.pid');
    process.kill(Number(fs.readFileSync(file, 'utf8')), signal);
  };

  for (const [how, outage] of Object.entries(outages))
    test(`a reset while Redis is ${how} holds when it is back`, async () => {
      const scene = await mastered();
      await until(
        'its completion is there',
        async () => (await completionsOf(one, scene)).length === 1,
      );
      const kept = await keptBefore(scene, 0, 10_000);
      outage.begin();
      try {
        const answer = await reset(two, scene);
        assert.equal(answer.status, 204, answer.text);
        const begun = await two.progress(scene.student, scene.module);
        assert.deepEqual([begun.attempt, begun.seconds_watched, begun.coverage], [2, 0, []]);
        anew(scene, two);
        const result = await sentUntilCredited(two, await scene.token(0, 3_000));
        assert.equal(result.seconds_watched, 3);
        await sentUntilStale(two, kept);
        await until('the other one shows the new attempt', async () => {
          const { attempt, seconds_watched } = await one.progress(scene.student, scene.module);
          return attempt === 2 && seconds_watched === 3;
        });
      } finally {
        outage.end();
      }
      await hotStoreIsBack();
      const result = await sentUntilCredited(two, await scene.token(3_000, 8_000));
      assert.deepEqual([result.seconds_watched, result.state], [8, 'IN_PROGRESS']);
      await shows(scene, 8, 1);
      for (const gateway of [one, two])
        assert.equal((await gateway.progress(scene.student, scene.module)).attempt, 2);
    });

  test('a Redis that came back older undoes neither', async () => {
    const erased = await mastered();
    const again = await mastered();
    await until('it is in the ledger', async () => {
      const events = await one.completions();
      return [erased, again].every(({ student }) =>
        events.some(({ data }) => data.student === student),
      );
    });
    // As a replica that was promoted without the last writes, or a backup, would be.
    const folder = one.stores.folderOf('private-redis');
    const older = `${folder}-older`;
    const restart = () => one.stores.resume('private-redis');
    one.stores.halt('private-redis');
    fs.cpSync(folder, older, { recursive: true });
    restart();
    await hotStoreIsBack();
    await erase(one, erased.student);
    await one.enrol(erased.device, erased.student);
    assert.equal((await reset(one, again)).status, 204);
    one.stores.halt('private-redis');
    fs.rmSync(folder, { recursive: true });
    fs.cpSync(older, folder, { recursive: true });
    restart();
    await hotStoreIsBack();
    for (const scene of [erased, again]) {
      anew(scene, two);
      const result = await sentUntilCredited(two, await scene.token(0, 5_000));
      assert.equal(result.seconds_watched, 5, scene === erased ? 'erased' : 'reset');
    }
    await shows(erased, 5);
    assert.equal((await two.progress(again.student, again.module)).attempt, 2);
  });
});

describe('lives, a hot.db that came back older', { skip: !variants.includes('embedded') }, () => {
  let gateway;
  before(async () => {
    gateway = await Gateway.start({ variant: 'embedded', store: 'checkpoint_interval_s = 1' });
  });
  after(() => gateway?.stop());

  /** Ends the gateway, works on its files, and starts it again. */
  async function whileItIsDown(work) {
    assert.equal((await gateway.end()).code, 0);
    const data = path.join(gateway.directory, 'data');
    const files = fs.readdirSync(data).filter((name) => name.startsWith('hot.db'));
    assert.ok(files.includes('hot.db'), files.join(' '));
    work(data, files);
    await gateway.launch();
  }

  test('lacks nothing that the ledger has, and undoes no end of a life', async () => {
    const [late, mastered, unseen, erased, gone, again] = await Promise.all(
      Array.from({ length: 6 }, () => Scene.make(gateway)),
    );
    const known = [late, mastered, erased, gone, again];
    for (const scene of known) await scene.credited(0, 20_000);
    const older = path.join(gateway.directory, 'older');
    await whileItIsDown((data, files) => {
      fs.mkdirSync(older);
      for (const name of files) fs.copyFileSync(path.join(data, name), path.join(older, name));
    });

    const last = await late.token(20_000, 30_000);
    assert.equal((await gateway.send(last)).json.results[0].seconds_watched, 30);
    for (const from of [20_000, 40_000]) await mastered.credited(from, from + 20_000);
    await unseen.credited(0, 10_000);
    const kept = [];
    for (const scene of [erased, gone, again]) kept.push(await keptBefore(scene, 20_000, 40_000));
    for (const scene of [erased, gone]) await erase(gateway, scene.student);
    await gateway.enrol(erased.device, erased.student);
    assert.equal((await reset(gateway, again)).status, 204);
    const scenes = [late, mastered, unseen, erased, again];
    for (const scene of [erased, again]) {
      anew(scene);
      await scene.credited(0, 5_000);
    }
    const shownBy = () => Promise.all(scenes.map((scene) => scene.progress()));
    const before = await shownBy();
    assert.deepEqual(
      before.map(({ seconds_watched }) => seconds_watched),
      [30, 60, 10, 5, 5],
    );
    const events = await until('its completion is there', async () => {
      const all = await gateway.completions();
      return all.length === 1 && all;
    });

    await whileItIsDown((data, files) => {
      for (const name of files) fs.rmSync(path.join(data, name));
      for (const name of fs.readdirSync(older))
        fs.copyFileSync(path.join(older, name), path.join(data, name));
    });
    assert.deepEqual(await shownBy(), before);
    assert.equal(
      (await gateway.viewer('GET', `/v1/progress/${gone.student}/${gone.module}`)).status,
      404,
    );
    for (const [i, name] of ['stale-token', 'unknown-device', 'stale-token'].entries())
      assertProblem(await gateway.send(kept[i]), 401, name);
    // It has not seen the number of this heartbeat; what it covers counts once all the same.
    assert.equal((await gateway.send(last)).json.results[0].seconds_watched, 30);
    const seconds = [40, 60, 20, 15, 15];
    for (const [i, scene] of scenes.entries()) {
      anew(scene);
      const from = 1_000 * (seconds[i] - 10);
      assert.equal((await scene.credited(from, from + 10_000)).seconds_watched, seconds[i]);
    }
    const ledger = await until('nothing is left to checkpoint', async () => {
      const stats = (await gateway.operator('GET', '/v1/stats')).json;
      return stats.ledger.dirty_pairs === 0 && stats.ledger;
    });
    assert.equal(ledger.went_back, 0);
    assert.deepEqual(
      (await shownBy()).map(({ seconds_watched, attempt }) => [seconds_watched, attempt]),
      [40, 60, 20, 15, 15].map((each, i) => [each, i === 4 ? 2 : 1]),
    );
    assert.deepEqual(await gateway.completions(), events);
  });
});

for (const variant of variants) {
  describe(`lives of those who may play only what is assigned, ${variant}`, () => {
    let one, two;
    before(async () => {
      one = await Gateway.start({ variant, settings: '[policy]\nrequire_assignment = true\n' });
      two = variant === 'servers' ? await one.beside() : one;
    });
    after(async () => {
      if (two !== one) await two?.stop();
      await one?.stop();
    });

    test('an assignment ends with the erasure, at each gateway', async () => {
      const scene = await Scene.make(one);
      const assign = () => one.admin('PUT', `/v1/assignments/${scene.student}/${scene.module}`);
      assert.equal((await assign()).status, 204);
      for (const gateway of [one, two]) {
        anew(scene, gateway);
        await sentUntilCredited(gateway, await scene.token(0, 1_000));
      }
      await erase(one, scene.student);
      await one.enrol(scene.device, scene.student);
      for (const gateway of [one, two]) {
        anew(scene, gateway);
        const refused = await until('the new enrolment is known', async () => {
          const response = await scene.play(0, 1_000);
          return ![401, 503].includes(response.status) && response;
        });
        assertProblem(refused, 403, 'not-assigned');
      }
      assert.equal((await assign()).status, 204);
      for (const gateway of [one, two]) {
        anew(scene, gateway);
        await until('the assignment is known', async () => {
          const response = await scene.play(0, 1_000);
          return response.status === 200;
        });
      }
    });
  });
}
