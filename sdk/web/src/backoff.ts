/** How long to wait after a failure. Pure: randomness comes as an argument. */

export interface BackoffLimits {
  baseMs: number;
  maxMs: number;
}

/** A gateway that asks for more patience than this is asked again all the same. */
export const MAX_RETRY_AFTER_MS = 600_000;
/** Clocks are put right by less than this all the time. */
const CLOCK_SLEW_MS = 1_000;

/**
 * Exponential with full jitter: any time up to `base × 2^failures`, so that devices which failed
 * together do not come back together. What the gateway asked for comes before it.
 * `random` gives a number from 0 up to 1.
 */
export function waitMs(
  failures: number,
  retryAfterMs: number | undefined,
  limits: BackoffLimits,
  random: () => number,
): number {
  const ceiling = Math.min(limits.maxMs, limits.baseMs * 2 ** Math.min(failures, 30));
  return Math.round(Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS) + random() * ceiling);
}

/** The header field `Retry-After`: seconds or a date (RFC 9110, 10.2.3). Nonsense is undefined. */
export function retryAfterMs(value: string | null, nowMs: number): number | undefined {
  if (!value) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/**
 * What is left of a wait that was noted by the device's clock. A clock that says an earlier time than
 * when the wait began was set back, and says nothing about the wait any more: it is over.
 */
export function remainingMs(untilMs: number, waitedMs: number, nowMs: number): number {
  const leftMs = untilMs - nowMs;
  return leftMs > waitedMs + CLOCK_SLEW_MS ? 0 : Math.max(0, leftMs);
}
