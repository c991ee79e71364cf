// Whatever a test file does, its run ends, says which file and which test it was, and leaves nothing behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { run } from './lib/command.mjs';
import { isRunning, processesOf } from './lib/processes.mjs';
import { describe, test } from './lib/test.mjs';
import { always, event, openWaits, until, within } from './lib/wait.mjs';

const here = import.meta.dirname;

/** {code, text} of a run of files of fixtures/. */
async function runFiles(...args) {
  const whole = args.map((arg) => (arg.endsWith('.mjs') ? path.join(here, 'fixtures', arg) : arg));
  const child = run(process.execPath, [path.join(here, 'lib', 'run-files.mjs'), ...whole]);
  return child.then(
    ({ stdout }) => ({ code: 0, text: stdout }),
    ({ code, message, stdout }) => ({ code, text: stdout ?? message }),
  );
}

describe('a file that hangs', { concurrency: 3 }, () => {
  test('in a wait: the test and what it waits for are named, and the file is ended', async () => {
    const { code, text } = await runFiles('--idle-limit', '2', 'hanging-test.mjs');
    assert.equal(code, 1, text);
    assert.match(
      text,
      /hanging-test\.mjs:6 'hangs': not over after 500 ms; it waits for: the response that never comes/,
    );
    assert.match(
      text,
      /not ok hanging-test\.mjs: its process does not end, though no test has run for 2 s/,
    );
    assert.match(text, /\n1 passed, 2 failed\n$/);
  });

  test('without giving the processor back: the file is ended, and the test named', async () => {
    const { code, text } = await runFiles('--file-limit', '3', 'blocking-test.mjs');
    assert.equal(code, 1, text);
    assert.match(
      text,
      /not ok blocking-test\.mjs: not over after 3 s, and ended while it ran blocking-test\.mjs:4 'blocks'/,
    );
    assert.match(text, /\n0 passed, 1 failed\n$/);
  });

  test('keeps no other from being run', async () => {
    const { code, text } = await runFiles(
      '--jobs',
      '1',
      '--file-limit',
      '2',
      'blocking-test.mjs',
      'leaving-test.mjs',
    );
    assert.equal(code, 1, text);
    assert.match(text, /leaving-test\.mjs {2}\(1 passed, 1 failed\)/);
  });
});

test('a file that leaves a process behind: it is named and ended', async () => {
  const { code, text } = await runFiles('leaving-test.mjs');
  assert.equal(code, 1, text);
  const [, pid] =
    /not ok leaving-test\.mjs: left running, and ended: (\d+) sleep 600\n/.exec(text) ??
    assert.fail(text);
  assert.ok(!isRunning(Number(pid)));
});

test('a run that is ended by a signal ends its files', async () => {
  const mark = `WATCHKEEPER_TEST_OUTER=${process.pid}`;
  const [name, value] = mark.split('=');
  const child = spawn(
    process.execPath,
    [path.join(here, 'lib', 'run-files.mjs'), path.join(here, 'fixtures', 'blocking-test.mjs')],
    { env: { ...process.env, [name]: value }, stdio: 'ignore' },
  );
  const ended = event('the run ends', child, 'exit', 30_000);
  const files = () =>
    processesOf(mark, here).filter(({ command }) => command.includes('blocking-test.mjs'));
  await until('the file runs', () => files().length === 2); // the run itself, and the file
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [143, null]);
  assert.deepEqual(files(), []);
});

describe('waits', () => {
  test('a probe that never comes back does not hang its wait', { timeout: 30_000 }, () =>
    assert.rejects(
      until('the probe', () => new Promise(() => {}), { timeoutMs: 50 }),
      /the probe: not within/,
    ),
  );

  test('a probe fails at once where something may never be so', async () => {
    let asked = 0;
    const probe = () => always(() => assert.equal(++asked, 0, 'counted twice'));
    await assert.rejects(until('the probe', probe), /the probe: counted twice/);
    assert.equal(asked, 1);
    await until('a refused connection is over', () =>
      always(() => {
        if (++asked < 4) throw new TypeError('refused');
        return true;
      }),
    );
  });

  test('are named while they last', async () => {
    let done;
    const wait = within('the signal', new Promise((resolve) => (done = resolve)));
    assert.ok(openWaits().includes('the signal'));
    done(7);
    assert.equal(await wait, 7);
    assert.ok(!openWaits().includes('the signal'));
  });
});

test('every test file takes its tests from lib/test.mjs, and none waits for an event without a limit', () => {
  const found = [];
  const look = (folder) => {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory() && entry.name !== 'node_modules') look(file);
      if (!entry.name.endsWith('.mjs') || file.startsWith(path.join(here, 'lib', 'test.mjs')))
        continue;
      const text = fs.readFileSync(file, 'utf8');
      const say = (what) => found.push(`${path.relative(here, file)}: ${what}`);
      if (/from\s+'node:test'/.test(text)) say("imports 'node:test' itself");
      if (/await\s+new Promise\(\(resolve(, reject)?\) =>\s+\w[\w.]*\.once\(/.test(text))
        say('awaits an event; event() of lib/wait.mjs has a limit');
      if (
        /\bexecFile(Sync)?\(/.test(text) &&
        !file.endsWith('lib/command.mjs') &&
        !/timeout/.test(text)
      )
        say('runs a program without a limit');
    }
  };
  for (const folder of ['.', '../attacks', '../faults']) look(path.join(here, folder));
  assert.deepEqual(found, []);
});
