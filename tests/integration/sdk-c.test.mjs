// The C SDK's example against a gateway that is killed, restarted and slow; and what a heartbeat of it weighs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { writeCertificate } from './lib/certificate.mjs';
import { Gateway } from './lib/gateway.mjs';
import { lengthOf } from './lib/scene.mjs';
import { temporaryDirectory } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';
import { count, quick, Watcher } from './lib/watcher.mjs';

describe('the C SDK', { concurrency: 1 }, () => {
  let gateway;
  let directory;
  before(async () => {
    gateway = await Gateway.start();
    directory = temporaryDirectory('sdk-c');
  });
  after(async () => {
    await gateway.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });

  test('what it plays is credited, to the millisecond', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-happy');
    const { code } = await watcher.play('--seconds', '3.5', ...quick).ended();
    assert.equal(code, 0, watcher.out);
    const progress = await gateway.progress(watcher.student, 'c-happy');
    assert.deepEqual(progress.coverage, [[0, 3500]]);
    assert.match(watcher.out, /progress 3 s, 0.58 %, resume at 3500 ms/);
    assert.equal(watcher.status.made, 4);
    assert.equal(watcher.status.acknowledged, 4);
  });

  test('a gateway that is killed for the length of four heartbeats leaves no hole', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-outage');
    watcher.play('--seconds', '9', '--linger', '15', ...quick);
    await until('two heartbeats are credited', () => count(watcher.out, 'progress') >= 2);
    await gateway.end('SIGKILL');
    await until('it was noticed', () => watcher.out.includes('failure 0'));
    const down = Date.now();
    await until('four seconds passed', () => Date.now() - down >= 4000);
    await gateway.launch();
    const { code } = await watcher.ended();
    assert.equal(code, 0, watcher.out);
    const progress = await gateway.progress(watcher.student, 'c-outage');
    assert.deepEqual(progress.coverage, [[0, 9000]]);
    assert.equal(watcher.status.dropped, 0);
  });

  test('a long outage loses the oldest beyond what five heartbeats hold, and says how much', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-long');
    // Nothing may be joined: five heartbeats of a second each.
    const tight = quick.with(3, '1000');
    watcher.play('--seconds', '12', '--linger', '15', ...tight);
    await until('two heartbeats are credited', () => count(watcher.out, 'progress') >= 2);
    await gateway.end('SIGKILL');
    await until('three had to go', () => count(watcher.out, 'drop ') >= 3, { timeoutMs: 20_000 });
    await gateway.launch();
    await watcher.ended();
    const progress = await gateway.progress(watcher.student, 'c-long');
    const drops = [...watcher.out.matchAll(/drop sn \d+ \[(\d+), (\d+)\) buffer-full/g)];
    assert.equal(drops.length, watcher.status.dropped);
    assert.equal(watcher.status.buffered, 0, watcher.out);
    // Every millisecond that was played was credited or is named as dropped.
    const lost = drops.reduce((sum, [, from, to]) => sum + Number(to) - Number(from), 0);
    assert.equal(lengthOf(progress.coverage) + lost, 12_000, watcher.out);
    for (const [, from, to] of drops)
      assert.ok(!progress.coverage.some(([a, b]) => a < Number(to) && Number(from) < b));
  });

  test('an app that is killed without a network delivers after its next start', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-restart');
    await gateway.end('SIGKILL');
    watcher.play('--seconds', '60', ...quick);
    await until(
      'three heartbeats are stored',
      () =>
        fs.existsSync(watcher.storage) &&
        fs.readFileSync(watcher.storage, 'utf8').split('\n').length >= 5,
    );
    watcher.child.kill('SIGKILL');
    await watcher.ended();
    const stored = fs
      .readFileSync(watcher.storage, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(' '));
    await gateway.launch();
    const { code } = await watcher.play('--from', '100', '--seconds', '1', ...quick).ended();
    assert.equal(code, 0, watcher.out);
    const progress = await gateway.progress(watcher.student, 'c-restart');
    const to = Number(stored.at(-1)[4]);
    assert.ok(to >= 3000);
    assert.deepEqual(progress.coverage[0], [0, 0 + to]);
    assert.equal(progress.coverage[1]?.[0] ?? 100_000, 100_000);
  });

  test('signs once a session, and once more for a gateway that was restarted', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-keys');
    watcher.play('--seconds', '8', '--linger', '15', ...quick);
    await until('three heartbeats are credited', () => count(watcher.out, 'progress') >= 3);
    await gateway.end('SIGKILL');
    await gateway.launch();
    const { code } = await watcher.ended();
    assert.equal(code, 0, watcher.out);
    assert.deepEqual((await gateway.progress(watcher.student, 'c-keys')).coverage, [[0, 8000]]);
    assert.equal(watcher.status.dropped, 0);
    // One, and one for each heartbeat that had been signed with the key that was lost.
    assert.ok(
      watcher.status.device_signatures >= 2 && watcher.status.device_signatures <= 5,
      watcher.out,
    );
    assert.ok(watcher.status.session_signatures >= 4, watcher.out);
  });

  test('a final rejection is reported and not repeated', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-refused');
    watcher.module = 'c-no-such-module';
    await watcher.play('--seconds', '1', ...quick).ended();
    assert.match(watcher.out, /drop sn 0 \[0, 1000\) rejected unknown-module/);
    assert.equal(watcher.status.dropped, 1);
    assert.equal(watcher.status.acknowledged, 0);
  });

  test('what is played before the device is enrolled is stored, and credited by the next start', async () => {
    const watcher = new Watcher(directory);
    await gateway.putModule('c-early', 600_000);
    watcher.at(gateway, 'c-early');
    const { code } = await watcher.play('--seconds', '2', '--linger', '1', ...quick).ended();
    assert.equal(code, 1, watcher.out);
    assert.equal(count(watcher.out, 'failure 7 '), 1, watcher.out);
    assert.equal(watcher.status.dropped, 0);
    assert.equal(watcher.status.buffered, 2);
    assert.equal(
      watcher.status.requests,
      2,
      'one by itself, one at the end: it does not ask again and again',
    );
    await watcher.enrol(gateway, 'c-early');
    const second = await watcher.play('--from', '2', '--seconds', '1', ...quick).ended();
    assert.equal(second.code, 0, watcher.out);
    assert.deepEqual((await gateway.progress(watcher.student, 'c-early')).coverage, [[0, 3000]]);
  });

  test('a certificate of another name, or of nobody, is not talked to; nothing is lost', async () => {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-certificate');
    const good = watcher.ca;
    const other = path.join(directory, 'other.pem');
    writeCertificate({ certificate: other }, 'other');
    watcher.ca = other;
    const refused = await watcher.play('--seconds', '1', '--linger', '1', ...quick).ended();
    assert.equal(refused.code, 1);
    assert.match(watcher.out, /failure 0 the gateway's certificate is not trusted/);
    assert.equal(watcher.status.buffered, 1);
    watcher.ca = good;
    const { code } = await watcher.play('--from', '1', '--seconds', '1', ...quick).ended();
    assert.equal(code, 0, watcher.out);
    assert.deepEqual((await gateway.progress(watcher.student, 'c-certificate')).coverage, [
      [0, 2000],
    ]);
  });
});

// All at once: what takes the time is to play.
describe('what a heartbeat of the C SDK weighs', { concurrency: 2 }, () => {
  let gateway;
  let directory;
  before(async () => {
    gateway = await Gateway.start({ settings: '[rate]\ndevice_per_s = 100\ndevice_burst = 200\n' });
    directory = temporaryDirectory('sdk-c');
  });
  after(async () => {
    await gateway.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  });

  async function run(beats, more) {
    const watcher = new Watcher(directory);
    await watcher.enrol(gateway, 'c-bytes');
    await watcher.play('--seconds', String(beats / 5), '--heartbeat-ms', '200', ...more).ended();
    return watcher.status;
  }
  /** Bytes on the socket of each of 100 requests: a run of 110 heartbeats less one of 10, each with its handshake. */
  async function weigh(...more) {
    for (let attempt = 0; attempt < 4; ++attempt) {
      const [few, many] = await Promise.all([run(10, more), run(110, more)]);
      // On a machine that is busy two heartbeats may share a request, which then weighs more. With a few
      // of these the figures are a little too high.
      const requests = many.requests - few.requests;
      if (many.acknowledged - few.acknowledged !== 100 || requests < 95) continue;
      return {
        up: (many.bytes_up - few.bytes_up) / requests,
        down: (many.bytes_down - few.bytes_down) / requests,
        status: many,
      };
    }
    throw new Error('the machine is too busy to send each heartbeat by itself');
  }

  const say = (t, what, { up, down }) =>
    t.diagnostic(`${what}: ${up.toFixed(0)} up, ${down.toFixed(0)} down`);

  test('signed by the device: under 600 bytes up and 200 down', async (t) => {
    const [usual, full, rare] = await Promise.all([
      weigh('--no-session-keys'),
      weigh('--no-session-keys', '--full-response-every', '1'),
      weigh('--no-session-keys', '--full-response-every', '6'),
    ]);
    say(t, 'ES256', usual);
    say(t, 'ES256, every response in full', full);
    say(t, 'ES256, one full response in six', rare);
    assert.ok(usual.up > 300 && usual.up < 600);
    assert.ok(usual.down > 100 && usual.down < 200);
    assert.ok(rare.down < usual.down && usual.down < full.down);
  });

  test('by a session key: under 480 bytes up and 200 down', async (t) => {
    if ((await gateway.client.request('GET', '/v1/keys')).status === 404)
      return t.skip('this gateway has no session keys');
    const usual = await weigh();
    say(t, 'HS256', usual);
    assert.ok(usual.status.session_signatures >= 100);
    assert.ok(usual.up > 300 && usual.up < 480);
    assert.ok(usual.down > 100 && usual.down < 200);
  });
});
