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

export type Verdict = { accepted: Accepted | undefined } | { problem: string; detail: string };

/** `verdicts`: one a token. `problem`: the request as a whole was refused by the gateway. */
export interface Answer {
  serverMs?: number;
  verdicts?: Verdict[];
  problem?: { name: string; detail: string };
}

const PREFIX = 'urn:watchkeeper:problem:';
type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isAmount = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value < 2 ** 53;

/** NumericDate to milliseconds, if it is a time that can be: later than 2001, earlier than 5138. */
function serverMs(value: unknown): number | undefined {
  return isAmount(value) && value > 1e9 && value < 1e11 ? value * 1000 : undefined;
}

function verdictOf(result: unknown, claim: Claim): Verdict | undefined {
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
  if (status === 204)
    return minimal ? { verdicts: claims.map(() => ({ accepted: undefined })) } : undefined;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(body)) return undefined;
  const answer: Answer = {};
  const time = serverMs(body['server_time']);
  if (time !== undefined) answer.serverMs = time;
  if (status === 200) {
    const { results } = body;
    if (!Array.isArray(results) || results.length !== claims.length) return undefined;
    const verdicts = results.map((result, i) => verdictOf(result, claims[i]!));
    if (verdicts.includes(undefined)) return undefined;
    answer.verdicts = verdicts as Verdict[];
    return answer;
  }
  const { type, title, detail } = body;
  if (status < 400 || typeof type !== 'string' || !type.startsWith(PREFIX)) return undefined;
  const name = type.slice(PREFIX.length);
  answer.problem = { name, detail: String(detail ?? title ?? '').slice(0, 200) };
  if (claims.length === 1) answer.verdicts = [{ problem: name, detail: answer.problem.detail }];
  return answer;
}

/** What a problem means for the heartbeat that has it. `alone`: only an answer of its own can tell. */
export type Reaction = 'never' | 'later' | 'clock' | 'device-key' | 'enrol' | 'alone';

const REACTIONS: Record<string, Reaction | null> = {
  // Not every object has a `constructor` then, which is a name as well.
  __proto__: null,
  'stale-token': 'clock',
  'future-token': 'clock',
  'session-key-unknown': 'device-key',
  'unknown-device': 'enrol',
};
/**
 * Those that say nothing about the token. By status: RFC 9110, 15.5.9 and 15.6; RFC 8470, 5.2; RFC 6585, 4. And what is
 * answered to no heartbeat at all, by status or by name: the request was made another one on its way, by a proxy.
 */
const PASSING = /^(5|4(0[589]|15|25|29))|-req|unauth|forb|not-f|payl/;

/**
 * Any other name, known or not, is taken by the status: `4xx` is about the token, and for good. The
 * status of a batch, 200, is about none of its tokens, and has no Retry-After. What passes, passes under every name.
 */
export function reactionTo(name: string, status: number): Reaction {
  if (status >= 400 && PASSING.test(status + name)) return 'later';
  return REACTIONS[name] ?? (status < 400 ? 'alone' : 'never');
}
