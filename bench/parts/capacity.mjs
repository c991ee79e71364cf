import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { root } from '../../tests/integration/lib/stores.mjs';
import { row, times, us } from '../lib/measure.mjs';

export const title = 'A full gateway, every heartbeat signed by the device';

/** Runs scripts/capacity, by another command if one is given, and reads its figures. */
export function capacity(more, by = []) {
  const [program, ...words] = [...by, path.join(root, 'scripts/capacity'), ...more.map(String)];
  const text = execFileSync(program, words, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const figure = (name) => {
    const found = new RegExp(`^${name} +([0-9.]+)`, 'm').exec(text);
    if (!found) throw new Error(`scripts/capacity printed no '${name}':\n${text}`);
    return Number(found[1]);
  };
  return {
    perSecond: figure('heartbeats a second'),
    p50: figure('latency p50'),
    p99: figure('latency p99'),
    gateway: figure('gateway CPU a heartbeat'),
    redis: figure('Redis CPU a heartbeat'),
    verification: figure('one bare ES256 verification'),
    ratio: figure('gateway CPU / verification'),
  };
}

export function rowsOf(found, ratioGoal) {
  return [
    row('gateway CPU a heartbeat', us(found.gateway)),
    row('one bare ES256 verification by OpenSSL, same minute', us(found.verification)),
    row('ratio', times(found.ratio), `≤ ${ratioGoal} ×`, found.ratio <= ratioGoal),
    row('Redis CPU a heartbeat', us(found.redis), '≤ 8 µs', found.redis <= 8),
    row('heartbeats a second, load on the same machine', found.perSecond.toFixed(0)),
    row('p50, p99 with 256 in flight', `${found.p50} ms, ${found.p99} ms`),
  ];
}

export async function measure({ devices }) {
  return rowsOf(capacity(['--devices', devices, '--bodies']), 1.15);
}
