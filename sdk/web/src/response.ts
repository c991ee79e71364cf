/** Reads what came back for a POST of heartbeats. Believes nothing that does not look as it must. */
import type { PendingHeartbeat } from './buffer.js';
import { MAX_AMOUNT, MIN_TIME_S } from './limits.js';

export type Status = 'credited' | 'limited' | 'duplicate';

export interface Accepted {
  status: Status;
  creditedMs: number;
  secondsWatched: number;
  completionPercentage: number;
  state: 'IN_PROGRESS' | 'MASTERED';
  resumeMs: number;
}

export interface Rejection {
  problem: string;
  detail: string;
}

/** Of one heartbeat. A response without content, where one was asked for, has no `accepted`. */
export type Result = { accepted?: Accepted } | Rejection;

/** `results`: one a token. `rejection`: the gateway rejected the request as a whole. */
export interface Content {
  gatewayMs?: number | undefined;
  results?: Result[];
  rejection?: Rejection;
}

/** The name of a problem, and where its type has it. */
const NAME = /^[a-z0-9-]{1,64}$/;
export const PREFIX = 'urn:watchkeeper:problem:';
type Json = Record<string, unknown>;

/** Arrays too: those have none of the members. */
const isObject = (value: unknown): value is Json => value instanceof Object;
const isAmount = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value < MAX_AMOUNT;
const isName = (value: unknown): value is string => typeof value === 'string' && NAME.test(value);

function resultOf(result: unknown, heartbeat: PendingHeartbeat): Result | undefined {
  if (!isObject(result)) return undefined;
  const { status, problem } = result;
  if (status === 'rejected') return isName(problem) ? { problem, detail: '' } : undefined;
  const {
    credited_ms: creditedMs,
    seconds_watched: secondsWatched,
    completion_percentage: completionPercentage,
    state,
    resume_ms: resumeMs,
  } = result;
  if (
    !['credited', 'limited', 'duplicate'].includes(status as Status) ||
    result['sid'] !== heartbeat.sid ||
    result['sn'] !== heartbeat.sn ||
    !['IN_PROGRESS', 'MASTERED'].includes(state as Accepted['state']) ||
    ![creditedMs, secondsWatched, resumeMs, completionPercentage].every(isAmount) ||
    (completionPercentage as number) > 100
  )
    return undefined;
  return {
    accepted: {
      status,
      creditedMs,
      secondsWatched,
      completionPercentage,
      state,
      resumeMs,
    } as Accepted,
  };
}

/**
 * undefined: this is no response of a gateway, whatever its status says. `minimal`: a response
 * without content was asked for.
 */
export function readResponse(
  status: number,
  text: string,
  heartbeats: readonly PendingHeartbeat[],
  minimal: boolean,
): Content | undefined {
  if (status === 204) return minimal ? { results: heartbeats.map(() => ({})) } : undefined;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(body)) return undefined;
  const { server_time: time, results, type, title, detail } = body;
  const content: Content = isAmount(time) && time > MIN_TIME_S ? { gatewayMs: time * 1000 } : {};
  if (status === 200) {
    if (!Array.isArray(results) || results.length !== heartbeats.length) return undefined;
    const read = results.map((result, i) => resultOf(result, heartbeats[i]!));
    if (read.includes(undefined)) return undefined;
    content.results = read as Result[];
    return content;
  }
  const [before, problem] = String(type).split(PREFIX);
  if (status < 400 || before || !isName(problem)) return undefined;
  content.rejection = { problem, detail: String(detail ?? title ?? '') };
  if (heartbeats.length === 1) content.results = [content.rejection];
  return content;
}

/**
 * What a problem means for the heartbeat that has it. `alone`: only a response of its own can say. `now`: at
 * once, in a new session.
 */
export type Reaction = 'never' | 'later' | 'clock' | 'device-key' | 'enrol' | 'alone' | 'now';

/**
 * By status or name; the first that has either counts. A status goes before a name: it says that the request passes later, whatever its problem
 * is called (RFC 9110, 15.5.9, 15.5.20 and 15.6; RFC 8470, 5.2; RFC 6585, 4). The gateway gives the other statuses
 * and names of `later` that pass to no heartbeat at all: a proxy has made another request of this one.
 * sdk/vectors/responses.json holds for all SDKs.
 */
const REACTIONS: [Reaction, string][] = [
  // The one name that goes before its status, 409.
  ['now', 'sequence-reused'],
  [
    'later',
    '405 408 409 415 421 425 429 rate-limited overloaded storage-unavailable draining malformed-request unauthorized forbidden not-found payload-too-large',
  ],
  ['clock', 'stale-token future-token'],
  ['device-key', 'session-key-unknown'],
  ['enrol', 'unknown-device'],
  [
    'never',
    'malformed-token token-too-large bad-signature revoked-device subject-mismatch session-mismatch not-assigned unknown-module implausible-interval',
  ],
];
/**
 * A name that is not known is taken by the status: `4xx` is about the token, and final. The status of
 * a batch, 200, is about none of its tokens.
 */
export function reactionTo(name: string, status: number): Reaction {
  if (status >= 500) return 'later';
  const found = REACTIONS.find(([, keys]) =>
    keys.split(' ').some((key) => key === name || key === `${status}`),
  );
  return found?.[0] ?? (status < 400 ? 'alone' : 'never');
}
