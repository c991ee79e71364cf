/** Signs heartbeats: with the session's key where there is one, else with the device's. */
import type { PendingHeartbeat } from './buffer.js';
import type { Clock } from './clock.js';
import type { DeviceKey } from './device.js';
import { type Environment, exchange, type Traffic } from './http.js';
import { KEYS_TIMEOUT_MS, MAX_KEYS_TRIES } from './limits.js';
import { type GatewayKey, gatewayKey, SessionKey } from './session-key.js';
import { signWithDevice, signWithSession } from './token.js';

/** One heartbeat on its way. */
export interface Signed {
  heartbeat: PendingHeartbeat;
  text: string;
  /** Signed with the session's key. */
  bySession: boolean;
  iat: number;
  /** To be called when the gateway has accepted it. */
  accepted: () => Promise<void> | void;
}

export interface SignerOptions {
  gateway: string;
  session: string;
  /** False: every token is signed by the device. */
  sessionKeys: boolean;
}

export class Signer {
  readonly #environment: Environment;
  readonly #traffic: Traffic;
  readonly #options: SignerOptions;
  readonly #device: Promise<DeviceKey>;
  readonly #clock: Clock;
  readonly #key = new SessionKey();
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

  /** `calm`: the last request went well, so that one for the gateway's key may be worth it. */
  async sign(heartbeats: readonly PendingHeartbeat[], calm: boolean): Promise<Signed[]> {
    const { kid, privateKey } = await this.#device;
    const key = this.#key;
    // The gateway may credit a batch in any order, so only one token of it offers a key.
    let gateway = heartbeats.some((heartbeat) => this.#isOwn(heartbeat))
      ? await this.#loadGatewayKey(calm)
      : undefined;
    const signed: Signed[] = [];
    for (const heartbeat of heartbeats) {
      const { sub, cid, sid, sn, fromMs: from, toMs: to, rate } = heartbeat;
      const iat = this.iat(heartbeat);
      const payload = { sub, cid, sid, sn, from, to, pr: rate === 1 ? undefined : rate, iat };
      const mac = this.#isOwn(heartbeat) ? key.mac : undefined;
      if (mac) {
        const { text } = await signWithSession(kid, mac, payload);
        signed.push({ heartbeat, text, bySession: true, iat, accepted: () => key.keyAccepted() });
        continue;
      }
      const offered = this.#isOwn(heartbeat) ? gateway : undefined;
      const offer = offered && (await key.offer(offered));
      if (offered) gateway = undefined;
      const { text, signingInput } = await signWithDevice(kid, privateKey, {
        ...payload,
        ...offer,
      });
      // Where no key can be computed the device goes on signing: the heartbeat is credited all the same.
      const accepted = (): Promise<void> | void =>
        offered && key.accepted(offered, signingInput).catch(() => undefined);
      signed.push({ heartbeat, text, bySession: false, iat, accepted });
    }
    return signed;
  }

  #isOwn(heartbeat: PendingHeartbeat): boolean {
    return heartbeat.sid === this.#options.session;
  }

  /** The gateway's key, asked for until there is a response; undefined where there is none. */
  async #loadGatewayKey(calm: boolean): Promise<GatewayKey | undefined> {
    if (!this.#key.isOffered) return undefined;
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
