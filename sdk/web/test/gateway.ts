/**
 * A gateway as the module sees it, in memory: verifies with jose, keeps a coverage, and can be made to
 * fail in every way that a network and a server can. What it believes is checked by the tests.
 */
import {
  calculateJwkThumbprint,
  compactVerify,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';
import type { Environment } from '../src/http.js';

export interface Claims {
  sub: string;
  cid: string;
  sid: string;
  sn: number;
  from: number;
  to: number;
  pr?: number;
  iat: number;
  epk?: JWK;
  skid?: string;
}

/** A result as the body of a response has it; `http` is the status of a rejection alone. */
interface Result {
  status: string;
  problem?: string;
  http?: number;
  [member: string]: unknown;
}
const rejected = (name: string, http: number): Result => ({
  status: 'rejected',
  problem: name,
  http,
});

type Outcome = Response | Error;
export type Intercept = (request: {
  url: string;
  body: string;
  tokens: string[];
}) => Outcome | undefined;

export const problem = (
  name: string,
  status: number,
  headers: Record<string, string> = {},
  more: object = {},
): Response =>
  new Response(
    JSON.stringify({
      type: `urn:watchkeeper:problem:${name}`,
      title: name,
      status,
      detail: `it is ${name}`,
      ...more,
    }),
    { status, headers: { 'content-type': 'application/problem+json', ...headers } },
  );

export class ModelGateway {
  devices = new Map<string, JWK>();
  /** The gateway's clock less that of the tests, milliseconds. */
  offsetMs = 0;
  maxAgeMs = 900_000;
  /** Asked before anything else; what it gives is the response. */
  intercept: Intercept | undefined;
  /** Responses get lost after the gateway has done its work. */
  loseResponses = 0;
  sessionKeys = false;
  limitTo: number | undefined;
  credited: Claims[] = [];
  algorithms: string[] = [];
  requests: { url: string; tokens: string[]; init: RequestInit | undefined }[] = [];
  macs = new Map<string, CryptoKey>();
  private seen = new Map<string, Claims>();
  private agreement: Promise<{ kid: string; jwk: JWK; pair: CryptoKeyPair }> | undefined;

  constructor(readonly now: () => number) {}

  get time(): number {
    return (this.now() + this.offsetMs) / 1000;
  }

  key(): Promise<{ kid: string; jwk: JWK; pair: CryptoKeyPair }> {
    this.agreement ??= (async () => {
      const pair = (await generateKeyPair('ECDH-ES', {
        crv: 'P-256',
        extractable: true,
      })) as unknown as CryptoKeyPair;
      const jwk = await exportJWK(pair.publicKey);
      return { kid: await calculateJwkThumbprint(jwk), jwk, pair };
    })();
    return this.agreement;
  }

  /** Starts again: with a key-agreement key of its own, unless one is in a file, and without sessions. */
  restart({ sameKey = false } = {}): void {
    if (!sameKey) this.agreement = undefined;
    this.macs.clear();
  }

  fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const url = String(input);
    const body = String(init?.body ?? '');
    const tokens = body ? body.split('\n') : [];
    this.requests.push({ url, tokens, init });
    const response = this.intercept?.({ url, body, tokens });
    if (response instanceof Error) throw response;
    if (response) return response;
    if (url.endsWith('/v1/keys')) {
      if (!this.sessionKeys) return problem('not-found', 404);
      const { kid, jwk } = await this.key();
      return Response.json({ keys: [{ ...jwk, kid, use: 'enc', alg: 'ECDH-ES' }] });
    }
    const results = [];
    for (const token of tokens) results.push(await this.credit(token));
    if (this.loseResponses > 0) {
      --this.loseResponses;
      throw new TypeError('Failed to fetch');
    }
    const [first] = results;
    if (results.length === 1 && first!.status === 'rejected')
      return problem(first!.problem!, first!.http!, {}, { server_time: this.time });
    if (
      new Headers(init?.headers).get('prefer') === 'return=minimal' &&
      results.every(({ status }) => status !== 'rejected' && status !== 'limited')
    )
      return new Response(null, { status: 204 });
    return Response.json({ server_time: this.time, results });
  };

  private async credit(token: string): Promise<Result> {
    const { alg, kid, typ } = decodeProtectedHeader(token);
    this.algorithms.push(alg!);
    if (typ !== 'engagement+jwt') return rejected('malformed-token', 400);
    const device = kid!.split('.')[0]!;
    const jwk = this.devices.get(device);
    if (!jwk) return rejected('unknown-device', 401);
    const mac = this.macs.get(kid!);
    if (alg === 'HS256' && !mac) return rejected('session-key-unknown', 401);
    let payload: Uint8Array;
    try {
      ({ payload } = await (alg === 'HS256'
        ? compactVerify(token, mac!)
        : compactVerify(token, await importJWK(jwk, 'ES256'), { algorithms: ['ES256'] })));
    } catch {
      return rejected('bad-signature', 401);
    }
    const claims = JSON.parse(new TextDecoder().decode(payload)) as Claims;
    if (claims.iat * 1000 < this.time * 1000 - this.maxAgeMs) return rejected('stale-token', 401);
    if (claims.iat > this.time + 30) return rejected('future-token', 401);
    const before = this.seen.get(`${claims.sid} ${claims.sn}`);
    if (before && (before.from !== claims.from || before.to !== claims.to))
      return rejected('sequence-reused', 409);
    const counted = this.count(claims);
    if (claims.epk) await this.takeOffer(device, claims, token.slice(0, token.lastIndexOf('.')));
    const secondsWatched = Math.floor(this.coveredMs / 1000);
    return {
      ...counted,
      sid: claims.sid,
      sn: claims.sn,
      seconds_watched: secondsWatched,
      completion_percentage: Math.min(100, secondsWatched),
      state: secondsWatched >= 95 ? 'MASTERED' : 'IN_PROGRESS',
      resume_ms: claims.to,
    };
  }

  /** Another run sent heartbeats of other intervals under the first numbers of the session. */
  use(sid: string, count: number): void {
    for (let sn = 0; sn < count; ++sn)
      this.seen.set(`${sid} ${sn}`, { sub: '', cid: '', sid, sn, from: -1, to: 0, iat: 0 });
  }

  /** Adds the interval to the coverage, once. */
  private count(claims: Claims): { status: string; credited_ms: number } {
    const name = `${claims.sid} ${claims.sn}`;
    if (this.seen.has(name)) return { status: 'duplicate', credited_ms: 0 };
    this.seen.set(name, claims);
    const lengthMs = claims.to - claims.from;
    const creditedMs = Math.min(lengthMs, this.limitTo ?? lengthMs);
    this.credited.push({ ...claims, to: claims.from + creditedMs });
    return { status: creditedMs < lengthMs ? 'limited' : 'credited', credited_ms: creditedMs };
  }

  /** Sets the session's key. An offer to another key than this gateway's leaves the session without one. */
  private async takeOffer(device: string, claims: Claims, signingInput: string): Promise<void> {
    const session = `${device}.${claims.sid}`;
    const { kid, pair } = await this.key();
    if (claims.skid !== kid) {
      this.macs.delete(session);
      return;
    }
    const curve = { name: 'ECDH', namedCurve: 'P-256' };
    const epk = await crypto.subtle.importKey('jwk', claims.epk as JsonWebKey, curve, true, []);
    this.macs.set(session, await deriveVerifyingKey(pair.privateKey, epk, signingInput));
  }

  /** Different media time, in milliseconds. */
  get coveredMs(): number {
    let end = 0,
      sum = 0;
    for (const { from, to } of [...this.credited].sort((a, b) => a.from - b.from)) {
      if (to > end) sum += to - Math.max(from, end);
      end = Math.max(end, to);
    }
    return sum;
  }
}

/** The same derivation with a key that may verify, as only the gateway needs to. */
async function deriveVerifyingKey(
  own: CryptoKey,
  other: CryptoKey,
  input: string,
): Promise<CryptoKey> {
  const { subtle } = crypto;
  // By hand and not by the module's own function, which would agree with itself whatever it did.
  const z = await subtle.deriveBits({ name: 'ECDH', public: other }, await asDeriving(own), 256);
  const salt = await subtle.digest('SHA-256', new TextEncoder().encode(input));
  const prk = await subtle.sign('HMAC', await hmac(salt), z);
  const okm = await subtle.sign(
    'HMAC',
    await hmac(prk),
    new TextEncoder().encode('watchkeeper session key v1\x01'),
  );
  return subtle.importKey('raw', okm, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify', 'sign']);
}
const hmac = (key: ArrayBuffer): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
const asDeriving = async (key: CryptoKey): Promise<CryptoKey> =>
  crypto.subtle.importKey(
    'jwk',
    (await crypto.subtle.exportKey('jwk', key)) as JsonWebKey,
    { name: 'ECDH', namedCurve: 'P-256' },
    false,
    ['deriveBits'],
  );

/** Time that passes only when a test says so, and timers on it. */
export class Time {
  wallMs = Date.parse('2025-11-22T12:00:00Z');
  monoMs = 1_000;
  private timers = new Map<number, { at: number; work: () => void }>();
  private next = 0;
  hidden = false;
  random = 0.5;
  ids = 0;

  environment(gateway: ModelGateway): Environment {
    return {
      fetch: gateway.fetch,
      random: () => this.random,
      reading: () => ({ wallMs: this.wallMs, monoMs: this.monoMs }),
      newId: () => `id-${++this.ids}`,
      hidden: () => this.hidden,
      setTimer: (work, ms) => {
        this.timers.set(++this.next, { at: this.monoMs + ms, work });
        return this.next;
      },
      clearTimer: (timer) => void this.timers.delete(timer as number),
      locks: undefined,
    };
  }

  get nextTimerMs(): number | undefined {
    const times = [...this.timers.values()].map(({ at }) => at - this.monoMs);
    return times.length ? Math.min(...times) : undefined;
  }

  /** Lets time pass, and runs what is due. */
  pass(ms: number): void {
    this.wallMs += ms;
    this.monoMs += ms;
    for (const [timer, { at, work }] of [...this.timers]) {
      if (at > this.monoMs) continue;
      this.timers.delete(timer);
      work();
    }
  }
}
