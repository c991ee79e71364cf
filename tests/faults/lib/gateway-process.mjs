// One gateway process: starts, dies, starts again.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Client } from '../../integration/lib/client.mjs';
import { program, tokens, tokenTable } from '../../integration/lib/gateway.mjs';
import { Hopeless, until, within } from '../../integration/lib/wait.mjs';

const faketimeLibrary = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

export class GatewayProcess {
  /** `urls`: {hot, ledger}. `clock`: a file that steps the gateway's clock, or nothing. */
  constructor(name, directory, urls, { checkpointIntervalS, settings = '', clock = null }) {
    Object.assign(this, {
      name,
      directory,
      urls,
      checkpointIntervalS,
      settings,
      clock,
      log: '',
      starts: 0,
    });
    fs.mkdirSync(directory, { recursive: true });
    this.file = path.join(directory, 'watchkeeper.toml');
    this.writeConfiguration();
  }

  writeConfiguration(extra = '') {
    fs.writeFileSync(
      this.file,
      `listen = "127.0.0.1:0"\ndata_dir = "${path.join(this.directory, 'data')}"\n` +
        `[store]\nhot = "${this.urls.hot}"\nledger = "${this.urls.ledger}"\n` +
        `checkpoint_interval_s = ${this.checkpointIntervalS}\n${this.settings}` +
        Object.entries(tokens)
          .map(([role, secret]) => tokenTable(role, role, secret))
          .join('') +
        extra,
    );
  }

  get isUp() {
    return (
      this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null
    );
  }

  /** Starts the process; resolves when it listens. */
  async start() {
    const environment = { ...process.env };
    if (this.clock)
      Object.assign(environment, {
        LD_PRELOAD: faketimeLibrary,
        FAKETIME_TIMESTAMP_FILE: this.clock,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
        FAKETIME_DONT_RESET: '1',
      });
    this.said = '';
    ++this.starts;
    this.child = spawn(program, ['--config', this.file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment,
    });
    for (const output of [this.child.stdout, this.child.stderr])
      output.on('data', (piece) => {
        this.said += piece;
        this.log += piece;
        if (this.log.length > 4_000_000) this.log = this.log.slice(-2_000_000);
      });
    this.ended = new Promise((resolve) =>
      this.child.once('exit', (code, signal) => resolve({ code, signal })),
    );
    this.port = await until(
      `${this.name} listens`,
      () => {
        if (!this.isUp) throw new Hopeless(`it has ended: ${this.said.slice(-2000)}`);
        return portOf(this.said);
      },
      { timeoutMs: 30_000, everyMs: 10 },
    );
    this.client = new Client(`https://127.0.0.1:${this.port}`);
  }

  /** The signal; resolves with {code, signal} once the process has ended. */
  async end(signal = 'SIGTERM', timeoutMs = 20_000) {
    if (this.isUp) this.child.kill(signal);
    try {
      return await within(`${this.name} ends after ${signal}`, this.ended, timeoutMs);
    } finally {
      if (this.isUp) this.child.kill('SIGKILL');
      await this.client?.close();
    }
  }

  async readiness() {
    const response = await this.client.request('GET', '/readyz', { timeoutMs: 5000 });
    return { status: response.status, ...response.json };
  }
  request(method, where, { role = 'viewer', body, timeoutMs = 10_000 } = {}) {
    return this.client.request(method, where, { token: tokens[role], body, timeoutMs });
  }
  async progress(pair) {
    const response = await this.request('GET', `/v1/progress/${pair}`);
    if (response.status === 404) return null;
    if (response.status !== 200)
      throw new Error(`GET progress: ${response.status} ${response.text}`);
    const { coverage, seconds_watched: secondsWatched, state } = response.json;
    return { coverage, seconds: secondsWatched, mastered: state === 'MASTERED' };
  }
  async completions() {
    const found = [];
    for (let after = '0'; after !== null; ) {
      const page = (await this.request('GET', `/v1/completions?limit=500&after=${after}`)).json;
      for (const { data } of page.items)
        found.push({
          student: data.student,
          module: data.module,
          reader: `outbox of ${this.name}`,
        });
      after = page.next;
    }
    return found;
  }
}

/** The port, once its log says that it is ready. */
function portOf(text) {
  const found = /"message":"ready","tls_port":(\d+)/.exec(text);
  return found && Number(found[1]);
}
