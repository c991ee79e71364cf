// Files beside the API, as curl and browsers ask for them.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { run } from './lib/command.mjs';
import { Gateway } from './lib/gateway.mjs';
import { assertProblem } from './lib/scene.mjs';
import { temporaryDirectory } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { event, until } from './lib/wait.mjs';

describe('a folder that is served', () => {
  let gateway;
  let directory;
  const large = crypto.randomBytes(5 * 1024 * 1024 + 123);
  before(async () => {
    directory = temporaryDirectory('static');
    const web = path.join(directory, 'web');
    fs.mkdirSync(path.join(web, 'assets'), { recursive: true });
    fs.writeFileSync(path.join(web, 'index.html'), '<!doctype html><title>player</title>');
    fs.writeFileSync(path.join(web, 'assets', 'app-1a2b3c4d.js'), 'export {};');
    fs.writeFileSync(path.join(web, 'master.m3u8'), '#EXTM3U\n');
    fs.writeFileSync(path.join(web, 'large.mp4'), large);
    fs.writeFileSync(path.join(web, '.env'), 'SECRET=1');
    fs.writeFileSync(path.join(directory, 'secret.txt'), 'SECRET');
    fs.symlinkSync('../secret.txt', path.join(web, 'link.txt'));
    fs.symlinkSync('..', path.join(web, 'up'));
    gateway = await Gateway.start({
      settings: `[[static]]\npath = "/player/"\nfolder = "${web}"\nimmutable = "assets/"\n`,
    });
  });
  after(async () => {
    await gateway?.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });
  const get = (target, headers = {}, method = 'GET') =>
    gateway.client.request(method, target, { headers });
  const curl = async (...args) => {
    const { stdout } = await run(
      'curl',
      ['-sS', '--http2', '--insecure', '--path-as-is', ...args],
      { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 },
    );
    return stdout;
  };

  test('the page, its script and its playlist', async () => {
    const page = await get('/player/');
    assert.equal(page.status, 200);
    assert.match(page.text, /player/);
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(page.headers['cache-control'], 'no-cache');
    assert.match(page.headers['content-security-policy'], /^default-src 'self'/);
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
    const script = await get('/player/assets/app-1a2b3c4d.js');
    assert.equal(script.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal(script.headers['content-type'], 'text/javascript; charset=utf-8');
    const list = await get('/player/master.m3u8');
    assert.equal(list.headers['content-type'], 'application/vnd.apple.mpegurl');
    assert.equal(list.headers['cache-control'], 'public, max-age=300');
    const moved = await get('/player');
    assert.equal(moved.status, 308);
    assert.equal(moved.headers.location, '/player/');
    assertProblem(await get('/player/assets/'), 404, 'not-found');
    const posted = await gateway.client.request('POST', '/player/', { body: 'x' });
    assertProblem(posted, 405, 'method-not-allowed');
    assert.equal(posted.headers.allow, 'GET, HEAD');
    assert.equal((await get('/v1/keys')).status, 200);
    assertProblem(await get('/other/'), 404, 'not-found');
  });

  test('no path leads out of it', async () => {
    for (const target of [
      '../secret.txt',
      '..%2fsecret.txt',
      '%2e%2e/secret.txt',
      '.%2e/secret.txt',
      '..%5csecret.txt',
      'assets/../../secret.txt',
      'assets/%2e%2e/%2e%2e/secret.txt',
      '/etc/passwd',
      '%2fetc%2fpasswd',
      '/../secret.txt',
      'link.txt',
      'up/secret.txt',
      '.env',
      '%2eenv',
      'index.html%00.txt',
      '%zz',
      '....//secret.txt',
      '%c0%ae%c0%ae/secret.txt',
      '%252e%252e/secret.txt',
      'up/web/index.html',
    ]) {
      const response = await get(`/player/${target}`);
      assert.equal(response.status, 404, target);
      assert.doesNotMatch(response.text, /SECRET|root:/, target);
      const [code] = (
        await curl(
          '-o',
          path.join(directory, 'got'),
          '-w',
          '%{http_code}',
          `${gateway.origin}/player/${target}`,
        )
      )
        .toString()
        .match(/\d+/);
      assert.equal(code, '404', `curl ${target}`);
    }
  });

  test('a large file, whole, in ranges, and resumed', async () => {
    const url = `${gateway.origin}/player/large.mp4`;
    assert.ok((await curl(url)).equals(large));
    assert.ok(
      (await curl('-r', '1000000-2999999', url)).equals(large.subarray(1_000_000, 3_000_000)),
    );
    assert.ok((await curl('-r', '-100', url)).equals(large.subarray(-100)));
    const half = path.join(directory, 'half.mp4');
    fs.writeFileSync(half, large.subarray(0, 3_333_333));
    await curl('-C', '-', '-o', half, url);
    assert.ok(fs.readFileSync(half).equals(large));
    const part = await get('/player/large.mp4', { range: 'bytes=0-9' });
    assert.equal(part.status, 206);
    assert.equal(part.headers['content-range'], `bytes 0-9/${large.length}`);
    assert.equal(part.headers['content-length'], '10');
    const beyond = await get('/player/large.mp4', { range: `bytes=${large.length}-` });
    assert.equal(beyond.status, 416);
    assert.equal(beyond.headers['content-range'], `bytes */${large.length}`);
    const head = await get('/player/large.mp4', {}, 'HEAD');
    assert.equal(head.headers['content-length'], String(large.length));
    assert.equal(head.headers['accept-ranges'], 'bytes');
    assert.equal(head.text, '');
    const changed = await get('/player/large.mp4', { range: 'bytes=0-9', 'if-range': '"other"' });
    assert.equal(changed.status, 200);
    assert.equal(changed.headers['content-length'], String(large.length));
  });

  test('what the client has is not sent again', async () => {
    const first = await get('/player/master.m3u8');
    for (const headers of [
      { 'if-none-match': first.headers.etag },
      { 'if-modified-since': first.headers['last-modified'] },
    ]) {
      const again = await get('/player/master.m3u8', headers);
      assert.equal(again.status, 304);
      assert.equal(again.text, '');
      assert.equal(again.headers.etag, first.headers.etag);
    }
    assert.equal((await get('/player/master.m3u8', { 'if-none-match': '"other"' })).status, 200);
  });

  test('a client that does not read, or leaves, holds nothing up', async () => {
    const openFiles = () =>
      fs.readdirSync(`/proc/${gateway.child.pid}/fd`).filter((fd) => {
        try {
          return fs.readlinkSync(`/proc/${gateway.child.pid}/fd/${fd}`).endsWith('large.mp4');
        } catch {
          return false;
        }
      }).length;
    const streams = Array.from({ length: 20 }, () => {
      const stream = gateway.client.stream('GET', '/player/large.mp4');
      stream.on('error', () => {});
      stream.pause();
      stream.end();
      return stream;
    });
    await Promise.all(streams.map((stream) => event('the head of a file', stream, 'response')));
    assert.equal(openFiles(), 20);
    assert.equal((await get('/healthz')).status, 200);
    for (const stream of streams) stream.close(8);
    await until('the files are closed', () => openFiles() === 0);
  });

  test('`check` looks at the folder', async () => {
    const file = path.join(directory, 'w.toml');
    const check = async (folder) => {
      fs.writeFileSync(
        file,
        `data_dir = "${directory}"\n[[static]]\npath = "/p/"\nfolder = "${folder}"\n`,
      );
      return run(process.env.WATCHKEEPER_PROGRAM, ['--config', file, 'check']).then(
        ({ stdout }) => stdout,
        ({ stdout }) => stdout,
      );
    };
    assert.match(await check(path.join(directory, 'web')), /✓ static .* at \/p\//);
    assert.match(await check(path.join(directory, 'none')), /✗ static .*not a directory/);
  });
});
