// Starts the real program on a free loopback port with a data directory of its own.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Client } from './client.mjs';
import { ownPort } from './ports.mjs';
import { root, Stores, temporaryDirectory } from './stores.mjs';
import { Hopeless, until, within } from './wait.mjs';

export const program =
  process.env.WATCHKEEPER_PROGRAM ?? path.join(root, 'build', 'release', 'watchkeeper');

export const tokens = {
  viewer: 'viewer-secret',
  admin: 'admin-secret',
  operator: 'operator-secret',
};

export const tokenTable = (name, role, secret) =>
  `\n[[token]]\nname = "${name}"\nrole = "${role}"\n` +
  `sha256 = "${crypto.createHash('sha256').update(secret).digest('hex')}"\n`;

export class Gateway {
  /**
   * `settings`: more tables of the configuration; `store`: more keys of its table [store];
   * `through`: is called with the stores before the gateway starts, and may change how it reaches them.
   */
  static async start({
    variant = 'embedded',
    settings = '',
    store = '',
    environment = {},
    through = async () => {},
  } = {}) {
    const gateway = new Gateway();
    gateway.environment = environment;
    gateway.stores = Stores.start(variant);
    gateway.directory = temporaryDirectory('gateway');
    gateway.file = path.join(gateway.directory, 'watchkeeper.toml');
    gateway.store = store;
    gateway.settings = settings;
    try {
      await through(gateway.stores);
      await gateway.launch();
    } catch (error) {
      gateway.remove();
      throw error;
    }
    return gateway;
  }

  /** Another gateway on the stores of this one, which has to outlive it. */
  async beside() {
    const other = new Gateway();
    other.environment = this.environment;
    other.stores = { variant: this.stores.variant, settings: this.stores.settings, stop() {} };
    other.directory = temporaryDirectory('gateway');
    other.file = path.join(other.directory, 'watchkeeper.toml');
    other.store = this.store;
    other.settings = this.settings;
    try {
      await other.launch();
    } catch (error) {
      other.remove();
      throw error;
    }
    return other;
  }

  writeConfiguration(extra = '') {
    const text =
      `listen = "127.0.0.1:${this.port}"\nh2c_listen = "127.0.0.1:${this.cleartextPort}"\n` +
      `data_dir = "${path.join(this.directory, 'data')}"\n` +
      `[store]\n${this.stores.settings}\n${this.store}\n${this.settings}\n` +
      Object.entries(tokens)
        .map(([role, secret]) => tokenTable(role, role, secret))
        .join('') +
      extra;
    fs.writeFileSync(this.file, text);
  }

  /** Starts the process, also again after it ended: on the same data and the same ports. */
  async launch() {
    this.port ??= await ownPort();
    this.cleartextPort ??= await ownPort();
    this.writeConfiguration();
    this.log = '';
    this.child = spawn(program, ['--config', this.file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.environment },
    });
    for (const output of [this.child.stdout, this.child.stderr])
      output.on('data', (chunk) => (this.log += chunk));
    this.ended = new Promise((resolve) =>
      this.child.once('exit', (code, signal) => resolve({ code, signal })),
    );
    this.child.once('error', (error) => (this.log += error.message));
    this.origin = `https://127.0.0.1:${this.port}`;
    this.cleartextOrigin = `http://127.0.0.1:${this.cleartextPort}`;
    try {
      await until('the gateway is ready', async () => {
        if (this.child.exitCode !== null || this.child.signalCode !== null)
          throw new Hopeless(`it ended with ${this.child.signalCode ?? this.child.exitCode}`);
        const probe = new Client(this.origin);
        try {
          return (await probe.request('GET', '/readyz', { timeoutMs: 5_000 })).status === 200;
        } finally {
          await probe.close();
        }
      });
    } catch (error) {
      this.child.kill('SIGKILL');
      throw new Error(`${error.message}\n${this.log}`);
    }
    this.client = new Client(this.origin);
  }

  get admin() {
    return (method, path, body) => this.client.request(method, path, { body, token: tokens.admin });
  }
  get viewer() {
    return (method, path) => this.client.request(method, path, { token: tokens.viewer });
  }
  get operator() {
    return (method, path) => this.client.request(method, path, { token: tokens.operator });
  }

  /** POST /v1/heartbeats with these tokens. */
  send(list, { headers = {}, client = this.client } = {}) {
    const body = Array.isArray(list) ? list.join('\n') : list;
    return client.request('POST', '/v1/heartbeats', {
      body,
      headers: { 'content-type': 'application/jose', ...headers },
    });
  }

  async putModule(id, durationMs, more = {}) {
    const response = await this.admin('PUT', `/v1/modules/${id}`, {
      title: `Module ${id}`,
      duration_ms: durationMs,
      ...more,
    });
    if (response.status >= 300) throw new Error(`PUT module: ${response.status} ${response.text}`);
  }
  async enrol(device, student) {
    const response = await this.admin('PUT', `/v1/devices/${device.kid}`, {
      student,
      jwk: device.jwk,
    });
    if (response.status >= 300) throw new Error(`PUT device: ${response.status} ${response.text}`);
  }
  async progress(student, module) {
    const response = await this.viewer('GET', `/v1/progress/${student}/${module}`);
    if (response.status !== 200)
      throw new Error(`GET progress: ${response.status} ${response.text}`);
    return response.json;
  }
  /** All completions of the outbox. */
  async completions() {
    const all = [];
    let after = '0';
    for (;;) {
      const page = (await this.viewer('GET', `/v1/completions?limit=500&after=${after}`)).json;
      all.push(...page.items);
      if (page.next === null) return all;
      after = page.next;
    }
  }

  /** {code, signal} of the process once it has ended by itself, or by a signal that it was sent. */
  hasEnded(timeoutMs = 20_000) {
    return within('the gateway ends', this.ended, timeoutMs);
  }

  /** From the return of this on the process does nothing, until `thaw` or its end. */
  async freeze() {
    const { pid } = this.child;
    this.child.kill('SIGSTOP');
    await until('the gateway stands still', () =>
      fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') T '),
    );
  }
  thaw() {
    this.child.kill('SIGCONT');
  }

  /** Ends the process with the signal and gives {code, signal}. */
  async end(signal = 'SIGTERM') {
    await this.client?.close();
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    try {
      return await within(`the gateway ends after ${signal}`, this.ended, 20_000);
    } catch (error) {
      this.child.kill('SIGKILL');
      throw new Error(`${error.message}\n${this.log}`);
    }
  }
  remove() {
    if (this.child && this.child.exitCode === null) this.child.kill('SIGKILL');
    this.stores.stop();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
  async stop() {
    try {
      return await this.end();
    } finally {
      this.remove();
    }
  }
}
