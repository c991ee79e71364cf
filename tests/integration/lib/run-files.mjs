// Runs test files, each in a process of its own with a time limit, and ends what they leave behind.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { kill, processesOf } from './processes.mjs';

const usage = `usage: node tests/integration/lib/run-files.mjs [options] file ...

  --jobs N          so many files at a time (default 2)
  --repeat N        each file N times (default 1)
  --pattern TEXT    only tests whose name matches this regular expression
  --file-limit S    a file that is not over after S seconds is ended and named (default 1200)
  --idle-limit S    the same when no test of it has run for S seconds (default 60)

Prints what each file says once it is over, a line for each file, and "N passed, M failed" in the end.
Exit codes: 0 all passed, 1 something failed, 2 wrong usage.`;

function fail(text) {
  console.error(`run-files: ${text}\n\n${usage}`);
  process.exit(2);
}
const { values, positionals: files } = (() => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        jobs: { type: 'string', default: '2' },
        repeat: { type: 'string', default: '1' },
        pattern: { type: 'string' },
        'file-limit': { type: 'string', default: '1200' },
        'idle-limit': { type: 'string', default: '60' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    return fail(error.message);
  }
})();
const number = (name) =>
  /^[1-9]\d{0,5}$/.test(values[name])
    ? Number(values[name])
    : fail(`--${name} takes a number from 1 on, not '${values[name]}'`);
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const [jobs, repeat, fileLimitS, idleLimitS] = ['jobs', 'repeat', 'file-limit', 'idle-limit'].map(
  number,
);
if (files.length === 0) fail('name at least one test file');
for (const file of files) if (!fs.existsSync(file)) fail(`there is no file ${file}`);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One run of one file. */
class FileRun {
  constructor(file, showsAtOnce) {
    this.file = file;
    this.showsAtOnce = showsAtOnce;
    this.said = '';
    this.mark = `WATCHKEEPER_TEST_RUN=${crypto.randomUUID()}`;
    // All that the file writes; the database's own user has to come through.
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wk-test-'));
    fs.chmodSync(this.folder, 0o711);
    this.progress = path.join(this.folder, 'progress.jsonl');
  }

  start() {
    const [name, value] = this.mark.split('=');
    this.begun = Date.now();
    this.child = spawn(
      process.execPath,
      [
        '--test-reporter=spec',
        '--test-reporter-destination=stdout',
        ...(values.pattern ? [`--test-name-pattern=${values.pattern}`] : []),
        this.file,
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true, // a process group of its own
        env: {
          ...process.env,
          TMPDIR: this.folder,
          WATCHKEEPER_TEST_PROGRESS: this.progress,
          [name]: value,
        },
      },
    );
    for (const output of [this.child.stdout, this.child.stderr])
      output.on('data', (piece) => {
        this.said += piece;
        if (this.showsAtOnce) process.stdout.write(piece);
      });
    this.closed = new Promise((resolve) => this.child.once('close', resolve));
    this.child.once('error', (error) => (this.said += `${error.message}\n`));
  }
  get isOver() {
    return (
      this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined
    );
  }

  /** {passed, errors, running: names, waits, lastMs: when a test began or ended last}. */
  look() {
    const seen = { passed: 0, errors: [], running: new Set(), waits: [], lastMs: this.begun };
    let text = '';
    try {
      text = fs.readFileSync(this.progress, 'utf8');
      seen.lastMs = fs.statSync(this.progress).mtimeMs;
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
    for (const line of text.split('\n').slice(0, -1)) {
      const { begin, end, kind, error, waits } = JSON.parse(line);
      if (begin) seen.running.add(begin);
      if (end) {
        seen.running.delete(end);
        if (error !== undefined)
          seen.errors.push(error.startsWith(end) ? error : `${end}: ${error}`);
        else if (kind === 'test') ++seen.passed;
      }
      if (waits) seen.waits = waits;
    }
    return seen;
  }

  /** Why the file must be ended now, or nothing. */
  overdue() {
    const now = Date.now();
    if (now - this.begun > fileLimitS * 1000) return `not over after ${fileLimitS} s`;
    const { running, lastMs } = this.look();
    if (running.size === 0 && now - lastMs > idleLimitS * 1000)
      return `its process does not end, though no test has run for ${idleLimitS} s`;
    return undefined;
  }

  /** Runs the file to its end, whatever it takes; gives {passed, faults}. */
  async run() {
    const faults = [];
    this.start();
    for (let turn = 0; !this.isOver && !stopping; ++turn) {
      await Promise.race([this.closed, pause(200)]);
      const why = turn % 5 === 4 && this.overdue();
      if (!why || this.isOver) continue;
      kill(this.child.pid, 'SIGUSR2'); // it writes down what it waits for, if it still can
      await Promise.race([this.closed, pause(1000)]);
      const { running, waits } = this.look();
      faults.push(
        [
          `${why}, and ended`,
          ...(running.size > 0 ? [`while it ran ${[...running].join(', ')}`] : []),
          ...(waits.length > 0 ? [`which waits for: ${waits.join('; ')}`] : []),
        ].join(' '),
      );
      break;
    }
    if (!this.isOver) this.killGroup();
    await Promise.race([this.closed, pause(5000)]);
    const left = await this.sweep();
    if (left.length > 0 && faults.length === 0 && !stopping)
      faults.push(
        `left running, and ended: ${left.map(({ pid, command }) => `${pid} ${command.slice(0, 120)}`).join('; ')}`,
      );
    const { passed, errors } = this.look();
    faults.unshift(...errors);
    const { exitCode, signalCode } = this.child;
    if (faults.length === 0 && exitCode !== 0)
      faults.push(`ended with ${exitCode === null ? signalCode : `exit code ${exitCode}`}`);
    fs.rmSync(this.folder, { recursive: true, force: true });
    return { passed, faults };
  }

  killGroup() {
    try {
      process.kill(-this.child.pid, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
  /** Ends what the file has left running; what ends by itself within some seconds is not counted. */
  async sweep() {
    const find = () => processesOf(this.mark, this.folder);
    const wait = async (ms) => {
      const end = Date.now() + ms;
      while (find().length > 0 && Date.now() < end) await pause(100);
    };
    await wait(5000);
    const left = find();
    for (const [signal, patienceMs] of [
      ['SIGTERM', 5000],
      ['SIGKILL', 5000],
    ]) {
      for (const { pid } of find()) {
        kill(pid, signal);
        kill(pid, 'SIGCONT');
      }
      await wait(patienceMs);
    }
    return left;
  }
}

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    stopping = true;
    process.exitCode = signal === 'SIGINT' ? 130 : 143;
  });

const queue = Array.from({ length: repeat }, (_, i) =>
  files.map((file) => ({ file, turn: i + 1 })),
).flat();
const totals = { passed: 0, failed: 0 };
async function work() {
  for (let next = queue.shift(); next && !stopping; next = queue.shift()) {
    const { file, turn } = next;
    const begun = Date.now();
    const run = new FileRun(file, files.length === 1 && repeat === 1);
    const { passed, faults } = await run.run();
    const failed = faults.length;
    totals.passed += passed;
    totals.failed += failed;
    // Of many repetitions only what went wrong is of interest.
    if (!run.showsAtOnce && (repeat === 1 || failed > 0)) process.stdout.write(run.said);
    const seconds = ((Date.now() - begun) / 1000).toFixed(1).padStart(6);
    console.log(
      `${failed > 0 ? 'FAIL' : 'ok  '} ${seconds} s  ${path.relative(process.cwd(), file)}` +
        `${repeat > 1 ? `, turn ${turn}` : ''}  (${passed} passed, ${failed} failed)`,
    );
    for (const fault of faults)
      console.log(`     not ok ${path.basename(file)}: ${fault.split('\n')[0].slice(0, 500)}`);
  }
}
await Promise.all(Array.from({ length: Math.min(jobs, queue.length) }, work));
console.log(`${totals.passed} passed, ${totals.failed} failed${stopping ? '; ended early' : ''}`);
if (!stopping) process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0;
