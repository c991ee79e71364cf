import crypto from 'node:crypto';
import net from 'node:net';
import { floods } from '../../tests/attacks/flood-list.mjs';
import { flood } from '../../tests/attacks/lib.mjs';
import { Client } from '../../tests/integration/lib/client.mjs';
import { b64 } from '../../tests/integration/lib/device.mjs';
import { Scene } from '../../tests/integration/lib/scene.mjs';
import { describeHost, percentile, took, watchHost } from '../lib/host.mjs';
import {
  fleet,
  kib,
  ms,
  pause,
  residentBytes,
  row,
  stats,
  times,
  withGateway,
} from '../lib/measure.mjs';

export const title =
  'A fleet beside attackers: 200 heartbeats a second, while somebody attacks all the time';

const devices = 2000;
const seconds = 30;

/**
 * Attacks from `count` addresses, a connection each, made anew when the gateway has ended or refused it, until `run`
 * is over.
 */
async function again(run, count, attack) {
  let ended = 0;
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      for (let k = i; !run.over; k++) {
        await attack(k, `127.0.66.${(i % 250) + 2}`).catch(() => {});
        ++ended;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }),
  );
  return `${ended} connections ended`;
}

const attacks = {
  nobody: (run) => run.summary.then(() => ''),
  // What an attacker on this machine takes from everybody, whatever the gateway does: the cores.
  "a process that only computes, on the attackers' cores": async (run) => {
    while (!run.over) {
      const until = Date.now() + 50;
      while (Date.now() < until);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return '';
  },
  'floods of frames, every kind by turns, 4 at a time': (run, gateway) =>
    again(run, 4, (k, localAddress) => {
      const [, once, atMost] = floods[k % floods.length];
      return flood(gateway, once, { atMost, localAddress });
    }),
  'rapid reset, 16 at a time': (run, gateway) =>
    again(run, 16, (_, localAddress) =>
      flood(gateway, floods[0][1], { atMost: 1000, localAddress }),
    ),
  '2,000 half-open TLS handshakes at a time': (run, gateway) =>
    again(
      run,
      2000,
      () =>
        new Promise((resolve) => {
          const socket = net.connect({ port: gateway.port, host: '127.0.0.1' });
          socket.on('error', resolve).on('close', resolve).resume();
          socket.on('connect', () => socket.write(Buffer.from('16030100', 'hex')));
          run.summary.finally(() => socket.destroy());
        }),
    ),
  'forged signatures, 64 requests of 16 at a time': async (run, gateway) => {
    const scene = await Scene.make(gateway);
    const token = await scene.token(0, 1000);
    const body = () =>
      Array.from(
        { length: 16 },
        () => `${token.slice(0, token.lastIndexOf('.'))}.${b64(crypto.randomBytes(64))}`,
      );
    let sent = 0;
    const client = new Client(gateway.origin, { localAddress: '127.0.66.1' });
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        for (; !run.over; sent += 16) await gateway.send(body(), { client });
      }),
    );
    await client.close();
    return `${sent} tokens`;
  },
};

export async function measure() {
  return withGateway('', async (gateway) => {
    const keys = `${gateway.directory}/keys`;
    const common = ['--devices', devices, '--connections', 64, '--keys-file', keys];
    await fleet(gateway, [...common, '--duration', 1, '--interval', 60, '--module', 'warm'])
      .summary;
    const rows = [];
    let alone;
    for (const [name, attack] of Object.entries(attacks)) {
      const watch = watchHost();
      const record = `${gateway.directory}/record-${rows.length}`;
      const run = fleet(gateway, [
        ...common,
        '--duration',
        seconds,
        '--module',
        `beside-${rows.length}`,
        '--ack-log',
        record,
      ]);
      const told = await attack(run, gateway);
      const summary = await run.summary;
      const host = await watch.end();
      const { p50, p99: dueP99 } = summary.latency_us;
      // What the host did to a run no attacker is to blame for.
      const { undisturbed } = took(record, host);
      const p99 = percentile(undisturbed, 0.99) * 1000;
      const refused = summary.generated - summary.credited - summary.accepted - summary.duplicate;
      // The second of them takes the cores as the attackers do.
      if (rows.length <= 1) alone = p99;
      rows.push(
        row(
          `beside ${name}`,
          `p50 ${ms(p50)}, p99 ${ms(dueP99)}, of the ${undisturbed.length} undisturbed ${ms(p99)}${rows.length > 1 ? ` = ${times(p99 / alone)}` : ''}, ${refused} refused` +
            (told ? `; ${told}` : '') +
            `; the host kept a core slow ${describeHost(host)}`,
          ...(rows.length > 1 ? ['≤ 3 ×', p99 <= 3 * alone && refused === 0] : []),
        ),
      );
      await pause(1000);
    }
    rows.push(
      row('resident at the end', kib(residentBytes(gateway.child.pid))),
      row('connections punished', `${(await stats(gateway)).connections.punished}`),
    );
    return rows;
  });
}
