// HTTP/2 to the letter, over TLS and in cleartext: the cases are in lib/http2-cases.mjs.
import assert from 'node:assert/strict';
import { Gateway } from './lib/gateway.mjs';
import { cases } from './lib/http2-cases.mjs';
import { RawHttp2, setting, settingsOf, type } from './lib/raw-http2.mjs';
import { after, before, describe, test } from './lib/test.mjs';

/** What came of stream `stream`, in the words of the table. */
async function outcome(client, stream, expected) {
  const may = (kind) => expected.some((one) => one.kind === kind);
  if (may('serves')) {
    await client.pinged('the-end?');
    return { kind: 'serves' };
  }
  const hasResponse = () =>
    (may('response') || may('last response')) && client.response(stream).ended;
  const resets = () => may('resets') && client.response(stream).reset !== undefined;
  await client.until('an outcome', () => client.closed || hasResponse() || resets());
  const { reset, status } = client.response(stream);
  if (resets()) return { kind: 'resets', code: reset };
  if (hasResponse()) return { kind: may('last response') ? 'last response' : 'response', status };
  return { kind: 'ends', code: client.goaway };
}

const fits = (expected, got) =>
  expected.kind === got.kind &&
  (expected.codes === undefined || expected.codes.includes(got.code)) &&
  (expected.status === undefined || expected.status === got.status);

describe('HTTP/2', () => {
  let gateway;
  before(async () => (gateway = await Gateway.start()));
  after(() => gateway?.stop());

  for (const secure of [true, false]) {
    describe(secure ? 'over TLS' : 'in cleartext', () => {
      for (const [section, name, wanted, act, options = {}] of cases) {
        test(`${section}: ${name}`, async () => {
          const port = secure ? gateway.port : gateway.cleartextPort;
          const client = await RawHttp2.connect({ port, secure });
          try {
            if (options.greets !== false) client.greet(...(options.settings ?? []));
            if (options.first) {
              await client.until('SETTINGS', () => client.frames.length > 0);
              const { payload } = client.frames[0];
              for (let i = 0; i < payload.length; i += 6)
                if (payload.readUInt16BE(i) === setting.streams)
                  client.streamsMax = payload.readUInt32BE(i + 2);
            }
            await act(client);
            const stream =
              typeof options.stream === 'function' ? options.stream(client) : (options.stream ?? 1);
            const expected = [wanted, options.also ?? []].flat();
            const got = await outcome(client, stream, expected);
            assert.ok(
              expected.some((one) => fits(one, got)),
              `${JSON.stringify(got)} is none of ${JSON.stringify(expected)}`,
            );
            if (got.kind === 'ends') return;
            if (got.kind === 'last response') return await client.ended();
            assert.equal(client.goaway, null);
            if (options.last || options.probe === false) return await client.pinged('are-you?');
            const next = 10_001;
            client.frame(type.settings, 0, 0, settingsOf([setting.window, 65_535]));
            client.get(next);
            assert.equal((await client.responded(next)).status, 200);
            // Nothing may come late, either.
            if (got.kind !== 'resets') assert.equal(client.response(stream).reset, undefined);
          } finally {
            await client.close();
          }
        });
      }
    });
  }

  test('after all that, it serves', async () => {
    assert.equal((await gateway.client.request('GET', '/healthz')).status, 200);
    assert.ok(!/terminate|exception|sanitizer/i.test(gateway.log), gateway.log);
  });
});
