// How busy the machine is: what is promised in seconds is promised for a machine that has time.

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

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
