/**
 * Which heartbeats stay in the buffer while the gateway cannot be reached. Pure.
 *
 * At most five. Those that adjoin are joined first, as long as the joined one is short enough; then
 * the oldest go. One that was ever sent is not joined any more: it may have been credited under its
 * number, and a longer one of the same number would be taken for a repetition.
 */
import type { Moment } from './clock.js';

/** A heartbeat in the buffer: what is claimed. It is signed when it is sent. */
export interface Claim {
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
  /** It is what was left of one over the budget; how often it was tried. */
  remainder?: number;
}

export interface BufferLimits {
  maxHeartbeats: number;
  longestMs: number;
}

/** `b` played on where `a` ended. */
export function joinable(a: Claim, b: Claim, limits: BufferLimits): boolean {
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
 * `claims` in the order they were made. Those in `inFlight` (their ids) are in flight: neither joined,
 * nor dropped, nor counted. Gives new objects for what changed.
 */
export function settle(
  claims: readonly Claim[],
  limits: BufferLimits,
  inFlight: ReadonlySet<number>,
): { remaining: Claim[]; dropped: Claim[] } {
  const isBusy = (claim: Claim): boolean => inFlight.has(claim.id!);
  const idle = claims.filter((claim) => !isBusy(claim));
  let over = idle.length - limits.maxHeartbeats;
  let remaining: Claim[] = [...claims];
  // Only as much is joined as has to be: a short heartbeat is worth more to a retry than a long one.
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
  const dropped: Claim[] = [];
  remaining = remaining.filter((claim) => {
    if (over <= 0 || isBusy(claim)) return true;
    --over;
    dropped.push(claim);
    return false;
  });
  return { remaining, dropped };
}
