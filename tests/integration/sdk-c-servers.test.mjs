// The C SDK's example against servers that are no gateway.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http2 from 'node:http2';
import { calculateJwkThumbprint, compactVerify, importJWK } from 'jose';
import { temporaryDirectory } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import {
  algorithmOf,
  claimsOf,
  count,
  credit,
  creditAt,
  creditedResult,
  impostor,
  quick,
  Watcher,
} from './lib/watcher.mjs';

describe('the C SDK and servers that are no gateway', { concurrency: 4 }, () => {
  let directory;
  before(() => (directory = temporaryDirectory('sdk-c')));
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  async function against(respond, ...more) {
    const keys = typeof more[0] === 'object' ? JSON.stringify(more.shift()) : undefined;
    const server = await impostor(directory, respond, keys);
    const watcher = new Watcher(directory);
    Object.assign(watcher, { url: server.url, ca: server.cert, module: 'm' });
    // It ends as soon as everything is delivered; a busy machine may take long for that.
    const { code } = await watcher
      .play('--seconds', '2', '--linger', '60', ...quick, ...more)
      .ended();
    await server.stop();
    return {
      server,
      watcher,
      code,
      posts: server.seen.filter((each) => each.path === '/v1/heartbeats'),
    };
  }

  test('its tokens verify in jose, and its thumbprint is that of jose', async () => {
    const { watcher, code, posts } = await against(credit, '--rate', '1.25');
    assert.equal(code, 0, watcher.out);
    assert.equal(
      await calculateJwkThumbprint(watcher.identity.jwk, 'sha256'),
      watcher.identity.kid,
    );
    const key = await importJWK(watcher.identity.jwk, 'ES256');
    let at = 0;
    for (const { body } of posts)
      for (const token of body.split('\n')) {
        const { payload, protectedHeader } = await compactVerify(token, key);
        assert.deepEqual(protectedHeader, {
          alg: 'ES256',
          kid: watcher.identity.kid,
          typ: 'engagement+jwt',
        });
        const claims = JSON.parse(Buffer.from(payload));
        assert.equal(claims.from, at);
        assert.equal(claims.pr, 1.25);
        assert.ok(Math.abs(claims.iat * 1000 - Date.now()) < 60_000);
        at = claims.to;
      }
    assert.equal(at, 2000);
  });

  const odd = {
    'a response that is not JSON': [
      1,
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.end('<html>Sign in</html>');
      },
    ],
    'a 200 with garbage in it': [
      1,
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.end('{"results":[{"status":"credited","sn":"x"}]}');
      },
    ],
    'results of other heartbeats': [
      1,
      (stream, body) => {
        stream.respond({ ':status': 200 });
        stream.end(
          JSON.stringify({
            results: body.split('\n').map(() => ({ sid: 'other', sn: 0, status: 'credited' })),
          }),
        );
      },
    ],
    'a redirect': [
      2,
      (stream) => {
        stream.respond({ ':status': 302, location: 'https://example.org/' });
        stream.end();
      },
    ],
    'a 404 of somebody else': [
      1,
      (stream) => {
        stream.respond({ ':status': 404 });
        stream.end('not here');
      },
    ],
    'a response without end': [
      1,
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.end('['.repeat(200_000));
      },
    ],
    'a reset': [0, (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)],
    'a connection that is cut': [0, (stream) => stream.session.destroy()],
    'a 500': [
      undefined,
      (stream) => {
        stream.respond({ ':status': 500 });
        stream.end('oops');
      },
    ],
    'a 503 with Retry-After': [
      undefined,
      (stream) => {
        stream.respond({ ':status': 503, 'retry-after': '1' });
        stream.end();
      },
    ],
  };
  for (const [name, [failure, respond]] of Object.entries(odd))
    test(`${name} loses nothing`, async () => {
      const { watcher, code, posts } = await against((stream, body, number) =>
        number <= 2 ? respond(stream, body) : credit(stream, body),
      );
      assert.equal(code, 0, watcher.out);
      if (failure !== undefined)
        assert.equal(count(watcher.out, `failure ${failure} `), 1, watcher.out);
      assert.equal(watcher.status.dropped, 0);
      assert.equal(watcher.status.buffered, 0);
      const delivered = posts.at(-1).body.split('\n').map(claimsOf);
      assert.equal(delivered.at(-1).to, 2000);
      assert.ok(posts.every((each) => each.path === '/v1/heartbeats'));
    });

  test('a trusted certificate of another name is not talked to; nothing is lost', async () => {
    const other = await impostor(directory, credit, undefined, 'elsewhere.example');
    const watcher = new Watcher(directory);
    Object.assign(watcher, { url: other.url, ca: other.cert, module: 'm' });
    const refused = await watcher.play('--seconds', '1', '--linger', '10', ...quick).ended();
    await other.stop();
    assert.equal(refused.code, 1);
    assert.match(watcher.out, /failure 0 the gateway's certificate is not trusted/);
    assert.equal(count(watcher.out, 'failure '), 1, watcher.out);
    assert.deepEqual(other.seen, []);
    assert.equal(watcher.status.buffered, 1);
    const good = await impostor(directory, credit);
    Object.assign(watcher, { url: good.url, ca: good.cert });
    const { code } = await watcher.play('--from', '1', '--seconds', '1', ...quick).ended();
    await good.stop();
    assert.equal(code, 0, watcher.out);
    const delivered = good.seen
      .filter((each) => each.path === '/v1/heartbeats')
      .flatMap(({ body }) => body.split('\n').map(claimsOf));
    assert.deepEqual(
      delivered.map(({ from, to }) => [from, to]),
      [
        [0, 1000],
        [1000, 2000],
      ],
    );
  });

  test('a clock that is an hour off is corrected by the first response', async () => {
    let refused = 0;
    const { watcher, code, posts } = await against((stream, body) => {
      const serverTime = Date.now() / 1000 + 3600;
      if (
        body
          .split('\n')
          .map(claimsOf)
          .some(({ iat }) => Math.abs(iat - serverTime) > 30)
      ) {
        ++refused;
        stream.respond({ ':status': 401, 'content-type': 'application/problem+json' });
        return stream.end(
          JSON.stringify({ type: 'urn:watchkeeper:problem:stale-token', server_time: serverTime }),
        );
      }
      creditAt(stream, body, serverTime);
    });
    assert.equal(code, 0, watcher.out);
    assert.equal(refused, 1);
    assert.ok(Math.abs(watcher.status.clock_offset_ms - 3_600_000) < 1000);
    assert.equal(claimsOf(posts[0].body).sn, claimsOf(posts[1].body).sn);
  });

  /** The gateway's side of session keys, out of section 6 of the protocol and Node's own cryptography. */
  class Keeper {
    constructor() {
      this.pair = crypto.createECDH('prime256v1');
      const point = this.pair.generateKeys();
      const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) =>
        half.toString('base64url'),
      );
      const members = JSON.stringify({ crv: 'P-256', kty: 'EC', x, y });
      this.kid = crypto.createHash('sha256').update(members).digest('base64url');
      this.set = {
        keys: [{ kty: 'EC', crv: 'P-256', use: 'enc', alg: 'ECDH-ES', kid: this.kid, x, y }],
      };
      this.algorithms = [];
    }
    /** The problem's name, or undefined. */
    receive(token) {
      const input = token.slice(0, token.lastIndexOf('.'));
      const { alg, kid } = JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
      const { epk, skid, sid } = claimsOf(token);
      this.algorithms.push(alg);
      if (alg === 'HS256') {
        assert.ok(kid.endsWith(`.${sid}`));
        if (!this.key) return 'session-key-unknown';
        const mac = crypto.createHmac('sha256', this.key).update(input).digest('base64url');
        return token === `${input}.${mac}` ? undefined : 'bad-signature';
      }
      if (!epk) return undefined;
      assert.equal(skid, this.kid);
      const point = Buffer.concat([
        Buffer.from([4]),
        Buffer.from(epk.x, 'base64url'),
        Buffer.from(epk.y, 'base64url'),
      ]);
      const salt = crypto.createHash('sha256').update(input).digest();
      this.key = Buffer.from(
        crypto.hkdfSync(
          'sha256',
          this.pair.computeSecret(point),
          salt,
          'watchkeeper session key v1',
          32,
        ),
      );
      return undefined;
    }
    respond(stream, body) {
      const problems = body.split('\n').map((token) => this.receive(token));
      if (!problems.some(Boolean)) return credit(stream, body);
      const [problem] = problems;
      if (problems.length > 1) {
        stream.respond({ ':status': 200, 'content-type': 'application/json' });
        const results = body.split('\n').map((token, i) => {
          const { sid, sn } = claimsOf(token);
          return problems[i]
            ? { sid, sn, status: 'rejected', problem: problems[i] }
            : creditedResult(token);
        });
        stream.end(JSON.stringify({ server_time: Date.now() / 1000, results }));
        return;
      }
      stream.respond({ ':status': 401, 'content-type': 'application/problem+json' });
      stream.end(
        JSON.stringify({
          type: `urn:watchkeeper:problem:${problem}`,
          server_time: Date.now() / 1000,
        }),
      );
    }
  }

  test('one signature a session; a gateway that forgot the key costs one request', async () => {
    const keeper = new Keeper();
    const { watcher, code, posts } = await against(
      (stream, body, number) => {
        if (number === 3) keeper.key = undefined;
        keeper.respond(stream, body);
      },
      keeper.set,
      '--heartbeat-ms',
      '250',
    );
    assert.equal(code, 0, watcher.out);
    // What is due before the first response has come is signed by the device, and on a machine that is busy
    // several heartbeats may share a request.
    const signedBy = (from, to) =>
      posts
        .slice(from, to)
        .map(({ body }) => [...new Set(body.split('\n').map(algorithmOf))].join('+'))
        .join(' ');
    assert.equal(signedBy(0, 2), 'ES256 HS256');
    assert.equal(signedBy(2, 3), 'HS256'); // refused
    assert.match(signedBy(3, 4), /^ES256(\+HS256)?$/);
    assert.match(signedBy(4), /^HS256( HS256)*$/);
    const first = (number) => claimsOf(posts[number].body.split('\n')[0]);
    assert.equal(first(2).sn, first(3).sn);
    assert.equal(first(0).epk.x, first(3).epk.x);
    assert.equal(
      watcher.status.session_signatures,
      keeper.algorithms.filter((alg) => alg === 'HS256').length,
    );
    assert.equal(watcher.status.dropped, 0);
  });

  test('a gateway that forgets every key is asked for its own once more, past any cache', async () => {
    const keeper = new Keeper();
    const { server, watcher, code } = await against(
      (stream, body) => {
        keeper.respond(stream, body);
        keeper.key = undefined;
      },
      keeper.set,
      '--heartbeat-ms',
      '250',
    );
    assert.equal(code, 0, watcher.out);
    assert.equal(watcher.status.dropped, 0);
    const asked = server.seen.filter((each) => each.path === '/v1/keys');
    assert.deepEqual(
      asked.map(({ headers }) => headers['cache-control']),
      [undefined, 'no-cache'],
    );
  });

  test('a heartbeat by a session key is under 480 bytes up', async (t) => {
    const runs = [];
    for (const seconds of ['2', '12']) {
      const keeper = new Keeper();
      const { watcher, code } = await against(
        (stream, body) => {
          for (const token of body.split('\n')) assert.equal(keeper.receive(token), undefined);
          credit(stream, body);
        },
        keeper.set,
        '--seconds',
        seconds,
        '--heartbeat-ms',
        '200',
      );
      assert.equal(code, 0, watcher.out);
      // The first response brings the key: what is due before it came is signed by the device.
      assert.ok(watcher.status.device_signatures < watcher.status.session_signatures, watcher.out);
      runs.push(watcher.status);
    }
    const up =
      (runs[1].bytes_up - runs[0].bytes_up) / (runs[1].acknowledged - runs[0].acknowledged);
    t.diagnostic(`HS256: ${up.toFixed(0)} up`);
    assert.ok(up > 300 && up < 480);
  });
});
