// A Redis and a PostgreSQL of their own, and what can befall them.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { run } from '../../integration/lib/command.mjs';
import { root } from '../../integration/lib/stores.mjs';
import { until, within } from '../../integration/lib/wait.mjs';
import { hexOf, hotPairOf } from './hot-pair.mjs';

const script = (name) => path.join(root, 'scripts', name);

// Never the synchronous calls: the proxies live in this process.
async function start(name, folder, environment = {}) {
  fs.mkdirSync(folder, { recursive: true });
  await run(script(name), ['start', folder], { env: { ...process.env, ...environment } });
}

/** A process that has ended but was not waited for counts too: its number is still taken. */
function exists(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
const gone = (pid) => until(`process ${pid} ends`, () => !exists(pid), { timeoutMs: 20_000 });

export class RedisServer {
  /** `folder` may be emptied by `restartEmpty`. */
  static async start(folder) {
    const redis = new RedisServer();
    redis.folder = folder;
    redis.target = { path: path.join(folder, 'redis.sock') };
    await redis.start();
    return redis;
  }
  async start() {
    await start('private-redis', this.folder);
    this.pid = Number(fs.readFileSync(path.join(this.folder, 'redis.pid'), 'utf8'));
  }
  /** One command; its reply as text. An error reply throws. */
  async command(...words) {
    const { stdout } = await run('redis-cli', ['-e', '-s', this.target.path, ...words.map(String)]);
    return stdout.trimEnd();
  }
  /** Many commands in one connection; one line a reply. */
  async pipeline(lines) {
    const child = execFile('redis-cli', ['-e', '-s', this.target.path], { maxBuffer: 2 ** 28 });
    const ended = new Promise((resolve, reject) => {
      let text = '';
      child.stdout.on('data', (piece) => (text += piece));
      child.on('close', (code) =>
        code === 0 ? resolve(text) : reject(new Error(`redis-cli: ${code}: ${text.slice(-300)}`)),
      );
    });
    child.stdin.end(lines.map((line) => `${line}\n`).join(''));
    return (await within('redis-cli ends', ended, 60_000)).split('\n').slice(0, -1);
  }

  async kill() {
    process.kill(this.pid, 'SIGKILL');
    await gone(this.pid);
  }
  pause() {
    process.kill(this.pid, 'SIGSTOP');
  }
  resume() {
    if (exists(this.pid)) process.kill(this.pid, 'SIGCONT');
  }
  /** As on a new machine: all its content is gone. Precondition: killed. */
  async startEmpty() {
    for (const entry of fs.readdirSync(this.folder))
      fs.rmSync(path.join(this.folder, entry), { recursive: true });
    await this.start();
  }
  async stop() {
    this.resume();
    await run(script('private-redis'), ['stop', this.folder]);
  }

  /** Every pair's progress: "student/module" → {coverage, covered_ms, mastered}. */
  async progress() {
    const keys = (await this.pipeline(['KEYS wk:*:progress:*'])).filter((key) => key !== '');
    const states = new Map();
    const values = await this.pipeline(keys.map(hexOf));
    if (values.length !== keys.length)
      throw new Error(`Redis: ${keys.length} pairs, ${values.length} replies`);
    keys.forEach((key, i) => {
      states.set(key.slice(key.indexOf(':progress:') + 10), hotPairOf(values[i]));
    });
    return states;
  }
  /** How many pairs wait for the ledger. */
  async dirtyPairs() {
    const keys = (await this.pipeline(['KEYS wk:*:dirty'])).filter((key) => key !== '');
    if (keys.length === 0) return 0;
    return (await this.pipeline(keys.map((key) => `SCARD ${key}`))).reduce(
      (sum, line) => sum + Number(line),
      0,
    );
  }
}

export class PostgresServer {
  static async start(folder, flags = '') {
    const postgres = new PostgresServer();
    postgres.folder = folder;
    postgres.flags = flags;
    postgres.target = { path: path.join(folder, '.s.PGSQL.5432') };
    await postgres.start();
    return postgres;
  }
  async start() {
    await start('private-postgres', this.folder, { WATCHKEEPER_POSTGRES_FLAGS: this.flags });
    this.pid = Number(
      fs.readFileSync(path.join(this.folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0],
    );
    await this.query('SELECT 1', 'postgres'); // it does not only say that it runs
  }
  /** The rows of a statement, as text. */
  async query(sql, database = 'watchkeeper') {
    const { stdout } = await run(
      'psql',
      [
        '-h',
        this.folder,
        '-U',
        'watchkeeper',
        '-d',
        database,
        '-XAtq',
        '-v',
        'ON_ERROR_STOP=1',
        '-c',
        sql,
      ],
      { maxBuffer: 2 ** 28 },
    );
    return stdout.trimEnd();
  }
  processes() {
    const children = fs.readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').trim();
    return [this.pid, ...(children ? children.split(' ').map(Number) : [])];
  }
  /** The postmaster first, so that it cannot restart anything; its children see that and end. */
  async kill() {
    const all = this.processes();
    process.kill(this.pid, 'SIGKILL');
    for (const pid of all.slice(1)) if (exists(pid)) process.kill(pid, 'SIGKILL');
    for (const pid of all) await gone(pid);
  }
  pause() {
    this.paused = this.processes();
    for (const pid of this.paused) if (exists(pid)) process.kill(pid, 'SIGSTOP');
  }
  resume() {
    for (const pid of this.paused?.splice(0) ?? []) if (exists(pid)) process.kill(pid, 'SIGCONT');
  }
  async stop() {
    this.resume();
    await run(script('private-postgres'), ['stop', this.folder]);
  }

  async json(sql, database) {
    return JSON.parse(
      await this.query(`SELECT coalesce(json_agg(r), '[]') FROM (${sql}) r`, database),
    );
  }
  async progress(database) {
    const states = new Map();
    for (const row of await this.json(
      'SELECT student_id, module_id, coverage::text, mastered_ms FROM progress',
      database,
    ))
      states.set(`${row.student_id}/${row.module_id}`, {
        coverage: [...row.coverage.matchAll(/\[(\d+),(\d+)\)/g)].map(([, from, to]) => [
          Number(from),
          Number(to),
        ]),
        mastered: Number(row.mastered_ms) !== 0,
      });
    return states;
  }
  async completions(database) {
    const rows = await this.json('SELECT student_id, module_id FROM completion', database);
    return rows.map((row) => ({
      student: row.student_id,
      module: row.module_id,
      reader: 'table of completions',
    }));
  }
}
