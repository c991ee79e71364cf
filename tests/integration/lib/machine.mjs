// How busy the machine is: what is promised in seconds is promised for a machine that has time.
import { until } from './wait.mjs';

/**
 * How many times its own processor time a process takes right now: 1 if nothing else wants the processor, 3 if
 * two others do. Computes for some 20 ms.
 */
export function stretch() {
  const begun = performance.now();
  const before = process.cpuUsage();
  let sum = 0;
  for (let i = 0; i < 8_000_000; ++i) sum += Math.sqrt(i);
  const { user, system } = process.cpuUsage(before);
  const tookMs = performance.now() - begun;
  return sum > 0 ? Math.max(1, tookMs / ((user + system) / 1000)) : 1;
}

/** Above this a browser without a graphics card does not play a video as fast as time goes by. */
const PLAYABLE_STRETCH = 6;

/**
 * Waits until the machine has the time to play a video, five minutes at most: what is said about playing is
 * said about a machine that can.
 */
export async function canPlay() {
  const calm = () => median([stretch(), stretch(), stretch()]) < PLAYABLE_STRETCH;
  await until('the machine has time to play a video', calm, {
    timeoutMs: 300_000,
    everyMs: 500,
  }).catch((error) => console.log(`# goes on all the same: ${error.message}`));
}

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
