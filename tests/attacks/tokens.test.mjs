// Floods of tokens: 50,000 each, with signatures that do not verify, of devices that nobody has enrolled, sent
// again and again, out of date. What holds is counted, not timed: how many reach the expensive step.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { Client } from '../integration/lib/client.mjs';
import { b64 } from '../integration/lib/device.mjs';
import { Gateway } from '../integration/lib/gateway.mjs';
import { Scene } from '../integration/lib/scene.mjs';
import { after, before, describe, test } from '../integration/lib/test.mjs';
import { beside, statistics } from './lib.mjs';

const flood = 50_000;
const tokensARequest = 16;
const connections = 6; // more than the deferred heartbeats that may be in flight: some wait
const requestsAConnection = 16;
const inFlight = connections * requestsAConnection * tokensARequest;
/** The limits of docs/configuration.md, [rate], as they are without one in the configuration. */
const failuresBurst = 2000;
const failuresPerSecond = 100;
const deviceBurst = 64;
const devicePerSecond = 4;

/** Each attacker has an address of its own: what one may do is not used up for the next, or for anybody else. */
let attackers = 0;
const attackersAddress = () => `127.0.66.${++attackers}`;

const anySignature = () => b64(crypto.randomBytes(64));
const withSignature = (token, signature) =>
  `${token.slice(0, token.lastIndexOf('.'))}.${signature}`;

describe('floods of tokens', () => {
  let gateway;
  before(async () => (gateway = await Gateway.start()));
  after(() => gateway?.stop());

  const verified = async () => {
    const { verification } = await statistics(gateway);
    return Object.values(verification).reduce((sum, { count }) => sum + count, 0);
  };

  /** Sends `flood` tokens, each from `next()`; gives how often each status or problem came, and the seconds. */
  async function send(next) {
    const responses = {};
    const late = []; // 429 without Retry-After
    let sent = 0;
    const localAddress = attackersAddress();
    const began = Date.now();
    await Promise.all(
      Array.from({ length: connections }, async () => {
        const client = new Client(gateway.origin, { localAddress });
        try {
          await Promise.all(
            Array.from({ length: requestsAConnection }, async () => {
              while (sent < flood) {
                const body = [];
                for (; body.length < tokensARequest && sent < flood; ++sent) body.push(next());
                const response = await gateway.send(body, { client });
                if (response.status === 429 && !(Number(response.headers['retry-after']) > 0))
                  late.push(response.text);
                const document = response.json;
                // Of a whole request there is one problem, of a token a result.
                for (const {
                  status,
                  type,
                  problem = type?.replace('urn:watchkeeper:problem:', ''),
                } of document.results ?? body.map(() => document)) {
                  const name = problem ?? status;
                  responses[name] = (responses[name] ?? 0) + 1;
                }
              }
            }),
          );
        } finally {
          await client.close();
        }
      }),
    );
    assert.deepEqual(late, []);
    return { responses, seconds: (Date.now() - began) / 1000 };
  }

  /**
   * One such flood beside an honest device, which is credited all the while. Gives also how many
   * signatures were verified for the attacker.
   */
  async function attack(next) {
    const honest = await Scene.make(gateway, { durationMs: 600_000 });
    let found;
    let credited = 0;
    let position = 0;
    const play = async () => {
      const result = await honest.credited(position, position + 1000);
      assert.equal(result.status, 'credited');
      position += 1000;
      ++credited;
    };
    const before = await verified();
    await beside(gateway, async () => {
      let over = false;
      const sending = send(next).finally(() => (over = true));
      // At most half of what it may send at once: its own limit is not what is looked at.
      while (!over && credited < deviceBurst / 2) await play();
      found = await sending;
      await play();
    });
    assert.ok(credited >= 2);
    return { ...found, verified: (await verified()) - before - credited };
  }

  const onlyThese = (responses, ...names) => {
    assert.deepEqual(
      Object.keys(responses).filter((name) => !names.includes(name)),
      [],
    );
    assert.equal(
      Object.values(responses).reduce((sum, count) => sum + count, 0),
      flood,
    );
  };

  /** Failures are charged to the address they came from; a few may be on several threads at once. */
  const failuresMax = (seconds) => failuresBurst + failuresPerSecond * (seconds + 1) + 16;

  for (const devices of [1, 50]) {
    test(`signatures that do not verify, of ${devices} enrolled device${devices > 1 ? 's' : ''}`, async () => {
      const scenes = [];
      for (let i = 0; i < devices; ++i) scenes.push(await Scene.make(gateway));
      const right = await Promise.all(scenes.map((scene) => scene.token(0, 1000)));
      let i = 0;
      const {
        responses,
        seconds,
        verified: count,
      } = await attack(() => withSignature(right[i++ % devices], anySignature()));
      onlyThese(responses, 'bad-signature', 'rate-limited');
      assert.ok(
        responses['bad-signature'] > 0 && responses['bad-signature'] <= failuresMax(seconds),
        JSON.stringify(responses),
      );
      assert.ok(count <= failuresMax(seconds), `${count} signatures were verified`);
      // Nobody can use up what a device may send: the right token is credited, from the attacker's victim.
      assert.equal((await gateway.send(right[0])).json.results[0].status, 'credited');
    });
  }

  test('devices that nobody has enrolled', async () => {
    const scene = await Scene.make(gateway);
    const [, claims] = (await scene.token(0, 1000)).split('.');
    const unknown = () =>
      `${b64(JSON.stringify({ alg: 'ES256', kid: b64(crypto.randomBytes(32)), typ: 'engagement+jwt' }))}.${claims}.${anySignature()}`;
    const { responses, seconds, verified: count } = await attack(unknown);
    // Each of them is looked up in the ledger, so they count like signatures that do not verify.
    onlyThese(responses, 'unknown-device', 'rate-limited', 'overloaded');
    // What is in flight when the limit is reached was looked up together, and is paid for afterwards.
    assert.ok(
      responses['unknown-device'] <= failuresMax(seconds) + inFlight,
      JSON.stringify(responses),
    );
    assert.equal(count, 0);
  });

  test('modules that are not in the catalogue', async () => {
    const scene = await Scene.make(gateway);
    const [header, claims] = (await scene.token(0, 1000)).split('.');
    const played = JSON.parse(Buffer.from(claims, 'base64url'));
    const elsewhere = () =>
      `${header}.${b64(JSON.stringify({ ...played, cid: crypto.randomUUID() }))}.${anySignature()}`;
    const { responses, seconds, verified: count } = await attack(elsewhere);
    onlyThese(responses, 'unknown-module', 'rate-limited', 'overloaded');
    assert.ok(
      responses['unknown-module'] <= failuresMax(seconds) + inFlight,
      JSON.stringify(responses),
    );
    assert.equal(count, 0);
  });

  test('one right token, again and again', async () => {
    const scene = await Scene.make(gateway);
    const right = await scene.token(0, 1000);
    const { responses, seconds, verified: count } = await attack(() => right);
    onlyThese(responses, 'credited', 'duplicate', 'rate-limited');
    assert.equal(responses.credited, 1);
    // Twice the burst: the gateway reads a device anew after it was enrolled, and counts anew then.
    const most = 2 * deviceBurst + devicePerSecond * (seconds + 1);
    assert.ok(count <= most, `${count} signatures were verified, ${most} at most`);
    assert.deepEqual((await scene.progress()).coverage, [[0, 1000]]);
  });

  test('tokens of yesterday', async () => {
    const scene = await Scene.make(gateway);
    const stale = await scene.token(0, 1000, { iat: Date.now() / 1000 - 86_400 });
    const { responses, verified: count } = await attack(() => stale);
    onlyThese(responses, 'stale-token', 'rate-limited');
    assert.equal(count, 0);
  });

  test('text that is no token', async () => {
    const { responses, verified: count } = await attack(() => b64(crypto.randomBytes(300)));
    onlyThese(responses, 'malformed-token', 'rate-limited');
    assert.equal(count, 0);
  });

  test('after all that, it serves, and its log holds no token', async () => {
    const scene = await Scene.make(gateway);
    assert.equal((await scene.credited(0, 1000)).status, 'credited');
    assert.ok(!/terminate|exception|sanitizer/i.test(gateway.log), gateway.log);
    assert.ok(!/eyJ[A-Za-z0-9_-]{20}/.test(gateway.log));
  });
});
