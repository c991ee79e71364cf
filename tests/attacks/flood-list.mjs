// What a client may flood a server with: frames that are cheap to send and dear to answer.
import {
  block,
  code,
  flag,
  frame,
  request,
  setting,
  settingsOf,
  type,
  u32,
} from '../integration/lib/raw-http2.mjs';

const { calm } = code;
const whole = flag.endStream | flag.endHeaders;
export const get = block(request('GET', '/healthz'));
const post = block(request('POST', '/v1/heartbeats'));
export const streamOf = (i) => 1 + 2 * i;
/** Opens one request with a body, then floods it. */
const onOpenStream = (once) => (c, i) => {
  if (i === 0) c.post(1);
  once(c, i);
};
/** The server resets a stream of its own for what the client does to it (CVE-2025-8671). */
const madeToReset =
  (head, ...provoke) =>
  (c, i) => {
    const stream = streamOf(i);
    c.send(
      head(stream),
      ...provoke.map(([kind, flags, payload]) => frame(kind, flags, stream, payload)),
    );
  };
/** So many streams at once may also be more than are allowed, before the resets are sent. */
const resetCodes = [calm, code.protocol];
const opened = (stream) => frame(type.headers, flag.endHeaders, stream, post);

/** Floods: name, what is sent for the i-th time, most often, the codes of the GOAWAY. */
export const floods = [
  [
    'rapid reset (CVE-2023-44487)',
    (c, i) => {
      c.send(
        frame(type.headers, whole, streamOf(i), get),
        frame(type.reset, 0, streamOf(i), u32(code.cancel)),
      );
    },
    1000,
    [calm],
  ],
  [
    'made to reset: a window that overflows',
    madeToReset(opened, [type.window, 0, u32(0x7fff_ffff)]),
    1000,
    resetCodes,
  ],
  [
    'made to reset: a window update of 0',
    madeToReset(opened, [type.window, 0, u32(0)]),
    1000,
    resetCodes,
  ],
  [
    'made to reset: PRIORITY of a wrong length',
    madeToReset(opened, [type.priority, 0, 'four']),
    1000,
    [calm, code.frameSize],
  ],
  [
    'made to reset: two content-lengths',
    madeToReset((stream) =>
      frame(
        type.headers,
        flag.endHeaders,
        stream,
        Buffer.concat([
          post,
          block([
            ['content-length', '1'],
            ['content-length', '1'],
          ]),
        ]),
      ),
    ),
    1000,
    resetCodes,
  ],
  [
    'made to reset: an upper-case field name',
    madeToReset((stream) =>
      frame(type.headers, whole, stream, Buffer.concat([get, block([['Upper', '1']])])),
    ),
    1000,
    resetCodes,
  ],
  [
    'made to reset: a body that is too long for its content-length',
    madeToReset(
      (stream) =>
        frame(
          type.headers,
          flag.endHeaders,
          stream,
          Buffer.concat([post, block([['content-length', '1']])]),
        ),
      [type.data, 0, 'two'],
    ),
    1000,
    resetCodes,
  ],
  [
    'SETTINGS (CVE-2019-9515)',
    (c) => c.frame(type.settings, 0, 0, settingsOf([setting.window, 1000])),
    1000,
    [calm],
  ],
  ['empty SETTINGS', (c) => c.frame(type.settings, 0, 0), 1000, [calm]],
  [
    'SETTINGS that change every window',
    (c, i) => {
      if (i < 60) return c.frame(type.headers, flag.endHeaders, streamOf(i), post);
      return c.frame(
        type.settings,
        0,
        0,
        settingsOf(...Array.from({ length: 12 }, (_, k) => [setting.window, k])),
      );
    },
    1000,
    [calm],
  ],
  ['PING (CVE-2019-9512)', (c) => c.frame(type.ping, 0, 0, '12345678'), 1000, [calm]],
  ['acknowledgements of PING', (c) => c.frame(type.ping, flag.ack, 0, '12345678'), 1000, [calm]],
  ['empty DATA (CVE-2019-9518)', onOpenStream((c) => c.data(1, '')), 2000, [calm]],
  [
    'DATA of padding alone',
    onOpenStream((c) => c.frame(type.data, flag.padded, 1, Buffer.from([2, 0, 0]))),
    2000,
    [calm],
  ],
  [
    'PRIORITY (CVE-2019-9513)',
    (c, i) => c.frame(type.priority, 0, streamOf(i), Buffer.from([0, 0, 0, 0, 16])),
    2000,
    [calm],
  ],
  ['WINDOW_UPDATE on the connection', (c) => c.frame(type.window, 0, 0, u32(1)), 4000, [calm]],
  [
    'WINDOW_UPDATE on a stream',
    onOpenStream((c) => c.frame(type.window, 0, 1, u32(1))),
    4000,
    [calm],
  ],
  [
    'WINDOW_UPDATE on a stream that is gone',
    (c, i) => (i === 0 ? c.get(1) : c.frame(type.window, 0, 1, u32(1))),
    4000,
    [calm],
  ],
  ['unknown frames', (c) => c.frame(0x77, 0, 0, ''), 2000, [calm]],
  ['GOAWAY', (c) => c.frame(type.goaway, 0, 0, Buffer.alloc(8)), 2000, [calm, code.none, null]],
  [
    'unknown frames, as large as may be',
    (c) => c.frame(0x77, 0, 0, Buffer.alloc(16_384)),
    1100,
    [calm],
  ],
  [
    'DATA with more padding than bytes',
    onOpenStream((c) => {
      c.frame(
        type.data,
        flag.padded,
        1,
        Buffer.concat([Buffer.from([255, 97]), Buffer.alloc(255)]),
      );
    }),
    40_000,
    [calm],
  ],
  [
    'CONTINUATION without an end (CVE-2024-27316)',
    (c, i) => {
      if (i === 0) return c.frame(type.headers, 0, 1, get);
      return c.frame(type.continuation, 0, 1, block([['x', 'y']]));
    },
    100,
    [calm],
  ],
  [
    'empty CONTINUATION',
    (c, i) => {
      if (i === 0) return c.frame(type.headers, 0, 1, get);
      return c.frame(type.continuation, 0, 1);
    },
    100,
    [calm],
  ],
  ['empty header blocks', (c, i) => c.frame(type.headers, whole, streamOf(i)), 1000, resetCodes],
];
