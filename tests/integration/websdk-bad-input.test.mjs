// The module for web pages in a real browser, and servers that are no gateway.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { holes, launchBrowser, launchProfile, PlayerPage } from './lib/browser.mjs';
import { Gateway } from './lib/gateway.mjs';
import { canPlay } from './lib/machine.mjs';
import { PageServer, playerFolders } from './lib/page-server.mjs';
import { temporaryDirectory } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';

let folders;
before(
  async () => {
    folders = playerFolders(90);
    await canPlay();
  },
  { timeout: 600_000 },
);
const served = () => ({ '/player/media/': folders.media, '/player/': folders.page });
const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

/** What a gateway says to these tokens when all is well. */
const credit = (tokens) =>
  JSON.stringify({
    server_time: Date.now() / 1000,
    results: tokens.map(claimsOf).map(({ sid, sn, from, to }) => ({
      sid,
      sn,
      status: 'credited',
      credited_ms: to - from,
      seconds_watched: Math.floor(to / 1000),
      completion_percentage: 1,
      state: 'IN_PROGRESS',
      resume_ms: to,
    })),
  });

/** Takes heartbeats; while `state.isStrange` it does to their requests what `respond` does instead. */
async function oddServer(respond) {
  const delivered = [];
  const paths = new Set();
  const state = { isStrange: false };
  const server = await PageServer.start(served(), {
    api: (request, response) => {
      paths.add(request.url);
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        if (request.method !== 'POST') return response.writeHead(404).end();
        if (state.isStrange) return respond(response);
        const tokens = body.split('\n');
        delivered.push(...tokens.map(claimsOf));
        response.end(credit(tokens));
      });
    },
  });
  return { server, delivered, paths, state };
}

/** Each heartbeat of a second arrived, some joined, in order, dated by the time of the server. */
function checkDelivered(delivered, meanwhile, skipped) {
  for (const [i, { sn, from }] of delivered.slice(1).entries())
    assert.ok(sn > delivered[i].sn && from >= delivered[i].to, JSON.stringify(delivered));
  const parts = delivered.map(({ from, to }) => [from, to]);
  assert.deepEqual(
    holes(parts, parts[0][0], parts.at(-1)[1], skipped),
    [],
    JSON.stringify(delivered),
  );
  assert.ok(delivered.at(-1).to > meanwhile, `${delivered.at(-1).to} of ${meanwhile}`);
  for (const { iat } of delivered)
    assert.ok(Math.abs(iat * 1000 - Date.now()) < 60_000, 'dated by the clock that went back');
}

describe('the module for web pages and what is no gateway', { concurrency: 3 }, () => {
  let browser;
  before(async () => {
    browser = await launchBrowser();
  });
  after(() => browser?.close());

  const odd = {
    'a response that is not JSON': [
      'bad-response',
      (response) => response.end('<html>Sign in</html>'),
    ],
    'a 200 with garbage in it': [
      'bad-response',
      (response) => response.end('{"results":[{"status":"credited","sn":"x"}]}'),
    ],
    'a redirect': [
      'redirect',
      (response) => response.writeHead(302, { location: '/v1/elsewhere' }).end(),
    ],
  };
  for (const [name, [failure, respond]] of Object.entries(odd))
    test(`${name} loses nothing, and neither does a clock that goes back an hour meanwhile`, {
      timeout: 120_000,
    }, async () => {
      const { server, delivered, paths, state } = await oddServer(respond);
      try {
        const player = await PlayerPage.open(browser, {
          origin: server.origin,
          student: 'odd',
          module: 'demo',
          query: { heartbeat: 1000, buffer: 180 },
        });
        await player.play();
        await until(
          'a heartbeat has a result',
          async () => (await player.heard()).progress.length > 0,
        );
        state.isStrange = true;
        await until(
          'the odd response was noticed',
          async () => (await player.heard()).failure.length > 0,
        );
        await player.evaluate(() => {
          const now = Date.now.bind(Date);
          Date.now = () => now() - 3_600_000;
        });
        await player.reaches((await player.position()) + 3_000);
        const meanwhile = (await player.position()) - 1_500;
        state.isStrange = false;
        await player.evaluate(() => tracker.flush());
        await player.pause();
        await player.settled();
        const heard = await player.heard();
        assert.deepEqual(
          [...new Set(heard.failure.map(({ name: of, retry }) => `${of} ${retry}`))],
          [`${failure} later`],
        );
        assert.deepEqual(heard.drop, []);
        assert.ok(!paths.has('/v1/elsewhere'), 'the redirect was followed');
        checkDelivered(delivered, meanwhile, await player.skipped());
        await player.close();
      } finally {
        await server.stop();
      }
    });

  test('a certificate that is not trusted is not talked to; what was buffered goes out when it is', {
    timeout: 180_000,
  }, async () => {
    const profile = temporaryDirectory('profile');
    const page = await PageServer.start(served(), { secure: false });
    const gateway = await Gateway.start({ settings: `[cors]\norigins = ["${page.origin}"]\n` });
    let context;
    const open = async (checkCertificates) => {
      context = await launchProfile(profile, { checkCertificates });
      return PlayerPage.open(
        { newContext: async () => context },
        {
          origin: page.origin,
          gateway: gateway.origin,
          student: 'careful',
          module: 'demo',
          query: { heartbeat: 1000 },
        },
      );
    };
    try {
      await gateway.putModule('demo', 90_000);
      const careful = await open(true);
      const identity = await careful.evaluate(() => tracker.enrolment());
      await gateway.enrol(identity, careful.student);
      await careful.play();
      await careful.reaches(3_000);
      await careful.pause();
      const played = await careful.position();
      const { failure, drop, progress } = await careful.heard();
      assert.deepEqual(
        [...new Set(failure.map(({ name, retry, status }) => `${name} ${retry} ${status}`))],
        ['unreachable later 0'],
      );
      assert.deepEqual([drop, progress], [[], []]);
      await until('the rest is buffered too', async () => (await careful.status()).buffered >= 3);
      assert.equal((await gateway.viewer('GET', '/v1/progress/careful/demo')).status, 404);
      const skipped = await careful.skipped();
      await context.close();
      const trusting = await open(false);
      assert.deepEqual(await trusting.evaluate(() => tracker.enrolment()), identity);
      await trusting.settled();
      const { coverage } = await gateway.progress('careful', 'demo');
      assert.deepEqual(holes(coverage, 0, played, skipped), [], JSON.stringify(coverage));
    } finally {
      await context?.close();
      await gateway.stop();
      await page.stop();
      fs.rmSync(profile, { recursive: true, force: true });
    }
  });
});
