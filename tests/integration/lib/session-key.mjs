// Session keys as the protocol describes them (section 6), on WebCrypto alone: what the gateway makes of an
// offer is checked against this.

import { webcrypto } from 'node:crypto';
import { CompactSign, calculateJwkThumbprint } from 'jose';
import { b64 } from './device.mjs';

const { subtle } = webcrypto;
const curve = { name: 'ECDH', namedCurve: 'P-256' };
export const info = 'watchkeeper session key v1';

export const publicPart = ({ kty, crv, x, y }) => ({ kty, crv, x, y });
export const kidOf = (jwk) => calculateJwkThumbprint(publicPart(jwk), 'sha256');
const importPrivate = ({ kty, crv, x, y, d }) =>
  subtle.importKey('jwk', { kty, crv, x, y, d }, curve, false, ['deriveBits']);
const importPublic = (jwk) => subtle.importKey('jwk', publicPart(jwk), curve, false, []);

/** A P-256 key pair as a private JWK. */
export async function makePair() {
  const pair = await subtle.generateKey(curve, true, ['deriveBits']);
  const { kty, crv, x, y, d } = await subtle.exportKey('jwk', pair.privateKey);
  return { kty, crv, x, y, d };
}

export async function agree(privateJwk, publicJwk) {
  return Buffer.from(
    await subtle.deriveBits(
      { name: 'ECDH', public: await importPublic(publicJwk) },
      await importPrivate(privateJwk),
      256,
    ),
  );
}

/** `signingInput`: the header.payload of the token that carried the offer. */
export async function deriveKey(shared, signingInput) {
  const salt = Buffer.from(await subtle.digest('SHA-256', Buffer.from(signingInput, 'ascii')));
  const secret = await subtle.importKey('raw', shared, 'HKDF', false, ['deriveBits']);
  const key = Buffer.from(
    await subtle.deriveBits(
      { name: 'HKDF', hash: 'SHA-256', salt, info: Buffer.from(info) },
      secret,
      256,
    ),
  );
  return { salt, key };
}

export const signingInputOf = (token) => token.slice(0, token.lastIndexOf('.'));

/** An HS256 token of the session, by jose. */
export const macToken = (kid, claims, key) =>
  new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: 'HS256', kid: `${kid}.${claims.sid}`, typ: 'engagement+jwt' })
    .sign(key);

/** The device's side of one session. */
export class SessionKey {
  static async make(gatewayJwk) {
    const made = new SessionKey();
    made.gateway = gatewayJwk;
    made.ephemeral = await makePair();
    return made;
  }
  get offer() {
    return { epk: publicPart(this.ephemeral), skid: this.gateway.kid };
  }
  /** The token that was sent with `offer` among its claims decides the key. */
  async settle(token) {
    this.key = (
      await deriveKey(await agree(this.ephemeral, this.gateway), signingInputOf(token))
    ).key;
  }
  token(kid, claims) {
    return macToken(kid, claims, this.key);
  }
}

export { b64 };
