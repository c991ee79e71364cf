// The C SDK and a real gateway that is killed and started again: heartbeats of ten seconds, outages of
// forty seconds and of three minutes. Both keep a clock that the test moves on, so it takes seconds.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { runSync } from './lib/command.mjs';
import { Gateway, program } from './lib/gateway.mjs';
import { lengthOf } from './lib/scene.mjs';
import { temporaryDirectory } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { event, within } from './lib/wait.mjs';

const build = path.dirname(program);
const here = import.meta.dirname;
let directory;
let clock;
let made = 0;

before(() => {
  directory = temporaryDirectory('sdk-outage');
  clock = path.join(directory, 'clock');
  fs.writeFileSync(clock, Buffer.alloc(8));
  const libraries = path.join(build, 'sdk', 'c');
  const compile = (...more) =>
    runSync('cc', ['-std=c11', '-O1', '-Wall', '-Wextra', '-Werror', ...more]);
  compile(
    path.join(here, 'lib/device.c'),
    '-I',
    path.join(here, '../../sdk/c/include'),
    '-o',
    path.join(directory, 'device'),
    '-L',
    libraries,
    '-lwatchkeeper_client',
    `-Wl,-rpath,${libraries}`,
  );
  compile(
    '-shared',
    '-fPIC',
    path.join(here, 'lib/later.c'),
    '-o',
    path.join(directory, 'later.so'),
  );
});
after(() => fs.rmSync(directory, { recursive: true, force: true }));

/** A device that plays by command. */
class Device {
  static async start(gateway, module, durationMs = 900_000) {
    const device = new Device();
    device.module = module;
    device.student = `o-${process.pid}-${++made}`;
    const file = (name) => path.join(directory, `${device.student}.${name}`);
    const watch = path.join(build, 'sdk', 'examples', 'watch');
    const identity = JSON.parse(
      runSync(watch, ['--identity', '--key', file('pem')], { encoding: 'utf8' }),
    );
    await gateway.putModule(module, durationMs);
    await gateway.enrol(identity, device.student);
    device.child = spawn(
      path.join(directory, 'device'),
      [
        `https://localhost:${gateway.port}`,
        path.join(gateway.directory, 'data', 'tls-certificate.pem'),
        file('pem'),
        file('buffer'),
        device.student,
        module,
        clock,
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    device.out = '';
    device.lines = readline.createInterface({ input: device.child.stdout });
    device.waiting = [];
    device.lines.on('line', (line) => {
      device.out += `${line}\n`;
      if (line.startsWith('status ')) device.waiting.shift()?.(line);
    });
    return device;
  }
  async #command(line) {
    const answered = new Promise((resolve) => this.waiting.push(resolve));
    this.child.stdin.write(`${line}\n`);
    const status = await within(line, answered, 60_000);
    return Object.fromEntries(
      status
        .slice(7)
        .split(' ')
        .map((pair) => pair.split('='))
        .map(([k, v]) => [k, Number(v)]),
    );
  }
  play(seconds) {
    return this.#command(`play ${seconds}`);
  }
  rest(seconds) {
    return this.#command(`rest ${seconds}`);
  }
  /** What on_drop said: [from, to] of each, and how many it said they were. */
  get dropped() {
    const each = [...this.out.matchAll(/^drop (\d+) (\d+) (\d)/gm)].map(([, ...numbers]) =>
      numbers.map(Number),
    );
    const total = [...this.out.matchAll(/^dropped (\d+)/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
    return { each, total };
  }
  stop() {
    if (this.child.exitCode !== null) return undefined;
    const ended = event('the device ends', this.child, 'exit');
    this.child.stdin.end();
    return ended;
  }
}

describe('the C SDK through outages of full length', { concurrency: 1 }, () => {
  let gateway;
  let device;
  before(async () => {
    gateway = await Gateway.start({
      environment: { LD_PRELOAD: path.join(directory, 'later.so'), WATCHKEEPER_TEST_CLOCK: clock },
    });
  });
  after(() => gateway.stop());

  async function outage(module, seconds) {
    device = await Device.start(gateway, module);
    const first = await device.play(35);
    assert.equal(first.buffered, 0, device.out);
    const start = (await gateway.progress(device.student, module)).coverage;
    assert.deepEqual(start, [[0, 35_000]], 'with the pause the rest was reported');
    await gateway.end('SIGKILL');
    const down = await device.play(seconds);
    await gateway.launch();
    await device.play(90);
    const status = await device.rest(180);
    const { coverage } = await gateway.progress(device.student, module);
    await device.stop();
    assert.match(device.out, /failure 0/, 'that it was away was noticed');
    assert.equal(status.buffered, 0, device.out);
    assert.equal(status.dropped, device.dropped.total);
    assert.equal(device.dropped.total, device.dropped.each.length);
    return { down, status, coverage, playedMs: (35 + seconds + 90) * 1000 };
  }

  test('forty seconds: nothing is lost', { timeout: 120_000 }, async (t) => {
    const { down, status, coverage, playedMs } = await outage('o-forty', 40);
    assert.ok(down.buffered >= 4 && down.buffered <= 5, device.out);
    assert.equal(status.dropped, 0, device.out);
    assert.deepEqual(coverage, [[0, playedMs]], device.out);
    t.diagnostic(`40 s: ${status.made} heartbeats in ${status.requests} requests, none dropped`);
  });

  test('three minutes: the oldest beyond five go, are named, and nothing else is lost', {
    timeout: 120_000,
  }, async (t) => {
    const { down, status, coverage, playedMs } = await outage('o-three-minutes', 180);
    assert.equal(down.buffered, 5);
    const { each, total } = device.dropped;
    assert.ok(total >= 1, device.out);
    assert.ok(
      each.every(([, , reason]) => reason === 0),
      device.out,
    );
    // Exactly what was named is missing, and it is the oldest: one hole, where the outage began.
    const lost = each.map(([from, to]) => [from, to]).sort(([a], [b]) => a - b);
    assert.equal(lost[0][0], 35_000, device.out);
    for (const [i, [from]] of lost.slice(1).entries()) assert.equal(from, lost[i][1]);
    assert.deepEqual(
      coverage,
      [
        [0, 35_000],
        [lost.at(-1)[1], playedMs],
      ],
      device.out,
    );
    // Five that were joined up to 30 s stay; the next try may be a minute after the end of the outage.
    assert.ok(lengthOf(lost) <= 180_000 + 60_000 - 130_000, device.out);
    t.diagnostic(
      `180 s: ${total} dropped, ${lengthOf(lost) / 1000} s of ${playedMs / 1000} s played; ` +
        `${status.limited} were over the budget at first and came later`,
    );
  });
});
