// A device: a key pair, and tokens signed with jose (the happy path) or by hand (everything else).

import crypto from 'node:crypto';
import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';

export const b64 = (bytes) => Buffer.from(bytes).toString('base64url');
export const uuid = () => crypto.randomUUID();

export class Device {
  static async make(alg = 'ES256') {
    const device = new Device();
    const pair = await generateKeyPair(alg, { crv: 'Ed25519', extractable: true });
    device.alg = alg;
    device.privateKey = pair.privateKey;
    const jwk = await exportJWK(pair.publicKey);
    device.jwk =
      alg === 'ES256'
        ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }
        : { crv: jwk.crv, kty: jwk.kty, x: jwk.x };
    device.kid = await calculateJwkThumbprint(device.jwk, 'sha256');
    device.nodeKey = crypto.createPrivateKey({
      key: await exportJWK(pair.privateKey),
      format: 'jwk',
    });
    return device;
  }

  get header() {
    return { alg: this.alg, kid: this.kid, typ: 'engagement+jwt' };
  }

  /** The whole token for these claims, by jose. */
  token(claims) {
    return new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader(this.header)
      .sign(this.privateKey);
  }

  /** 64 raw bytes over `input`. */
  sign(input, encoding = 'ieee-p1363') {
    return this.alg === 'ES256'
      ? crypto.sign('sha256', Buffer.from(input), { key: this.nodeKey, dsaEncoding: encoding })
      : crypto.sign(null, Buffer.from(input), this.nodeKey);
  }

  /** A token of any header and payload, given as text, so that they may be as wrong as wanted. */
  rawToken(header, payload, signature) {
    const input = `${b64(header)}.${b64(payload)}`;
    return `${input}.${b64(signature ?? this.sign(input))}`;
  }
}

/** The claims of one heartbeat; `over` changes or, with undefined, removes some. */
export function claims(student, module, sid, sn, from, to, over = {}) {
  const made = {
    sub: student,
    cid: module,
    sid,
    sn,
    from,
    to,
    pr: 1,
    iat: Date.now() / 1000,
    ...over,
  };
  for (const name of Object.keys(made)) if (made[name] === undefined) delete made[name];
  return made;
}
