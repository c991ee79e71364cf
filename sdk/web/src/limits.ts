/**
 * What this module never exceeds. The build puts the numbers in the place of the names. The limits of the cutter
 * are in cutter.ts, those of a wait in backoff.ts.
 */

/** Heartbeats that stay while they cannot be delivered. */
export const MAX_HEARTBEATS = 5;
/** Media time of a heartbeat, also of one that was joined: what the gateway takes. */
export const MAX_INTERVAL_MS = 30_000;
/** A request may carry so many tokens. */
export const MAX_TOKENS = 16;
/** How long to wait for a response. */
export const TIMEOUT_MS = 15_000;
export const KEYS_TIMEOUT_MS = 5_000;
/** How long to wait for another tab that sends. */
export const LOCK_TIMEOUT_MS = 30_000;
/** Some browsers leave a request to IndexedDB without any result for ever. */
export const STORE_TIMEOUT_MS = 5_000;
/** No response of a gateway is longer; what is longer is cut off and will not be believed. */
export const MAX_RESPONSE_BYTES = 65_536;
/** Every number in a response is smaller: times, which are seconds, until the year 5138. */
export const MAX_AMOUNT = 1e11;
/** No gateway's clock is before 2001. */
export const MIN_TIME_S = 1e9;
/** Characters of a failure's detail. */
export const MAX_DETAIL = 200;

/** The first wait after a failure is at most this long. */
export const BACKOFF_BASE_MS = 1_000;
/** No wait after a failure is longer, unless the gateway asks for it. */
export const BACKOFF_MAX_MS = 60_000;
/** Half of it at most is added to the gateway's time, which a heartbeat must not run ahead of. */
export const MAX_ROUND_TRIP_MS = 10_000;
/** So often the clock is set for one heartbeat. */
export const MAX_CORRECTIONS = 2;
/** A time of a heartbeat that differs by less from the one before is the same. */
export const MIN_CORRECTION_S = 1;

/** A heartbeat this old had been waiting, as had all of a batch. */
export const LATE_MS = 15_000;
/** So long after that the budget may be used up by what came late. */
export const CATCHING_UP_MS = 120_000;
/** How long at most the budget gets to fill up. */
export const MAX_REMAINDER_WAIT_MS = 30_000;
/** So often what was left of a heartbeat over the budget is sent again. */
export const MAX_REMAINDERS = 3;

/**
 * From so many percent on, until MASTERED, each response is a full one. A module is mastered at 95 unless
 * it says otherwise, which a device does not know.
 */
export const NEAR_MASTERY = 90;
export const MAX_MODULES_REMEMBERED = 32;
/** So often the gateway's key is asked for. */
export const MAX_KEYS_TRIES = 5;
/** So many rejections of fresh keys in a row mean that the gateway does not want session keys. */
export const MAX_MISSES = 3;
