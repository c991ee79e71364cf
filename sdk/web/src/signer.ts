/** Signs heartbeats: with the session's key where there is one, else with the device's. */
import type { PendingHeartbeat } from './buffer.js';
import type { Clock } from './clock.js';
import type { DeviceKey } from './device.js';
import { type Environment, exchange, type Traffic } from './http.js';
import { KEYS_TIMEOUT_MS, MAX_KEYS_TRIES, MAX_MISSES } from './limits.js';
import { type GatewayKey, gatewayKey, SessionKey } from './session-key.js';
import { sign } from './token.js';

/** One heartbeat on its way. */
export interface Signed {
  heartbeat: PendingHeartbeat;
  text: string;
  /** Signed with the session's key. */
  bySession: unknown;
  iat: number;
  /** To be called when the gateway has accepted it. */
  accepted: () => unknown;
}

export interface SignerOptions {
  gateway: string;
  session: string;
  /** False: every token is signed by the device. */
  sessionKeys: boolean;
}

export class Signer {
  /** The one whose key this is. */
  session: string;
  /** The new sessions of those whose numbers were used before, by the last response. */
  renewals!: Partial<Record<string, string>>;
  readonly #environment: Environment;
  readonly #traffic: Traffic;
  readonly #options: SignerOptions;
  readonly #device: Promise<DeviceKey>;
  readonly #clock: Clock;
  #key = new SessionKey();
  #gatewayKey: GatewayKey | undefined;
  #keysTries: number;
  #cache: RequestCache = 'default';

  constructor(
    options: SignerOptions,
    environment: Environment,
    traffic: Traffic,
    device: Promise<DeviceKey>,
    clock: Clock,
  ) {
    this.#options = options;
    this.session = options.session;
    this.#environment = environment;
    this.#traffic = traffic;
    this.#keysTries = options.sessionKeys ? MAX_KEYS_TRIES : 0;
    this.#device = device;
    this.#clock = clock;
  }

  /** When the heartbeat's interval ended, in the gateway's time, to a tenth of a second. */
  iat(heartbeat: PendingHeartbeat): number {
    return (
      Math.round(this.#clock.serverTimeOf(heartbeat.ended, this.#environment.reading()) / 100) / 10
    );
  }

  /** The gateway does not know the session's key: the device signs the next one, and offers again. */
  keyRejected(): void {
    if (!this.#key.keyRejected()) return;
    // The offer was for a key that the gateway has no longer, or never had; so much a cache must not hide.
    this.#gatewayKey = undefined;
    this.#keysTries = MAX_KEYS_TRIES;
    this.#cache = 'reload';
  }

  /** The new session for what was to go to the session `sid`. */
  renew(sid: string): string {
    this.renewals[sid] ??= this.#environment.newId();
    if (sid === this.session) {
      this.session = this.renewals[sid];
      this.#key = new SessionKey();
    }
    return this.renewals[sid];
  }

  /** `calm`: the last request went well, so that one for the gateway's key may be worth it. */
  async sign(heartbeats: readonly PendingHeartbeat[], calm: boolean): Promise<Signed[]> {
    const { kid, privateKey } = await this.#device;
    const key = this.#key;
    this.renewals = {};
    // The gateway may credit a batch in any order, so only one token of it offers a key.
    let gateway = heartbeats.some(({ sid }) => sid === this.session)
      ? await this.#loadGatewayKey(calm)
      : undefined;
    const signed: Signed[] = [];
    for (const heartbeat of heartbeats) {
      const { sub, cid, sid, sn, fromMs: from, toMs: to, rate } = heartbeat;
      const iat = this.iat(heartbeat);
      const payload = { sub, cid, sid, sn, from, to, pr: rate === 1 ? undefined : rate, iat };
      const isOwn = sid === this.session;
      const mac = isOwn && key.mac;
      const offered = isOwn && !mac && gateway;
      if (offered) gateway = undefined;
      const { text, signingInput } = mac
        ? await sign('HS256', `${kid}.${sid}`, mac, payload)
        : await sign('ES256', kid, privateKey, {
            ...payload,
            ...(offered && (await key.offer(offered))),
          });
      // Where no key can be computed the device goes on signing: the heartbeat is credited all the same.
      const accepted = (): unknown => {
        if (mac) key.misses = 0;
        return offered && key.accepted(offered, signingInput).catch(() => undefined);
      };
      signed.push({ heartbeat, text, bySession: mac, iat, accepted });
    }
    return signed;
  }

  /** The gateway's key, asked for until there is a response; undefined where there is none. */
  async #loadGatewayKey(calm: boolean): Promise<GatewayKey | undefined> {
    if (this.#key.misses >= MAX_MISSES) return undefined;
    if (!this.#gatewayKey && this.#keysTries > 0 && calm) {
      --this.#keysTries;
      try {
        const url = `${this.#options.gateway}/v1/keys`;
        const { status, text } = await exchange(
          this.#environment,
          this.#traffic,
          url,
          KEYS_TIMEOUT_MS,
          { cache: this.#cache },
        );
        // Anything else than a fault that may pass is a response that counts.
        if (status < 500 && status !== 429) this.#keysTries = 0;
        if (status === 200) this.#gatewayKey = await gatewayKey(JSON.parse(text));
      } catch {
        // Not JSON, or not reached; the device key serves as well.
      }
    }
    return this.#gatewayKey;
  }
}
