// Makes sdk/vectors/session-key.json anew: node make-vectors.mjs > ../../sdk/vectors/session-key.json
import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import {
  agree,
  b64,
  deriveKey,
  info,
  kidOf,
  macToken,
  makePair,
  publicPart,
  signingInputOf,
} from './lib/session-key.mjs';

const iat = 1763812345.123;
const flip = (token, at) => {
  const c = token.at(at);
  return token.slice(0, at) + (c === 'A' ? 'B' : 'A') + token.slice(token.length + at + 1);
};

/** The tokens that follow the first one, with the result of each. */
async function tokensOf({ alg, kid, x, sid, claims, sign, offer, shared, key, good, other }) {
  const header = (fields) => b64(JSON.stringify({ typ: 'engagement+jwt', ...fields }));
  const payload = b64(JSON.stringify(claims(1)));
  const mac = good.slice(good.lastIndexOf('.') + 1);
  const short = b64(Buffer.from(mac, 'base64url').subarray(0, 31));
  return [
    ['made with the key', good, 'accept'],
    ['a later one', await macToken(kid, claims(2), key), 'accept'],
    ['the device signature goes on to be good', await sign(claims(3)), 'accept'],
    ['a bit of the MAC changed', flip(good, -10), 'bad-signature'],
    ['a MAC of 31 bytes', `${signingInputOf(good)}.${short}`, 'bad-signature'],
    ['the key of another first token', await macToken(kid, claims(1), other.key), 'bad-signature'],
    ['Z in place of the key', await macToken(kid, claims(1), shared), 'bad-signature'],
    [
      'the public key as the MAC key',
      await macToken(kid, claims(1), Buffer.from(x, 'base64url')),
      'bad-signature',
    ],
    [
      'HS256 without the session in kid',
      `${header({ alg: 'HS256', kid })}.${payload}.${mac}`,
      'malformed-token',
    ],
    [
      'HS256 with another session in kid',
      `${header({ alg: 'HS256', kid: `${kid}.other` })}.${payload}.${mac}`,
      'malformed-token',
    ],
    [
      `${alg} with the session in kid`,
      `${header({ alg, kid: `${kid}.${sid}` })}.${payload}.${mac}`,
      'malformed-token',
    ],
    [`${alg} over a MAC`, `${header({ alg, kid })}.${payload}.${mac}`, 'bad-signature'],
    ['HS256 that offers a key', await macToken(kid, claims(1, offer), key), 'malformed-token'],
  ].map(([name, token, result]) => ({ name, token, result }));
}

async function vector(alg) {
  const pair = await generateKeyPair(alg, { crv: 'Ed25519', extractable: true });
  const { kty, crv, x, y, d } = await exportJWK(pair.privateKey);
  const device = y ? { kty, crv, x, y, d } : { kty, crv, x, d };
  const kid = await calculateJwkThumbprint(y ? { kty, crv, x, y } : { kty, crv, x }, 'sha256');
  const ephemeral = await makePair();
  const gateway = await makePair();
  const sid = '4f1c9a52-7d0e-4c55-9a55-0b6c1c6b9e11';
  const claims = (sn, over = {}) => ({
    sub: 'student-17',
    cid: 'fire-safety-1',
    sid,
    sn,
    from: sn * 10000,
    to: sn * 10000 + 10000,
    pr: 1,
    iat: iat + 10 * sn,
    ...over,
  });
  const sign = (payload, header = {}) =>
    new CompactSign(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({ alg, kid, typ: 'engagement+jwt', ...header })
      .sign(pair.privateKey);
  const offer = { epk: publicPart(ephemeral), skid: await kidOf(gateway) };
  const first = await sign(claims(0, offer));
  const shared = await agree(ephemeral, gateway);
  const { salt, key } = await deriveKey(shared, signingInputOf(first));
  const good = await macToken(kid, claims(1), key);
  const other = await deriveKey(
    shared,
    signingInputOf(await sign(claims(0, { ...offer, iat: iat + 1 }))),
  );
  const tokens = await tokensOf({
    alg,
    kid,
    x,
    sid,
    claims,
    sign,
    offer,
    shared,
    key,
    good,
    other,
  });
  return {
    name: `a device key of ${alg}`,
    device,
    device_kid: kid,
    ephemeral,
    gateway,
    gateway_kid: offer.skid,
    first_token: first,
    z: b64(shared),
    salt: b64(salt),
    key: b64(key),
    tokens,
  };
}

const document = {
  about:
    'Session keys of docs/protocol.md, section 6. Keys are private JWKs; z, salt and key are base64url of ' +
    '32 bytes; the result is that of a gateway that has accepted first_token: accept, or the problem.',
  info,
  vectors: [await vector('ES256'), await vector('EdDSA')],
};
process.stdout.write(`${JSON.stringify(document, null, 1)}\n`);
