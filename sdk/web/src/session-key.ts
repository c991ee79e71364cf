/**
 * Session keys: one ECDSA signature a session, a MAC for every heartbeat after it. The key is agreed
 * on by ECDH with the gateway's public key; it is never stored and cannot be extracted.
 */

import { type PublicJwk, publicJwk, utf8 } from './token.js';

const CURVE = { name: 'ECDH', namedCurve: 'P-256' };
export const INFO = 'watchkeeper session key v1';

export interface GatewayKey {
  kid: string;
  key: CryptoKey;
}

/** The key-agreement key of a JWK set, or undefined when there is none that this can use. */
export async function gatewayKey(set: unknown): Promise<GatewayKey | undefined> {
  const keys = (set as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) return undefined;
  for (const jwk of keys as (Partial<Record<string, unknown>> | null)[]) {
    if (jwk?.['kty'] !== 'EC' || jwk['crv'] !== 'P-256' || jwk['use'] !== 'enc') continue;
    const { kid, x, y } = jwk as { kid: unknown; x: string; y: string };
    if (typeof kid !== 'string') continue;
    try {
      const key = await crypto.subtle.importKey(
        'jwk',
        { kty: 'EC', crv: 'P-256', x, y },
        CURVE,
        false,
        [],
      );
      return { kid, key };
    } catch {
      // Not a point on the curve, or no text: as good as absent.
    }
  }
  return undefined;
}

/** The HMAC key of a session whose first token had this signing input. */
export async function deriveSessionKey(
  ephemeral: CryptoKey,
  gateway: CryptoKey,
  signingInput: string,
): Promise<CryptoKey> {
  const { subtle } = crypto;
  const z = await subtle.deriveBits({ name: 'ECDH', public: gateway }, ephemeral, 256);
  const salt = await subtle.digest('SHA-256', utf8(signingInput));
  return subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt, info: utf8(INFO) },
    await subtle.importKey('raw', z, 'HKDF', false, ['deriveKey']),
    { name: 'HMAC', hash: 'SHA-256', length: 256 },
    false,
    ['sign'],
  );
}

/** What one session does about its key. */
export class SessionKey {
  /** The key for the next tokens; undefined: the device key signs. */
  mac: CryptoKey | undefined;
  /** Rejections of keys in a row; after MAX_MISSES no key is offered. */
  misses = 0;
  #pair: CryptoKeyPair | undefined;

  /** The claims that offer a key: the same ephemeral key each time. */
  async offer(gateway: GatewayKey): Promise<{ epk: PublicJwk; skid: string }> {
    this.#pair ??= await crypto.subtle.generateKey(CURVE, false, ['deriveBits']);
    return { epk: await publicJwk(this.#pair.publicKey), skid: gateway.kid };
  }

  /** The gateway accepted the token that made the offer. */
  async accepted(gateway: GatewayKey, signingInput: string): Promise<void> {
    this.mac = await deriveSessionKey(this.#pair!.privateKey, gateway.key, signingInput);
  }

  /**
   * The gateway does not hold the key (any more): the device key signs, and offers again. Gives
   * whether that is the second time in a row. The rejections of one batch are one.
   */
  keyRejected(): boolean {
    if (!this.mac) return false;
    this.mac = undefined;
    return ++this.misses === 2;
  }
}
