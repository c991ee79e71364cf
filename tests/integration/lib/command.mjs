// Other programs, each with a time limit.
import { execFile as execute, execFileSync as executeSync } from 'node:child_process';
import { promisify } from 'node:util';

const executed = promisify(execute);
const limitMs = 120_000;

const late = (program, args, timeoutMs) =>
  new Error(
    `${[program, ...args].join(' ').slice(0, 200)}: not over after ${timeoutMs} ms, and killed`,
  );

/** Runs a program to its end; gives {stdout, stderr}, and throws if it fails. */
export async function run(program, args, { timeout = limitMs, ...options } = {}) {
  try {
    return await executed(program, args, { timeout, killSignal: 'SIGKILL', ...options });
  } catch (error) {
    if (error.killed) throw late(program, args, timeout);
    throw error;
  }
}

/** The same while everything else waits; gives what the program prints. */
export function runSync(program, args, { timeout = limitMs, ...options } = {}) {
  try {
    return executeSync(program, args, { timeout, killSignal: 'SIGKILL', ...options });
  } catch (error) {
    if (error.code === 'ETIMEDOUT') throw late(program, args, timeout);
    throw error;
  }
}
