// The player page in a real browser, served by the real gateway: what the student sees and what is credited.
import assert from 'node:assert/strict';
import { compactVerify, importJWK } from 'jose';
import { holes, launchBrowser, limited, PlayerPage } from './lib/browser.mjs';
import { Gateway, tokens as secrets } from './lib/gateway.mjs';
import { canPlay } from './lib/machine.mjs';
import { PageServer, playerFolders, playerSettings } from './lib/page-server.mjs';
import { lengthOf, union } from './lib/scene.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';

const videoS = 90;
const videoMs = videoS * 1000;
let browser;
let folders;
let opened = 0;

before(
  async () => {
    folders = playerFolders(videoS);
    browser = await launchBrowser();
    await canPlay();
  },
  { timeout: 600_000 },
);
after(() => browser?.close());

/** A student of their own in a profile of their own, enrolled, with the video ready; the page is the gateway's. */
async function arrive(gateway, { enrol = true, ...more } = {}) {
  const student = `viewer-${process.pid}-${++opened}`;
  const player = await PlayerPage.open(browser, {
    origin: gateway.origin,
    student,
    module: 'demo',
    ...more,
  });
  if (enrol) await player.enrol(gateway);
  return player;
}

const startGateway = async (settings = '', { served = folders, durationMs = videoMs } = {}) => {
  const gateway = await Gateway.start({ settings: settings + playerSettings(served) });
  await gateway.putModule('demo', durationMs);
  return gateway;
};

/** What a token says of itself. */
function decode(token) {
  const [header, claims] = token
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  return { alg: header.alg, sid: claims.sid, sn: claims.sn, epk: claims.epk };
}

// Side by side: most of the time is playback.
describe('the player page', { concurrency: 3 }, () => {
  describe('the player in a browser', { concurrency: 3 }, () => {
    let gateway;
    before(async () => {
      gateway = await startGateway();
    });
    after(() => gateway?.stop());

    test('who plays the whole video, at double speed, reaches MASTERED', {
      timeout: 180_000,
    }, async () => {
      // With as many responses without progress as the module asks for by default.
      const player = await arrive(gateway, {
        enrol: false,
        query: { full: 2 },
        hash: `#enrol=${secrets.admin}`,
      });
      // The token has left the address, and nothing of it stays in the browser.
      await until(
        'the page has enrolled itself',
        async () =>
          (
            await gateway.admin(
              'GET',
              `/v1/devices/${(await player.evaluate(() => tracker.enrolment())).kid}`,
            )
          ).status === 200,
      );
      assert.equal(player.page.url(), player.address);
      assert.ok(
        !JSON.stringify(
          await player.evaluate(() => [{ ...localStorage }, { ...sessionStorage }, history.state]),
        ).includes(secrets.admin),
      );
      await player.play(2);
      await player.ends();
      await player.settled();
      // What is played is what the module has, to its very end. A busy browser reports the beginning a little late.
      assert.equal(await player.position(), videoMs);
      const progress = await gateway.progress(player.student, 'demo');
      assert.equal(progress.coverage.at(-1)[1], videoMs, JSON.stringify(progress));
      const skipped = await player.skipped();
      const notPlayed = (100 * lengthOf(skipped)) / videoMs;
      assert.ok(progress.completion_percentage >= 99.5 - notPlayed, JSON.stringify(progress));
      assert.equal(progress.state, 'MASTERED');
      assert.deepEqual(holes(progress.coverage, 0, videoMs, skipped), []);
      const heard = await player.heard();
      assert.equal(heard.mastered.length, 1);
      assert.deepEqual(heard.drop, []);
      assert.deepEqual(heard.failure, []);
      assert.equal(await player.text('badge'), 'MASTERED');
      assert.ok(Number(await player.text('percentage')) >= 95);
      assert.deepEqual(player.errors, []);
      const completions = (await gateway.completions()).filter(
        ({ data }) => data.student === player.student,
      );
      assert.equal(completions.length, 1);
      await player.close();
    });

    test('who seeks to the end stays where they were', { timeout: 120_000 }, async () => {
      const player = await arrive(gateway);
      await player.play();
      // In the page, so that it seeks from there however long this process is busy.
      const leftMs = await player.evaluate(
        () =>
          new Promise((resolve) => {
            const video = document.querySelector('video');
            video.addEventListener('timeupdate', function look() {
              if (video.currentTime < 4) return;
              video.removeEventListener('timeupdate', look);
              const atMs = video.currentTime * 1000;
              document.querySelector('#skip').click();
              resolve(atMs);
            });
          }),
      );
      await player.ends();
      await player.settled();
      const progress = await gateway.progress(player.student, 'demo');
      assert.ok(progress.completion_percentage < 15, JSON.stringify(progress));
      assert.equal(progress.state, 'IN_PROGRESS');
      assert.ok(lengthOf(progress.coverage) >= 4_000, JSON.stringify(progress));
      assert.ok(
        holes(progress.coverage, 0, videoMs).some(
          ([from, to]) => from < 8_000 && Math.abs(from - leftMs) < 500 && to > videoMs - 4_000,
        ),
        JSON.stringify({ progress, leftMs }),
      );
      assert.equal(Number(await player.text('percentage')), progress.completion_percentage);
      await player.close();
    });

    test('a reload in the middle loses nothing, and the place to resume is known', {
      timeout: 120_000,
    }, async () => {
      const player = await arrive(gateway);
      await player.play(1.5);
      await player.reaches(13_000);
      const left = await player.position();
      await player.load();
      await player.settled();
      const after = await gateway.progress(player.student, 'demo');
      const { progress } = await player.evaluate(() => tracker.ready);
      assert.ok(progress.resumeMs > 0 && progress.resumeMs <= left, `${progress.resumeMs}`);
      // What was cut off by the reload was stored in the browser, and was sent by the new page.
      assert.ok(after.resume_ms >= left - 400, `${after.resume_ms} of ${left}`);
      assert.deepEqual(holes(after.coverage, 0, after.resume_ms, await player.skipped()), []);
      await player.seek(after.resume_ms);
      await player.play(2);
      await player.ends();
      await player.settled();
      const whole = await gateway.progress(player.student, 'demo');
      assert.equal(whole.state, 'MASTERED');
      assert.deepEqual(holes(whole.coverage, 0, videoMs, await player.skipped()), []);
      await player.close();
    });

    test('nothing is credited while paused, and nothing in a hidden tab', {
      timeout: 120_000,
    }, async () => {
      const player = await arrive(gateway, { query: { heartbeat: 1000 } });
      const hide = (state) =>
        player.evaluate((visibility) => {
          Object.defineProperty(document, 'visibilityState', {
            value: visibility,
            configurable: true,
          });
          document.dispatchEvent(new Event('visibilitychange'));
          return document.querySelector('video').currentTime * 1000; // of that moment
        }, state);
      await player.play();
      await player.reaches(3_000);
      const hidden = await hide('hidden');
      await player.reaches(hidden + 5_000);
      const seen = await hide('visible');
      await player.reaches(seen + 3_000);
      await player.pause();
      const paused = await player.position();
      await player.settled();
      const { coverage } = await gateway.progress(player.student, 'demo');
      const gaps = holes(coverage, 0, paused, await player.skipped());
      assert.equal(gaps.length, 1, JSON.stringify(coverage));
      const [gap] = gaps;
      assert.ok(
        Math.abs(gap[0] - hidden) < 500 && Math.abs(gap[1] - seen) < 500,
        JSON.stringify({ coverage, hidden, seen }),
      );
      await player.close();
    });

    test('what is played before the enrolment waits, and the tokens are those of jose', {
      timeout: 120_000,
    }, async () => {
      const player = await arrive(gateway, { enrol: false, query: { heartbeat: 2000 } });
      const tokens = [];
      player.page.on('request', (request) => {
        if (request.method() === 'POST') tokens.push(...request.postData().split('\n'));
      });
      await player.play();
      await player.reaches(5_000);
      await until(
        'the gateway has rejected it',
        async () => (await player.status()).state === 'not-enrolled',
      );
      assert.match(await player.text('notice'), /not enrolled/);
      const { kid, jwk } = await player.enrol(gateway);
      await player.reaches(8_000);
      await player.pause();
      await player.settled();
      const { coverage } = await gateway.progress(player.student, 'demo');
      assert.deepEqual(holes(coverage, 0, 7_700, await player.skipped()), []);
      assert.deepEqual((await player.heard()).drop, []);
      const key = await importJWK(jwk, 'ES256');
      let verified = 0;
      for (const token of tokens) {
        const { alg } = JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
        if (alg !== 'ES256') continue;
        const { protectedHeader, payload } = await compactVerify(token, key);
        assert.deepEqual(protectedHeader, { alg: 'ES256', kid, typ: 'engagement+jwt' });
        assert.equal(JSON.parse(Buffer.from(payload)).sub, player.student);
        ++verified;
      }
      assert.ok(verified >= 2);
      await player.close();
    });

    test('two tabs of one student share the buffer, send in turn, and hear of each other', {
      timeout: 120_000,
    }, async () => {
      const first = await arrive(gateway, { query: { heartbeat: 1000 } });
      const second = new PlayerPage();
      Object.assign(second, {
        page: limited(await first.context.newPage()),
        student: first.student,
      });
      let inFlight = 0;
      let most = 0;
      for (const { page } of [first, second]) {
        const isHeartbeat = (request) =>
          request.method() === 'POST' && request.url().endsWith('/v1/heartbeats');
        page.on('request', (request) => {
          if (isHeartbeat(request)) most = Math.max(most, ++inFlight);
        });
        for (const end of ['requestfinished', 'requestfailed'])
          page.on(end, (request) => {
            if (isHeartbeat(request)) --inFlight;
          });
      }
      await second.load(first.address);
      assert.deepEqual(
        await second.evaluate(() => tracker.enrolment()),
        await first.evaluate(() => tracker.enrolment()),
      );
      await second.seek(40_000);
      await Promise.all([first.play(), second.play()]);
      await Promise.all([first.reaches(8_000), second.reaches(48_000)]);
      await Promise.all([first.pause(), second.pause()]);
      await Promise.all([first.settled(), second.settled()]);
      const { coverage } = await gateway.progress(first.student, 'demo');
      const end = [await first.position(), await second.position()];
      assert.deepEqual(holes(coverage, 0, end[0], await first.skipped()), []);
      assert.deepEqual(holes(coverage, 40_000, end[1], await second.skipped()), []);
      assert.equal(most, 1, 'requests at a time');
      for (const player of [first, second]) {
        const sessions = new Set((await player.heard()).progress.map(({ session }) => session));
        assert.equal(sessions.size, 2);
      }
      await first.close();
    });

    test('a browser without IndexedDB plays and earns all the same, and says what that means', {
      timeout: 120_000,
    }, async () => {
      const student = `viewer-${process.pid}-${++opened}`;
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      await context.addInitScript(() => {
        indexedDB.open = () => {
          throw new DOMException('denied', 'SecurityError');
        };
      });
      const wrapped = { newContext: async () => context };
      const player = await PlayerPage.open(wrapped, {
        origin: gateway.origin,
        student,
        module: 'demo',
        query: { heartbeat: 2000 },
      });
      await player.enrol(gateway);
      await player.play();
      await player.reaches(5_000);
      await player.pause();
      await player.settled();
      assert.equal((await player.status()).storage, 'memory');
      assert.match(await player.text('notice'), /keeps nothing on disk/);
      assert.ok((await gateway.progress(student, 'demo')).seconds_watched >= 4);
      await player.close();
    });
  });

  describe('an outage of the gateway', () => {
    let gateway, platform;
    before(async () => {
      platform = await PageServer.start({
        '/player/media/': folders.media,
        '/player/': folders.page,
      });
      gateway = await startGateway(`[cors]\norigins = ["${platform.origin}"]\n`);
    });
    after(async () => {
      await gateway?.stop();
      await platform?.stop();
    });

    test('of forty seconds loses nothing', { timeout: 240_000 }, async () => {
      // Their page and video are the gateway's and go with it; the one who loads the page again meanwhile has it
      // from a learning platform.
      const [patient, leaver] = await Promise.all([
        arrive(gateway, { query: { buffer: videoS * 2 } }),
        arrive(gateway, { origin: platform.origin, gateway: gateway.origin }),
      ]);
      await patient.loaded();
      const sent = [];
      patient.page.on('request', (request) => {
        if (request.method() === 'POST') sent.push(request.postData().split('\n').map(decode));
      });
      await Promise.all([patient, leaver].map((player) => player.play()));
      await Promise.all([patient, leaver].map((player) => player.reaches(12_000)));
      await gateway.end('SIGKILL');
      const from = await patient.position();
      await patient.reaches(from + 40_000);
      const status = await patient.status();
      assert.ok(status.buffered >= 2 && status.buffered <= 5, JSON.stringify(status));
      // Who closes the page meanwhile finds everything again in the next one.
      await leaver.pause();
      const left = await leaver.position();
      await leaver.load();
      assert.ok((await leaver.status()).buffered > 0);
      assert.equal(sent[0][0].alg, 'ES256');
      const offers = sent.flat().filter(({ alg, epk }) => alg === 'ES256' && epk);
      assert.ok(offers.length > 0, 'no key was offered');
      assert.equal(sent.at(-1)[0].alg, 'HS256');
      sent.length = 0;
      await gateway.launch();
      // As when the browser says that it is online again; else the next try may be a minute away.
      for (const player of [patient, leaver]) await player.evaluate(() => tracker.flush());
      await patient.reaches(from + 50_000);
      await patient.pause();
      await patient.settled();

      const all = await gateway.progress(patient.student, 'demo');
      const end = await patient.position();
      assert.deepEqual(
        holes(all.coverage, 0, end, await patient.skipped()),
        [],
        'the first player has a hole',
      );
      assert.deepEqual((await patient.heard()).drop, []);

      // The new process has no key of the session: the same heartbeat came again, signed and with an offer.
      const signed = sent.find(([{ alg, epk }]) => alg === 'ES256' && epk)[0];
      assert.ok(
        sent
          .flat()
          .some(({ alg, sid, sn }) => alg === 'HS256' && sid === signed.sid && sn === signed.sn),
        JSON.stringify(sent),
      );
      assert.equal(sent.at(-1).at(-1).alg, 'HS256', JSON.stringify(sent));

      await leaver.settled();
      assert.deepEqual(
        holes(
          (await gateway.progress(leaver.student, 'demo')).coverage,
          0,
          left,
          await leaver.skipped(),
        ),
        [],
        'the one who left has a hole',
      );

      await Promise.all([patient, leaver].map((player) => player.close()));
    });
  });

  describe('an outage that is longer than the buffer', () => {
    /**
     * Plays through an outage of so many seconds. What is missing in the end has to be what the event `drop` named,
     * to the millisecond. `keptMs`: so much of the outage's media has to be left at least.
     */
    async function outage(t, { seconds, query, served = folders, durationMs = videoMs, keptMs }) {
      const gateway = await startGateway('', { served, durationMs });
      t.after(() => gateway.stop());
      const player = await arrive(gateway, { query: { buffer: durationMs / 500, ...query } });
      await player.loaded();
      await player.play();
      await player.reaches(12_000);
      // The gateway stands still when it is killed, and all that was sent before has a result: so nothing is in doubt.
      await until(
        'everything has a result while the gateway stands still',
        async () => {
          if ((await player.status()).buffered !== 0) return false;
          await gateway.freeze();
          if ((await player.status()).buffered === 0) return true;
          gateway.thaw();
          return false;
        },
        { everyMs: 20 },
      );
      await gateway.end('SIGKILL');
      const from = await player.position();
      await player.reaches(from + seconds * 1000, seconds * 2000);
      assert.equal((await player.status()).buffered, 5);
      await gateway.launch();
      const back = await player.position();
      await player.evaluate(() => tracker.flush());
      // Until the first of the five is away, each new heartbeat takes the place of the oldest.
      await until(
        'the first of them has its result',
        async () => (await player.status()).buffered < 5,
        { everyMs: 20 },
      );
      const resumed = await player.position();
      await player.reaches(Math.min(back + 20_000, durationMs - 1_000));
      await player.pause();
      await player.settled(240_000);

      const end = await player.position();
      const { coverage } = await gateway.progress(player.student, 'demo');
      const { drop } = await player.heard();
      const lost = drop.flatMap(({ heartbeats }) => heartbeats);
      assert.ok(
        drop.every(
          ({ reason, count, heartbeats }) =>
            reason === 'buffer-full' && count === heartbeats.length,
        ),
      );
      const dropped = drop.reduce((sum, { count }) => sum + count, 0);
      const named = union(
        lost.map(({ fromMs, toMs }) => [fromMs, toMs]),
        0,
      );
      const missing = holes(coverage, 0, end, await player.skipped());
      const all = JSON.stringify({ coverage, named, back, resumed, end });
      assert.ok(dropped >= 1, 'nothing had to go');
      assert.equal(dropped, lost.length);
      assert.deepEqual(missing, named, all);
      // The oldest: one hole, which begins with the outage, and after it is what five heartbeats hold.
      assert.equal(missing.length, 1, all);
      assert.ok(missing[0][0] <= from && resumed - missing[0][1] >= keptMs, all);
      t.diagnostic(
        `${seconds} s without a gateway: ${dropped} dropped, ${lengthOf(missing) / 1000} s of ${(end / 1000).toFixed(0)} s played are missing`,
      );
      await player.close();
    }

    test('loses the oldest, and they are what was named', { timeout: 180_000 }, (t) =>
      // None of these may be joined.
      outage(t, { seconds: 24, query: { heartbeat: 2000, interval: 2000 }, keptMs: 8_000 }),
    );

    test('of three minutes, with heartbeats of ten seconds', {
      timeout: 900_000,
      skip: process.env.WATCHKEEPER_OUTAGE_FULL
        ? false
        : 'WATCHKEEPER_OUTAGE_FULL=1 runs it; it takes four minutes',
    }, (t) => {
      const durationS = 300;
      return outage(t, {
        seconds: 180,
        served: playerFolders(durationS, 'long-video'),
        durationMs: durationS * 1000,
        keptMs: 100_000,
      });
    });
  });
});
