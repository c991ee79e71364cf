// When the host kept this machine's cores from running at their speed, beside a figure of latency.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { root } from '../../tests/integration/lib/stores.mjs';

/** `end` gives what build/release/bench/host_bench tells, or null where this user may not run it. */
export function watchHost() {
  const child = spawn(path.join(root, 'build/release/bench/host_bench'), {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  child.stdin.on('error', () => {}); // it may have ended by itself
  const over = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  over.catch(() => {}); // told at the end
  return {
    async end() {
      child.stdin.end();
      return (await over) === 0 ? JSON.parse(text) : null;
    },
  };
}

export const describeHost = (host) =>
  host === null
    ? 'not known: this user may not have a real-time thread'
    : `${(100 * host.share).toFixed(1)} % of the time, longest ${host.longest_ms.toFixed(0)} ms`;

/**
 * From the fleet's record (`--ack-log`) how long each heartbeat took from being sent to its answer, in ms,
 * in order of length: `all`, and `undisturbed`, those that were not under way while the host had slowed a core.
 */
export function took(ackLog, host) {
  const sent = new Map();
  const all = [];
  const undisturbed = [];
  for (const line of fs.readFileSync(ackLog, 'utf8').split('\n')) {
    if (line === '') continue;
    const { event, kid, sid, sn, t_ms: at } = JSON.parse(line);
    const which = `${kid} ${sid} ${sn}`;
    if (event === 'sent') {
      sent.set(which, at);
      continue;
    }
    const from = sent.get(which);
    all.push(at - from);
    if (!overlaps(host?.disturbed ?? [], from, at + 1)) undisturbed.push(at - from);
  }
  const order = (a, b) => a - b;
  return { all: all.sort(order), undisturbed: undisturbed.sort(order) };
}

/** Whether one of the spans, which are in order and apart, has a moment within from … to. */
export function overlaps(spans, from, to) {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle][1] < from) low = middle + 1;
    else high = middle;
  }
  return low < spans.length && spans[low][0] <= to;
}

export const percentile = (ordered, share) =>
  ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * share))];
