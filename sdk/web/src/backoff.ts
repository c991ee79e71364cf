/** How long to wait after a failure. Pure: randomness comes as an argument. */
import { BACKOFF_BASE_MS, BACKOFF_MAX_MS } from './limits.js';

/** A gateway that asks for a longer wait than this is asked again all the same. */
export const MAX_RETRY_AFTER_MS = 3_600_000;
/** Clocks are put right by less than this all the time. */
export const CLOCK_SLEW_MS = 1_000;

/**
 * Exponential with full jitter: any time up to `BACKOFF_BASE_MS × 2^failures`, so that devices which failed
 * together do not come back together. What the gateway asked for comes before it.
 * `random` gives a number from 0 up to 1.
 */
export function waitMs(
  failures: number,
  retryAfterMs: number | undefined,
  random: () => number,
): number {
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** failures);
  return Math.round(Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS) + random() * ceiling);
}

/**
 * The header field `Retry-After` in seconds (RFC 9110, 10.2.3). A date is undefined, like nonsense: the device's
 * clock, with which it would have to be compared, may be wrong.
 */
export const retryAfterMs = (value: string | null): number | undefined =>
  /^\d{1,9}$/.test(value!) ? Number(value) * 1000 : undefined;

/**
 * What is left of a wait that was noted by the device's clock. A clock that says an earlier time than
 * when the wait began was set back, and says nothing about the wait any more: it is over.
 */
export function remainingMs(untilMs: number, waitedMs: number, nowMs: number): number {
  const leftMs = untilMs - nowMs;
  return leftMs > waitedMs + CLOCK_SLEW_MS ? 0 : Math.max(0, leftMs);
}
