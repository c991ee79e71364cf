// Signing in to the console with a cookie, over real HTTP/2.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Client } from './lib/client.mjs';
import { run } from './lib/command.mjs';
import { Events } from './lib/events.mjs';
import { Gateway, tokens, tokenTable } from './lib/gateway.mjs';
import { assertProblem } from './lib/scene.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until, within } from './lib/wait.mjs';

describe('the console signs people in', () => {
  let gateway;
  before(async () => {
    gateway = await Gateway.start({ settings: '[console]\nlogin_hours = 2\n' });
  });
  after(() => gateway?.stop());

  const signIn = async (role) => {
    const response = await gateway.client.request('POST', '/v1/session', {
      body: { token: tokens[role] },
    });
    assert.equal(response.status, 200, response.text);
    const set = response.headers['set-cookie'][0];
    return { response, set, cookie: set.split(';')[0], ...response.json };
  };
  const call = (method, path, { cookie, csrf, body } = {}) =>
    gateway.client.request(method, path, {
      body,
      headers: { ...(cookie && { cookie }), ...(csrf && { 'x-watchkeeper-csrf': csrf }) },
    });

  test('the cookie is closed to scripts, other sites and plain text', async () => {
    const { response, set, name, role, csrf, expires_at: expiresAt } = await signIn('viewer');
    assert.equal(name, 'viewer');
    assert.equal(role, 'viewer');
    assert.match(csrf, /^[A-Za-z0-9_-]{43}$/);
    const hours = (Date.parse(expiresAt) - Date.now()) / 3_600_000;
    assert.ok(hours > 1.99 && hours <= 2, expiresAt);
    assert.match(
      set,
      /^__Host-wk=[A-Za-z0-9_-]{96}; HttpOnly; Secure; SameSite=Strict; Path=\/; Max-Age=7200$/,
    );
    assert.equal(response.headers['cache-control'], 'no-store');
  });

  test('signing out ends the live streams of that session, and no other', async () => {
    const leaves = await signIn('viewer');
    const stays = await signIn('viewer');
    const client = new Client(gateway.origin);
    const one = await Events.open(client, { headers: { cookie: leaves.cookie } });
    const two = await Events.open(client, { module: 'm', headers: { cookie: leaves.cookie } });
    const other = await Events.open(client, { headers: { cookie: stays.cookie } });
    assert.equal((await call('DELETE', '/v1/session', leaves)).status, 204);
    await within('the streams end', Promise.all([one.closed, two.closed]));
    const from = other.all.length;
    await other.find('the other goes on', ({ event }) => event === 'totals', from);
    await client.close();
  });

  test('it reads what its role may, in one field or in crumbs', async () => {
    const { cookie } = await signIn('viewer');
    assert.equal((await call('GET', '/v1/modules', { cookie })).status, 200);
    assert.equal((await call('GET', '/v1/modules', { cookie: `a=1; ${cookie}; b=2` })).status, 200);
    // Two cookie fields, as browsers send them over HTTP/2.
    const crumbs = await gateway.client.request('GET', '/v1/modules', {
      headers: { cookie: ['a=1', cookie] },
    });
    assert.equal(crumbs.status, 200);
    assertProblem(await call('GET', '/v1/stats', { cookie }), 403, 'forbidden');
    assertProblem(await call('GET', `/v1/students/x/devices`, { cookie }), 403, 'forbidden');
    assertProblem(await call('GET', '/v1/modules'), 401, 'unauthorized');
    assertProblem(
      await call('GET', '/v1/modules', { cookie: `${cookie.slice(0, -1)}~` }),
      401,
      'unauthorized',
    );
    const operator = await signIn('operator');
    assert.equal((await call('GET', '/v1/stats', operator)).status, 200);
    assertProblem(await call('GET', '/v1/modules', operator), 403, 'forbidden');
  });

  test('a write without the csrf token is refused', async () => {
    const admin = await signIn('admin');
    const other = await signIn('admin');
    const body = { title: 'Module', duration_ms: 1000 };
    const put = (csrf) => call('PUT', '/v1/modules/csrf', { cookie: admin.cookie, csrf, body });
    assertProblem(await put(), 403, 'forbidden');
    assertProblem(await put(other.csrf), 403, 'forbidden');
    assert.equal((await put(admin.csrf)).status, 201);
    assertProblem(await call('DELETE', '/v1/session', { cookie: admin.cookie }), 403, 'forbidden');
  });

  test('signing out ends it, also for a copy', async () => {
    const admin = await signIn('admin');
    const out = await call('DELETE', '/v1/session', admin);
    assert.equal(out.status, 204);
    assert.match(out.headers['set-cookie'][0], /^__Host-wk=; .*Max-Age=0$/);
    assertProblem(await call('GET', '/v1/session', admin), 401, 'unauthorized');
  });

  test('signing out holds after a restart', async () => {
    const viewer = await signIn('viewer');
    const stays = await signIn('viewer');
    assert.equal((await call('DELETE', '/v1/session', viewer)).status, 204);
    gateway.child.kill('SIGKILL'); // it was stored before the response
    await gateway.hasEnded();
    await gateway.launch();
    assertProblem(await call('GET', '/v1/session', viewer), 401, 'unauthorized');
    assert.equal((await call('GET', '/v1/session', stays)).status, 200);
  });

  test('curl keeps it in its jar', async () => {
    const jar = `${gateway.directory}/jar`;
    const curl = async (...more) =>
      (await run('curl', ['-sk', '--http2', '-b', jar, '-c', jar, ...more])).stdout;
    const signedIn = JSON.parse(
      await curl(
        '-H',
        'content-type: application/json',
        '-d',
        JSON.stringify({ token: tokens.viewer }),
        `${gateway.origin}/v1/session`,
      ),
    );
    assert.equal(signedIn.role, 'viewer');
    assert.deepEqual(JSON.parse(await curl(`${gateway.origin}/v1/session`)), signedIn);
  });

  test('it outlives a restart, and ends with its token or the key', async () => {
    const viewer = await signIn('viewer');
    await gateway.end();
    await gateway.launch();
    assert.equal((await call('GET', '/v1/session', viewer)).status, 200);
    const configured = fs.readFileSync(gateway.file, 'utf8');
    fs.writeFileSync(
      gateway.file,
      configured.replace(tokenTable('viewer', 'viewer', tokens.viewer), ''),
    );
    gateway.child.kill('SIGHUP');
    await until(
      'the session ends with its token',
      async () => (await call('GET', '/v1/session', viewer)).status === 401,
    );
    fs.writeFileSync(gateway.file, configured);
    gateway.child.kill('SIGHUP');
    await until(
      'it is back with it',
      async () => (await call('GET', '/v1/session', viewer)).status === 200,
    );
    // Another key: nobody is signed in any more.
    await gateway.end();
    fs.rmSync(path.join(gateway.directory, 'data', 'console-cookie.key'));
    await gateway.launch();
    assertProblem(await call('GET', '/v1/session', viewer), 401, 'unauthorized');
    assert.ok(!gateway.log.includes(tokens.viewer));
  });

  test('wrong tokens are slowed down, and never logged', async () => {
    const client = new Client(gateway.origin);
    const wrong = () =>
      client.request('POST', '/v1/session', { body: { token: 'wk_admin_not-the-secret' } });
    try {
      assertProblem(await wrong(), 401, 'unauthorized');
      let slowed;
      for (let i = 0; i < 40 && !slowed; ++i) {
        const response = await wrong();
        if (response.status === 429) slowed = response;
      }
      assertProblem(slowed, 429, 'rate-limited');
      assert.match(gateway.log, /wrong token at login/);
      assert.ok(!gateway.log.includes('not-the-secret'));
    } finally {
      await client.close();
    }
  });
});

describe('the console', () => {
  let gateway;
  before(async () => {
    gateway = await Gateway.start();
  });
  after(() => gateway?.stop());

  test('is at /console/, with its policy', async () => {
    const root = await gateway.client.request('GET', '/');
    assert.equal(root.status, 302);
    assert.equal(root.headers.location, '/console/');
    for (const path of ['/console/', '/console/modules/x']) {
      const page = await gateway.client.request('GET', path);
      assert.equal(page.status, 200);
      assert.match(page.headers['content-type'], /^text\/html/);
      assert.match(
        page.headers['content-security-policy'],
        /^default-src 'none'; script-src 'self';/,
      );
      assert.equal(page.headers['x-content-type-options'], 'nosniff');
      assert.doesNotMatch(page.text, / style=|<script>|<style/);
    }
    const page = await gateway.client.request('GET', '/console/');
    const files = [...page.text.matchAll(/(?:src|href)="(\/console\/assets\/[^"]+)"/g)].map(
      (m) => m[1],
    );
    // Without Node.js at build time there is a page that says so, and nothing else.
    if (files.length === 0) assert.match(page.text, /scripts\/build-console/);
    for (const file of files) {
      const packed = await gateway.client.request('GET', file, {
        headers: { 'accept-encoding': 'gzip, br' },
      });
      assert.equal(packed.status, 200, file);
      assert.equal(packed.headers['content-encoding'], 'br', file);
      assert.match(packed.headers['cache-control'], /immutable/);
      assert.equal(packed.headers.vary, 'accept-encoding');
      const again = await gateway.client.request('GET', file, {
        headers: { 'accept-encoding': 'gzip, br', 'if-none-match': packed.headers.etag },
      });
      assert.equal(again.status, 304);
      const plain = await gateway.client.request('GET', file);
      assert.equal(plain.headers['content-encoding'], undefined);
      assert.ok(plain.text.length > 0);
    }
    assertProblem(await gateway.client.request('GET', '/console/assets/none.js'), 404, 'not-found');
  });
});
