// What every attack is measured by: the attacker is stopped, memory stays, and a client beside it
// is served all the while.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Client } from '../integration/lib/client.mjs';
import { runSync } from '../integration/lib/command.mjs';
import { RawHttp2 } from '../integration/lib/raw-http2.mjs';
import { until } from '../integration/lib/wait.mjs';

const mib = 1024 * 1024;

export const residentBytes = (pid) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
/** Soft limit of open descriptors of a process that runs. */
export const limitDescriptors = (pid, count) =>
  runSync('prlimit', [`--pid=${pid}`, `--nofile=${count}:`]);
export const openDescriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

export const statistics = async (gateway) => (await gateway.operator('GET', '/v1/stats')).json;

/** Asks one thing after the other over a connection of its own, until `stop`. */
export class Bystander {
  served = 0;
  failed = [];
  #stopped = false;
  constructor(gateway, { fresh = false } = {}) {
    this.#running = this.#run(gateway, fresh);
  }
  #running;
  async #run(gateway, fresh) {
    let client = new Client(gateway.origin);
    while (!this.#stopped) {
      try {
        const response = await client.request('GET', '/healthz');
        if (response.status === 200) ++this.served;
        else this.failed.push(response.status);
      } catch (error) {
        this.failed.push(error.message);
        client = new Client(gateway.origin);
      }
      if (fresh) {
        // a handshake each time
        await client.close();
        client = new Client(gateway.origin);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.close();
  }
  /** It is served more often than it was. */
  async servedAgain() {
    const from = this.served;
    await until('a client beside the attack is served', () => this.served > from + 2);
  }
  async stop() {
    this.#stopped = true;
    await this.#running;
  }
}

/** Runs `attack(beside)`, and holds the gateway to what is promised beside any attack. */
export async function beside(gateway, attack, { growthBytes = 24 * mib, fresh = false } = {}) {
  const before = residentBytes(gateway.child.pid);
  const bystander = new Bystander(gateway, { fresh });
  try {
    await bystander.servedAgain();
    await attack(bystander);
    await bystander.servedAgain();
    const grown = residentBytes(gateway.child.pid) - before;
    assert.ok(grown < growthBytes, `grew by ${(grown / mib).toFixed(1)} MiB`);
    assert.deepEqual(bystander.failed, []);
  } finally {
    await bystander.stop();
  }
}

/**
 * Sends what `once(client, i)` gives, again and again, as fast as the server takes it, until the
 * server ends the connection. Fails when it has taken `atMost` of them.
 */
export async function flood(
  gateway,
  once,
  { atMost, secure = true, greet = true, reads = true, localAddress } = {},
) {
  const client = await RawHttp2.connect({
    port: secure ? gateway.port : gateway.cleartextPort,
    secure,
    paused: !reads,
    localAddress,
  });
  try {
    if (greet) client.greet();
    let sent = 0;
    while (!client.closed && !client.socket.destroyed) {
      if (sent >= atMost) {
        await client.drained();
        await until('the server to end the connection', () => client.closed);
        break;
      }
      for (let i = 0; i < 50 && sent < atMost; ++i) once(client, sent++);
      await client.drained();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.ended();
    return { goaway: client.goaway, sent, client };
  } finally {
    client.socket.destroy();
  }
}
