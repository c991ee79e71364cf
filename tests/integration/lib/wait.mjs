// Waiting for a condition, never for a time, and never without a limit.
import { AssertionError } from 'node:assert';

const open = new Map(); // a number for each wait → what it waits for
let waits = 0;

/** What is waited for at this moment, the oldest first. */
export const openWaits = () => [...open.values()];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** `promise`, or an error that names what was waited for. */
export async function within(what, promise, timeoutMs = 30_000) {
  const wait = ++waits;
  open.set(wait, what);
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    open.delete(wait);
  }
}

/** Thrown by a probe when what is waited for can no longer come: ends the wait at once. */
export class Hopeless extends Error {}

/**
 * For a probe: what `check` asserts has to hold each time, so its AssertionError ends the wait. An assertion
 * outside of it is only waited for.
 */
export async function always(check) {
  try {
    return await check();
  } catch (error) {
    throw error instanceof AssertionError ? new Hopeless(error.message) : error;
  }
}

/** A probe that does not come back has so long after the end of its wait. */
const probeGraceMs = 10_000;

/** Asks `probe` until it gives something true, and gives that. */
export async function until(what, probe, { timeoutMs = 30_000, everyMs = 25 } = {}) {
  const deadline = Date.now() + timeoutMs;
  let isOver = false;
  const ask = async () => {
    let last;
    while (!isOver) {
      try {
        const value = await probe();
        if (value) return value;
        last = undefined;
      } catch (error) {
        if (error instanceof Hopeless) throw new Error(`${what}: ${error.message}`);
        last = error;
      }
      if (Date.now() > deadline)
        throw new Error(
          `${what}: not within ${timeoutMs} ms${last ? `; last: ${last.message}` : ''}`,
        );
      await pause(everyMs);
    }
    return undefined;
  };
  try {
    return await within(what, ask(), timeoutMs + probeGraceMs);
  } finally {
    isOver = true;
  }
}

/**
 * The arguments of the next event `name` of `emitter`. `error` ends the wait with that error, and `close`
 * ends it if `name` has not come until then; whoever waits for `close` gets it whatever went wrong before.
 */
export function event(what, emitter, name, timeoutMs = 30_000) {
  const come = new Promise((resolve, reject) => {
    const listeners = {
      error: name === 'close' ? () => {} : reject,
      close: () => reject(new Error(`${what}: closed before '${name}'`)),
      [name]: (...all) => resolve(all),
    };
    for (const [each, listener] of Object.entries(listeners)) emitter.once(each, listener);
  });
  return within(what, come, timeoutMs);
}
