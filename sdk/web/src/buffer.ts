/**
 * Which heartbeats stay in the buffer while the gateway cannot be reached. Pure.
 *
 * At most five. Heartbeats that adjoin are joined first, as long as the result is short enough; then
 * the oldest go. A heartbeat that was ever sent is not joined any more: it may have been credited under
 * its number, and the gateway would take a longer one with the same number for a repetition.
 */
import type { Moment } from './clock.js';

/** A heartbeat in the buffer. It is signed when it is sent. */
export interface PendingHeartbeat {
  /** Given by the store, ascending. */
  id?: number;
  queue: string;
  sub: string;
  cid: string;
  sid: string;
  sn: number;
  fromMs: number;
  toMs: number;
  rate: number;
  ended: Moment;
  /** It was sent at least once; whether it arrived may be unknown. */
  sent?: boolean;
  /** How often the clock was corrected for it. */
  corrections?: number;
  /** It is the rest of a heartbeat that exceeded the budget: how often the rest was sent again. */
  remainder?: number;
  /** Its number was used before, so it got a new session. */
  renewed?: boolean;
}

export interface BufferLimits {
  maxHeartbeats: number;
  longestMs: number;
}

/** `b` played on where `a` ended. */
export function joinable(a: PendingHeartbeat, b: PendingHeartbeat, limits: BufferLimits): boolean {
  return (
    !a.sent &&
    !b.sent &&
    !a.remainder &&
    !b.remainder &&
    a.sub === b.sub &&
    a.cid === b.cid &&
    a.sid === b.sid &&
    a.rate === b.rate &&
    a.toMs === b.fromMs &&
    b.toMs - a.fromMs <= limits.longestMs
  );
}

/**
 * `heartbeats` in the order in which they were made. Those whose ids are in `inFlight` are neither joined, nor
 * dropped, nor counted. Returns new objects for what changed.
 */
export function trim(
  heartbeats: readonly PendingHeartbeat[],
  limits: BufferLimits,
  inFlight: ReadonlySet<number>,
): { remaining: PendingHeartbeat[]; dropped: PendingHeartbeat[] } {
  const isBusy = (heartbeat: PendingHeartbeat): boolean => inFlight.has(heartbeat.id!);
  const idle = heartbeats.filter((heartbeat) => !isBusy(heartbeat));
  let over = idle.length - limits.maxHeartbeats;
  let remaining: PendingHeartbeat[] = [...heartbeats];
  // No more is joined than necessary: if a heartbeat is lost, a short one costs less.
  for (let i = 0; over > 0 && i + 1 < remaining.length; ) {
    const a = remaining[i]!;
    const b = remaining[i + 1]!;
    if (!isBusy(a) && !isBusy(b) && joinable(a, b, limits)) {
      remaining.splice(i, 2, { ...a, toMs: b.toMs, ended: b.ended });
      --over;
    } else {
      ++i;
    }
  }
  const dropped: PendingHeartbeat[] = [];
  remaining = remaining.filter((heartbeat) => {
    if (over <= 0 || isBusy(heartbeat)) return true;
    --over;
    dropped.push(heartbeat);
    return false;
  });
  return { remaining, dropped };
}
