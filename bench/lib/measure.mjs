// What the parts of the benchmark share: a gateway with its stores, load from the fleet, and the
// kernel's own figures of a process.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Gateway, program, tokens } from '../../tests/integration/lib/gateway.mjs';
import { root } from '../../tests/integration/lib/stores.mjs';

export { Gateway, tokens };

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU time a process has used, user and system, in µs. */
export function cpuMicroseconds(pid) {
  // The name, in parentheses, may hold spaces.
  const fields = fs
    .readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6;
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

/** One bare OpenSSL verification of ES256, mean of half a second, in µs. */
export function verificationMicroseconds() {
  return Number(
    execFileSync(path.join(root, 'build/release/bench/verify_bench'), ['--es256'], {
      encoding: 'utf8',
    }),
  );
}

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** A gateway on a private Redis and PostgreSQL. */
export function startGateway(settings = '') {
  return Gateway.start({ variant: 'servers', settings: `[log]\nlevel = "warning"\n${settings}` });
}

export const stats = async (gateway) => (await gateway.operator('GET', '/v1/stats')).json;

/** Runs simulated devices against the gateway and gives {summary, ended}: `summary` once they are through. */
export function fleet(gateway, more) {
  const child = spawn(
    program,
    [
      'fleet',
      '--url',
      gateway.origin,
      '--insecure',
      '--admin-token',
      tokens.admin,
      '--json',
      '--quiet',
      ...more.map(String),
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let text = '';
  let complaint = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  child.stderr.on('data', (chunk) => (complaint += chunk));
  // Of --warm-up: whether the first heartbeat of every device was answered.
  const run = {
    child,
    over: false,
    get warm() {
      return /^warm$/m.test(complaint);
    },
  };
  run.summary = new Promise((resolve, reject) => {
    child.once('exit', (code) => {
      run.over = true;
      try {
        resolve(JSON.parse(text));
      } catch {
        reject(new Error(`the fleet ended with ${code}: ${complaint || text}`));
      }
    });
  });
  run.summary.catch(() => {}); // whoever waits for it later is told
  return run;
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks every 200 ms while `run` goes on, and gives all that it heard. */
export async function sample(run, probe) {
  const heard = [];
  while (!run.over) {
    heard.push(probe());
    await pause(200);
  }
  return heard;
}

/** Runs `body` with a gateway that is stopped afterwards. */
export async function withGateway(settings, body) {
  const gateway = await startGateway(settings);
  try {
    return await body(gateway);
  } finally {
    await gateway.stop();
  }
}

export const ms = (microseconds) => `${(microseconds / 1000).toFixed(1)} ms`;
export const us = (microseconds) => `${microseconds.toFixed(1)} µs`;
export const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
export const times = (ratio) => `${ratio.toFixed(2)} ×`;
/** A row of the table: name, figure, goal, and whether it was reached. */
export const row = (name, figure, goal = '', reached = undefined) => ({
  name,
  figure,
  goal,
  reached,
});

/** That every heartbeat was accepted; a run where some were not says nothing about cost. */
export function allAccepted(summary) {
  const { credited, accepted, duplicate } = summary;
  const good = credited + accepted + duplicate;
  return row(
    'heartbeats accepted',
    `${good} of ${summary.generated}`,
    'all',
    good === summary.generated,
  );
}
