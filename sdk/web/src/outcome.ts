/** What becomes of a heartbeat that has a result. */

import type { PendingHeartbeat } from './buffer.js';
import {
  MAX_CORRECTIONS,
  MAX_MODULES_REMEMBERED,
  MAX_REMAINDERS,
  MIN_CORRECTION_S,
} from './limits.js';
import { type Accepted, reactionTo } from './response.js';
import type { Signed, Signer } from './signer.js';
import type { QueueState } from './store.js';
import type { DropEvent, FailureEvent } from './types.js';

/** What events call it. */
export const pieceOf = ({
  cid: module,
  sid: session,
  sn: sequence,
  fromMs,
  toMs,
}: PendingHeartbeat): DropEvent['heartbeats'][number] => ({
  module,
  session,
  sequence,
  fromMs,
  toMs,
});

/** Of one that was rejected. */
export function retryOf(
  { heartbeat, bySession, iat }: Signed,
  problem: string,
  status: number,
  signer: Signer,
): FailureEvent['retry'] | 'alone' {
  const reaction = reactionTo(problem, status);
  // Also where the gateway has another session key than this page: a device signature needs none.
  if (reaction === 'device-key' || (problem === 'bad-signature' && bySession)) {
    signer.keyRejected();
    return bySession ? 'now' : 'later';
  }
  if (reaction === 'now') {
    // The second time it would go on for ever.
    if (heartbeat.renewed) return 'never';
    heartbeat.renewed = true;
    heartbeat.sid = signer.renew(heartbeat.sid);
    return 'now';
  }
  if (reaction !== 'clock') return reaction;
  heartbeat.corrections = (heartbeat.corrections ?? 0) + 1;
  // Signed with the right time already: then it is too old, and always will be.
  const isNew = Math.abs(signer.iat(heartbeat) - iat) >= MIN_CORRECTION_S;
  if (isNew && heartbeat.corrections <= MAX_CORRECTIONS) return 'now';
  heartbeat.corrections = 0;
  return problem === 'stale-token' ? 'never' : 'later';
}

/** What the budget had no room for, as the session `sid` of its own. */
export function remainderOf(
  heartbeat: PendingHeartbeat,
  { status, creditedMs }: Accepted,
  sid: string,
): PendingHeartbeat[] {
  const fromMs = heartbeat.fromMs + creditedMs;
  const remainder = (heartbeat.remainder ?? 0) + 1;
  if (status !== 'limited' || fromMs >= heartbeat.toMs || remainder > MAX_REMAINDERS) return [];
  const { id: _, sent: __, ...rest } = heartbeat;
  return [{ ...rest, sid, sn: 0, fromMs, remainder }];
}

/** The progress by module with these results. Those of one request may have been given in any order. */
export function remember(
  known: QueueState['progress'],
  acceptances: [PendingHeartbeat, Accepted][],
): QueueState['progress'] {
  const best: QueueState['progress'] = {};
  for (const [{ cid: module }, accepted] of acceptances) {
    const before = best[module];
    const { secondsWatched, completionPercentage } =
      before && before.secondsWatched > accepted.secondsWatched ? before : accepted;
    const { state, resumeMs } = accepted;
    best[module] = {
      module,
      secondsWatched,
      completionPercentage,
      state: before?.state === 'MASTERED' ? before.state : state,
      resumeMs,
    };
  }
  // The module that was heard of last is last.
  const others = Object.entries(known).filter(([module]) => !best[module]);
  return Object.fromEntries([...others, ...Object.entries(best)].slice(-MAX_MODULES_REMEMBERED));
}
