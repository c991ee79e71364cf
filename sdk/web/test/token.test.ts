import fs from 'node:fs';
import {
  calculateJwkThumbprint,
  compactVerify,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';
import { describe, expect, test } from 'vitest';
import { deviceKey } from '../src/device.js';
import { deriveSessionKey, gatewayKey, SessionKey } from '../src/session-key.js';
import { MemoryStore } from '../src/store.js';
import { base64url, sign, utf8 } from '../src/token.js';

const claims = {
  sub: 'student-17',
  cid: 'fire-safety-1',
  sid: 'AAAAAAAAAAAAAAAAAAAAAA',
  sn: 17,
  from: 160_000,
  to: 170_000,
  pr: undefined,
  iat: 1763812345.1,
};

describe('tokens', () => {
  test('jose verifies what the device signs, under the thumbprint that jose computes', async () => {
    const { kid, jwk, privateKey } = await deviceKey(new MemoryStore(), 'student-17');
    expect(Object.keys(jwk).sort()).toEqual(['crv', 'kty', 'x', 'y']);
    expect(kid).toBe(await calculateJwkThumbprint(jwk as JWK, 'sha256'));
    expect(privateKey.extractable).toBe(false);
    for (let i = 0; i < 20; ++i) {
      const { text, signingInput } = await sign('ES256', kid, privateKey, { ...claims, sn: i });
      const { payload, protectedHeader } = await compactVerify(
        text,
        await importJWK(jwk as JWK, 'ES256'),
      );
      expect(protectedHeader).toEqual({ alg: 'ES256', kid, typ: 'engagement+jwt' });
      const { pr: _, ...written } = claims;
      expect(JSON.parse(new TextDecoder().decode(payload))).toEqual({ ...written, sn: i });
      expect(text.startsWith(`${signingInput}.`)).toBe(true);
      expect(text.split('.')[2]).toHaveLength(86);
    }
  });

  test('the longest names still make a token under one kilobyte, with the offer of a session key too', async () => {
    const { kid, privateKey } = await deviceKey(new MemoryStore(), 's');
    const key = new SessionKey();
    const { publicKey } = await generateKeyPair('ECDH-ES', { crv: 'P-256' });
    const offer = await key.offer({ kid, key: publicKey as CryptoKey });
    const long = {
      ...claims,
      sub: 'x'.repeat(64),
      cid: 'y'.repeat(64),
      sid: 'z'.repeat(64),
      sn: 2 ** 31 - 1,
      from: 86_370_000,
      to: 86_400_000,
      pr: 1.25,
    };
    expect((await sign('ES256', kid, privateKey, { ...long, ...offer })).text.length).toBeLessThan(
      1_024,
    );
    const mac = await crypto.subtle.importKey(
      'raw',
      new Uint8Array(32),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign'],
    );
    expect((await sign('HS256', `${kid}.${long.sid}`, mac, long)).text.length).toBeLessThan(1_024);
  });

  test('the private key cannot be taken out', async () => {
    const { privateKey } = await deviceKey(new MemoryStore(), 's');
    for (const format of ['jwk', 'pkcs8'] as const)
      await expect(crypto.subtle.exportKey(format as 'pkcs8', privateKey)).rejects.toThrow();
  });

  test('one student has one key, two have two', async () => {
    const store = new MemoryStore();
    const [a, b] = await Promise.all([deviceKey(store, 'ann'), deviceKey(store, 'ann')]);
    expect(a.kid).toBe(b.kid);
    expect((await deviceKey(store, 'bob')).kid).not.toBe(a.kid);
  });

  test('base64url is that of RFC 4648, without padding', () => {
    for (let n = 0; n < 70; ++n) {
      const bytes = crypto.getRandomValues(new Uint8Array(n));
      expect(base64url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
    }
  });
});

interface Vector {
  name: string;
  ephemeral: JWK;
  gateway: JWK;
  gateway_kid: string;
  device_kid: string;
  first_token: string;
  salt: string;
  key: string;
  tokens: { name: string; token: string; result: string }[];
}
const file = new URL('../../vectors/session-key.json', import.meta.url);
const { vectors } = JSON.parse(fs.readFileSync(file, 'utf8')) as { vectors: Vector[] };
const CURVE = { name: 'ECDH', namedCurve: 'P-256' };

describe('session keys', () => {
  test('there are vectors', () => expect(vectors.length).toBeGreaterThan(0));

  for (const vector of vectors) {
    test(`the published vector: ${vector.name}`, async () => {
      const { d: _, ...open } = vector.gateway;
      const gateway = await gatewayKey({
        keys: [{ ...open, use: 'enc', kid: vector.gateway_kid }],
      });
      expect(gateway?.kid).toBe(vector.gateway_kid);
      const ephemeral = await crypto.subtle.importKey(
        'jwk',
        vector.ephemeral as JsonWebKey,
        CURVE,
        false,
        ['deriveBits'],
      );
      const input = vector.first_token.slice(0, vector.first_token.lastIndexOf('.'));
      expect(base64url(await crypto.subtle.digest('SHA-256', utf8(input)))).toBe(vector.salt);
      const mac = await deriveSessionKey(ephemeral, gateway!.key, input);
      expect(mac.extractable).toBe(false);
      let compared = 0;
      for (const { token, result } of vector.tokens) {
        if (result !== 'accept' && result !== 'bad-signature') continue;
        const [header, payload] = token
          .split('.')
          .map((part) => Buffer.from(part, 'base64url').toString());
        if ((JSON.parse(header!) as { alg: string }).alg !== 'HS256') continue;
        const signed = JSON.parse(payload!) as typeof claims;
        const made = await sign('HS256', `${vector.device_kid}.${signed.sid}`, mac, signed);
        expect(made.text === token, token).toBe(result === 'accept');
        const secret = Buffer.from(vector.key, 'base64url');
        expect((await compactVerify(made.text, secret)).protectedHeader.alg).toBe('HS256');
        ++compared;
      }
      expect(compared).toBeGreaterThan(0);
    });
  }

  test('only a key that fits is taken from the set', async () => {
    const { publicKey } = await generateKeyPair('ECDH-ES', { crv: 'P-256', extractable: true });
    const good = { ...(await exportJWK(publicKey)), kid: 'k', use: 'enc' };
    expect(
      (
        await gatewayKey({
          keys: [
            null,
            { kty: 'RSA' },
            { ...good, use: 'sig' },
            { ...good, crv: 'P-384' },
            { ...good, x: 'AAAA' },
            { ...good, kid: 7 },
            good,
          ],
        })
      )?.kid,
    ).toBe('k');
    for (const nonsense of [
      null,
      7,
      'keys',
      {},
      { keys: {} },
      { keys: [] },
      { keys: [{ ...good, y: good.x }] },
    ])
      expect(await gatewayKey(nonsense)).toBeUndefined();
  });
});
