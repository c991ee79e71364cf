/** Reads what came back for a POST of heartbeats. Believes nothing that does not look as it must. */
import type { Claim } from './buffer.js';

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

/** Of one heartbeat. An answer without content, where one was asked for, has no `accepted`. */
export type Result = { accepted?: Accepted } | Rejection;

/** `results`: one a token. `rejection`: the gateway rejected the request as a whole. */
export interface Answer {
  gatewayMs?: number | undefined;
  results?: Result[];
  rejection?: Rejection;
}

const PREFIX = 'urn:watchkeeper:problem:';
type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  value instanceof Object && !Array.isArray(value);
const isAmount = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value < 2 ** 53;

/** NumericDate to milliseconds, if it is a time that can be: later than 2001, earlier than 5138. */
function gatewayMs(value: unknown): number | undefined {
  return isAmount(value) && value > 1e9 && value < 1e11 ? value * 1000 : undefined;
}

function resultOf(result: unknown, claim: Claim): Result | undefined {
  if (!isObject(result)) return undefined;
  const { status, problem } = result;
  if (status === 'rejected')
    return typeof problem === 'string' ? { problem, detail: '' } : undefined;
  const {
    credited_ms: creditedMs,
    seconds_watched: secondsWatched,
    completion_percentage: completionPercentage,
    state,
    resume_ms: resumeMs,
  } = result;
  if (
    !['credited', 'limited', 'duplicate'].includes(status as Status) ||
    result['sid'] !== claim.sid ||
    result['sn'] !== claim.sn ||
    !isAmount(creditedMs) ||
    !isAmount(secondsWatched) ||
    !isAmount(resumeMs) ||
    !isAmount(completionPercentage) ||
    completionPercentage > 100 ||
    (state !== 'IN_PROGRESS' && state !== 'MASTERED')
  )
    return undefined;
  return {
    accepted: {
      status: status as Status,
      creditedMs,
      secondsWatched,
      completionPercentage,
      state,
      resumeMs,
    },
  };
}

/**
 * undefined: this is not an answer of a gateway, whatever its status says. `minimal`: an answer
 * without content was asked for.
 */
export function readAnswer(
  status: number,
  text: string,
  claims: readonly Claim[],
  minimal: boolean,
): Answer | undefined {
  if (status === 204) return minimal ? { results: claims.map(() => ({})) } : undefined;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(body)) return undefined;
  const answer: Answer = { gatewayMs: gatewayMs(body['server_time']) };
  if (status === 200) {
    const { results } = body;
    if (!Array.isArray(results) || results.length !== claims.length) return undefined;
    const read = results.map((result, i) => resultOf(result, claims[i]!));
    if (read.includes(undefined)) return undefined;
    answer.results = read as Result[];
    return answer;
  }
  const { type, title, detail } = body;
  if (status < 400 || typeof type !== 'string' || !type.startsWith(PREFIX)) return undefined;
  answer.rejection = {
    problem: type.slice(PREFIX.length),
    detail: String(detail ?? title ?? '').slice(0, 200),
  };
  if (claims.length === 1) answer.results = [answer.rejection];
  return answer;
}

/** What a problem means for the heartbeat that has it. `alone`: only an answer of its own can tell. */
export type Reaction = 'never' | 'later' | 'clock' | 'device-key' | 'enrol' | 'alone';

/**
 * By status or name. A status goes before a name: it says that the request passes later, whatever its problem
 * is called (RFC 9110, 15.5.9 and 15.6; RFC 8470, 5.2; RFC 6585, 4). The gateway gives the other statuses
 * and names that pass to no heartbeat at all: a proxy has made another request of this one.
 */
const REACTIONS: Record<string, Reaction | null> = {
  // Not every object has a `constructor` then, which is a name as well.
  __proto__: null,
  405: 'later',
  408: 'later',
  409: 'later',
  415: 'later',
  425: 'later',
  429: 'later',
  'malformed-request': 'later',
  'misdirected-request': 'later',
  unauthorized: 'later',
  forbidden: 'later',
  'not-found': 'later',
  'payload-too-large': 'later',
  'stale-token': 'clock',
  'future-token': 'clock',
  'session-key-unknown': 'device-key',
  'unknown-device': 'enrol',
};

/**
 * Any other name, known or not, is taken by the status: `4xx` is about the token, and final. The status of
 * a batch, 200, is about none of its tokens, and has no Retry-After.
 */
export function reactionTo(name: string, status: number): Reaction {
  if (status >= 500) return 'later';
  return REACTIONS[status] ?? REACTIONS[name] ?? (status < 400 ? 'alone' : 'never');
}
