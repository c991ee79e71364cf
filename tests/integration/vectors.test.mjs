// sdk/vectors/session-key.json says what WebCrypto says: the file that the SDKs and the gateway check too.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { calculateJwkThumbprint, compactVerify, importJWK } from 'jose';
import { agree, b64, deriveKey, info, kidOf, signingInputOf } from './lib/session-key.mjs';
import { root } from './lib/stores.mjs';
import { describe, test } from './lib/test.mjs';

const file = JSON.parse(
  fs.readFileSync(path.join(root, 'sdk', 'vectors', 'session-key.json'), 'utf8'),
);
assert.equal(file.info, info);

for (const vector of file.vectors) {
  describe(`vector: ${vector.name}`, () => {
    const { d, ...devicePublic } = vector.device;

    test('kids are thumbprints', async () => {
      assert.ok(d);
      assert.equal(await calculateJwkThumbprint(devicePublic, 'sha256'), vector.device_kid);
      assert.equal(await kidOf(vector.gateway), vector.gateway_kid);
    });

    test('the first token is signed by the device and offers the key', async () => {
      const { payload, protectedHeader } = await compactVerify(
        vector.first_token,
        await importJWK(devicePublic, vector.device.crv === 'P-256' ? 'ES256' : 'EdDSA'),
      );
      assert.equal(protectedHeader.kid, vector.device_kid);
      const claims = JSON.parse(Buffer.from(payload).toString());
      assert.equal(claims.skid, vector.gateway_kid);
      assert.equal(claims.epk.x, vector.ephemeral.x);
      assert.ok(vector.first_token.length < 1024);
    });

    test('both sides agree', async () => {
      assert.equal(b64(await agree(vector.ephemeral, vector.gateway)), vector.z);
      assert.equal(b64(await agree(vector.gateway, vector.ephemeral)), vector.z);
      const { salt, key } = await deriveKey(
        Buffer.from(vector.z, 'base64url'),
        signingInputOf(vector.first_token),
      );
      assert.equal(b64(salt), vector.salt);
      assert.equal(b64(key), vector.key);
    });

    test('a MAC is accepted where it is the HMAC under the key, and only there', () => {
      for (const { name, token, result } of vector.tokens) {
        const header = JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString());
        if (header.alg !== 'HS256') continue;
        const mac = crypto
          .createHmac('sha256', Buffer.from(vector.key, 'base64url'))
          .update(signingInputOf(token))
          .digest('base64url');
        if (result === 'accept') assert.equal(token.split('.')[2], mac, name);
        if (result === 'bad-signature') assert.notEqual(token.split('.')[2], mac, name);
      }
    });
  });
}
