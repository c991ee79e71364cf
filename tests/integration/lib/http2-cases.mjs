// What RFC 9113 (HTTP/2) and RFC 7541 (HPACK) want of a server, one case a line: the section, what
// the client does, and what has to come of it.
import {
  block,
  code,
  field,
  flag,
  frame,
  integer,
  preface,
  request,
  setting,
  settingsOf,
  type,
  u32,
} from './raw-http2.mjs';

/** The connection ends with a GOAWAY of one of these codes. */
export const ends = (...codes) => ({ kind: 'ends', codes });
/** Stream 1 is reset with one of these codes, and the connection serves on. */
export const resets = (...codes) => ({ kind: 'resets', codes });
/** Stream 1 is answered so, and the connection serves on. */
export const respondsWith = (status) => ({ kind: 'response', status });
/** Nothing is ended, and the connection serves on. */
export const serves = { kind: 'serves' };

const { protocol, frameSize, compression, flow, closed, refused } = code;
const bytes = (...list) => Buffer.from(list);
const good = block(request('GET', '/healthz'));
const without = (name) => request('GET', '/healthz').filter(([n]) => n !== name);
const replaced = (name, value) =>
  request('GET', '/healthz').map(([n, v]) => [n, n === name ? value : v]);
const { endStream, endHeaders, padded } = flag;
const whole = endStream | endHeaders;
/** Ends with a response that waits for window: the stream is half-closed (remote). */
const noWindow = { settings: [[setting.window, 0]] };
const raw = { greets: false };

const closedByReset = async (c) => {
  c.get(1);
  await c.until('the header fields', () => c.response(1).status);
  c.frame(type.reset, 0, 1, u32(code.cancel));
  await c.pinged();
};
const responded = async (c) => {
  c.get(1);
  await c.responded(1);
};
const headersWith =
  (...more) =>
  (c) =>
    c.headers(1, [...request('GET', '/healthz'), ...more]);
const fieldsOf = (fields) => (c) => c.headers(1, fields);
const blockOf =
  (...parts) =>
  (c) =>
    c.headers(1, Buffer.concat(parts));
const bodyOf =
  (length, body, end = true) =>
  (c) => {
    c.headers(1, [...request('POST', '/v1/heartbeats'), ['content-length', length]], {
      end: false,
    });
    c.data(1, body, end);
  };
const huffman = (name, value, size = value.length) =>
  Buffer.concat([
    bytes(0),
    integer(0, 7, name.length),
    Buffer.from(name),
    integer(0x80, 7, size),
    Buffer.from(value),
  ]);

export const cases = [
  // RFC 9113 ------------------------------------------------------------------------------------
  [
    '3.4',
    'a preface that is another protocol',
    ends(protocol),
    (c) => c.send(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')),
    raw,
  ],
  [
    '3.4',
    'a preface with one wrong byte',
    ends(protocol),
    (c) => c.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\rX'), frame(type.settings, 0, 0)),
    raw,
  ],
  [
    '3.4',
    'a preface without SETTINGS behind it',
    ends(protocol),
    (c) => c.send(preface, frame(type.ping, 0, 0, '12345678')),
    raw,
  ],
  [
    '3.4',
    'an acknowledgement in place of SETTINGS',
    ends(protocol),
    (c) => c.send(preface, frame(type.settings, flag.ack, 0)),
    raw,
  ],
  [
    '3.4',
    'preface and SETTINGS byte by byte',
    respondsWith(200),
    (c) => {
      for (const byte of Buffer.concat([
        preface,
        frame(type.settings, 0, 0, settingsOf([setting.tableSize, 0])),
      ]))
        c.send(Buffer.from([byte]));
      c.get(1);
    },
    raw,
  ],
  ['3.4', 'requests at once behind the preface', respondsWith(200), (c) => c.get(1)],

  ['4.1', 'a frame of an unknown type', serves, (c) => c.frame(0x16, 0, 0, 'anything')],
  [
    '4.1',
    'a frame of an unknown type on a stream',
    serves,
    (c) => c.frame(0x16, 0xff, 1, 'anything'),
  ],
  ['4.1', 'flags that mean nothing', serves, (c) => c.frame(type.ping, 0xfe, 0, '12345678')],
  [
    '4.1',
    'the reserved bit before the stream number',
    respondsWith(200),
    (c) => c.frame(type.headers, whole, 0x8000_0001, good),
  ],
  [
    '4.1',
    'flags that mean nothing on HEADERS',
    respondsWith(200),
    (c) => c.frame(type.headers, whole | (0xd2 & ~0x08), 1, good),
  ],

  [
    '4.2',
    'DATA of 16,384 bytes',
    respondsWith(413),
    (c) => {
      c.post(1);
      c.data(1, Buffer.alloc(16384, 0x61), true);
    },
  ],
  [
    '4.2',
    'DATA above SETTINGS_MAX_FRAME_SIZE',
    ends(frameSize),
    (c) => {
      c.post(1);
      c.data(1, Buffer.alloc(16385), true);
    },
  ],
  [
    '4.2',
    'HEADERS above SETTINGS_MAX_FRAME_SIZE',
    ends(frameSize),
    (c) => c.headers(1, Buffer.alloc(16385, 0x82)),
  ],
  [
    '4.2',
    'SETTINGS above SETTINGS_MAX_FRAME_SIZE',
    ends(frameSize),
    (c) =>
      c.frame(type.settings, 0, 0, settingsOf(...Array.from({ length: 2731 }, () => [0xff, 0]))),
  ],
  [
    '4.2',
    'an unknown frame above SETTINGS_MAX_FRAME_SIZE',
    ends(frameSize),
    (c) => c.frame(0x16, 0, 0, Buffer.alloc(16385)),
  ],

  [
    '4.3',
    'a header block that is no HPACK',
    ends(compression),
    blockOf(bytes(0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)),
  ],
  [
    '4.3',
    'a header block that ends within a field',
    ends(compression),
    blockOf(good.subarray(0, -3)),
  ],
  [
    '4.3',
    'PRIORITY within a header block',
    ends(protocol),
    (c) => {
      c.frame(type.headers, endStream, 1, good);
      c.frame(type.priority, 0, 1, bytes(0, 0, 0, 0, 1));
    },
  ],
  [
    '4.3',
    'HEADERS of another stream within a header block',
    ends(protocol),
    (c) => {
      c.frame(type.headers, endStream, 1, good);
      c.get(3);
    },
  ],
  [
    '4.3',
    'DATA within a header block',
    ends(protocol),
    (c) => {
      c.frame(type.headers, 0, 1, good);
      c.data(1, 'x', true);
    },
  ],
  [
    '4.3',
    'PING within a header block',
    ends(protocol),
    (c) => {
      c.frame(type.headers, endStream, 1, good);
      c.frame(type.ping, 0, 0, '12345678');
    },
  ],
  [
    '4.3',
    'an unknown frame within a header block',
    ends(protocol),
    (c) => {
      c.frame(type.headers, endStream, 1, good);
      c.frame(0x16, 0, 1, 'x');
    },
  ],
  [
    '4.3',
    'CONTINUATION of another stream within a header block',
    ends(protocol),
    (c) => {
      c.frame(type.headers, endStream, 1, good.subarray(0, 9));
      c.frame(type.continuation, endHeaders, 3, good.subarray(9));
    },
  ],
  [
    '4.3',
    'the table is kept up to date by a block whose stream is refused',
    respondsWith(200),
    async (c) => {
      c.headers(
        3,
        Buffer.concat([
          block(without(':path')),
          field(':path', '/healthz', 0x40),
          field('Upper', 'x'),
        ]),
      );
      await c.until('the reset', () => c.response(3).reset === protocol);
      c.headers(5, Buffer.concat([block(without(':path')), bytes(0xbe)]));
      if ((await c.responded(5)).status !== 200) throw new Error(`got ${c.response(5).status}`);
    },
    { stream: 5 },
  ],

  ['5.1', 'idle: DATA', ends(protocol), (c) => c.data(1, 'x', true)],
  ['5.1', 'idle: RST_STREAM', ends(protocol), (c) => c.frame(type.reset, 0, 1, u32(code.cancel))],
  ['5.1', 'idle: WINDOW_UPDATE', ends(protocol), (c) => c.frame(type.window, 0, 1, u32(100))],
  [
    '5.1',
    'idle: CONTINUATION',
    ends(protocol),
    (c) => c.frame(type.continuation, endHeaders, 1, good),
  ],
  ['5.1', 'idle: PRIORITY', serves, (c) => c.frame(type.priority, 0, 1, bytes(0, 0, 0, 0, 15))],
  [
    '5.1',
    'half-closed (remote): DATA',
    [resets(closed), ends(closed)],
    (c) => {
      c.get(1);
      c.data(1, 'x', true);
    },
    noWindow,
  ],
  [
    '5.1',
    'half-closed (remote): HEADERS',
    [resets(closed), ends(closed)],
    (c) => {
      c.get(1);
      c.get(1);
    },
    noWindow,
  ],
  [
    '5.1',
    'half-closed (remote): CONTINUATION',
    ends(protocol),
    (c) => {
      c.get(1);
      c.frame(type.continuation, endHeaders, 1, good);
    },
    noWindow,
  ],
  [
    '5.1',
    'half-closed (remote): WINDOW_UPDATE',
    respondsWith(200),
    (c) => {
      c.get(1);
      c.frame(type.window, 0, 1, u32(1000));
    },
    noWindow,
  ],
  [
    '5.1',
    'half-closed (remote): PRIORITY',
    serves,
    (c) => {
      c.get(1);
      c.frame(type.priority, 0, 1, bytes(0, 0, 0, 0, 1));
    },
  ],
  [
    '5.1',
    'half-closed (remote): RST_STREAM',
    serves,
    (c) => {
      c.get(1);
      c.frame(type.reset, 0, 1, u32(code.cancel));
    },
    noWindow,
  ],
  [
    '5.1',
    'closed by RST_STREAM: DATA',
    ends(closed),
    async (c) => {
      await closedByReset(c);
      c.data(1, 'x', true);
    },
    noWindow,
  ],
  [
    '5.1',
    'closed by RST_STREAM: HEADERS',
    ends(closed),
    async (c) => {
      await closedByReset(c);
      c.get(1);
    },
    noWindow,
  ],
  [
    '5.1',
    'closed by RST_STREAM: CONTINUATION',
    ends(protocol, closed),
    async (c) => {
      await closedByReset(c);
      c.frame(type.continuation, endHeaders, 1, good);
    },
    noWindow,
  ],
  [
    '5.1',
    'closed by END_STREAM: DATA',
    ends(closed),
    async (c) => {
      await responded(c);
      c.data(1, 'x', true);
    },
  ],
  [
    '5.1',
    'closed by END_STREAM: HEADERS',
    ends(closed),
    async (c) => {
      await responded(c);
      c.get(1);
    },
  ],
  [
    '5.1',
    'closed by END_STREAM: CONTINUATION',
    ends(protocol, closed),
    async (c) => {
      await responded(c);
      c.frame(type.continuation, endHeaders, 1, good);
    },
  ],
  [
    '5.1',
    'closed: WINDOW_UPDATE',
    serves,
    async (c) => {
      await responded(c);
      c.frame(type.window, 0, 1, u32(100));
    },
  ],
  [
    '5.1',
    'closed: RST_STREAM',
    serves,
    async (c) => {
      await responded(c);
      c.frame(type.reset, 0, 1, u32(code.cancel));
    },
  ],
  [
    '5.1',
    'closed: PRIORITY',
    serves,
    async (c) => {
      await responded(c);
      c.frame(type.priority, 0, 1, bytes(0, 0, 0, 0, 1));
    },
  ],

  ['5.1.1', 'a stream with an even number', ends(protocol), (c) => c.get(2)],
  [
    '5.1.1',
    'a lower number than the last',
    ends(protocol),
    (c) => {
      c.get(5);
      c.get(3);
    },
  ],
  [
    '5.1.1',
    'a number that was skipped, later',
    ends(protocol),
    async (c) => {
      c.get(1);
      c.get(9);
      await c.responded(9);
      c.get(7);
    },
  ],
  [
    '5.1.1',
    'the first of the numbers that were skipped',
    ends(protocol),
    async (c) => {
      c.get(9);
      await c.responded(9);
      c.get(1);
    },
  ],
  [
    '5.1.1',
    'a skipped number as DATA',
    ends(protocol, closed),
    async (c) => {
      c.get(9);
      await c.responded(9);
      c.data(3, 'x', true);
    },
  ],
  [
    '5.1.1',
    'a skipped number as WINDOW_UPDATE',
    serves,
    async (c) => {
      c.get(9);
      await c.responded(9);
      c.frame(type.window, 0, 3, u32(9));
    },
    { stream: 9 },
  ],
  [
    '5.1.1',
    'the highest number there is',
    respondsWith(200),
    (c) => c.get(0x7fff_ffff),
    { stream: 0x7fff_ffff, last: true },
  ],
  [
    '5.1.2',
    'more streams than SETTINGS_MAX_CONCURRENT_STREAMS',
    [resets(refused, protocol), ends(protocol)],
    (c) => {
      for (let i = 0; i <= c.streamsMax; ++i) c.post(1 + 2 * i);
    },
    { stream: (c) => 1 + 2 * c.streamsMax, first: true, probe: false },
  ],
  [
    '5.3.2',
    'PRIORITY of another length',
    [resets(frameSize), ends(frameSize)],
    (c) => {
      c.post(1);
      c.frame(type.priority, 0, 1, bytes(0, 0, 0, 1));
    },
  ],
  [
    '5.3.2',
    'PRIORITY on stream 0',
    ends(protocol),
    (c) => c.frame(type.priority, 0, 0, bytes(0, 0, 0, 1, 1)),
  ],
  [
    '5.5',
    'an unknown setting',
    serves,
    (c) => c.frame(type.settings, 0, 0, settingsOf([0xfafa, 77])),
  ],

  ['6.1', 'DATA on stream 0', ends(protocol), (c) => c.data(0, 'x', true)],
  [
    '6.1',
    'DATA with more padding than payload',
    ends(protocol),
    (c) => {
      c.post(1);
      c.frame(type.data, padded | endStream, 1, bytes(6, 0, 0, 0, 0, 0));
    },
  ],
  [
    '6.1',
    'DATA that is padded, without a pad length',
    ends(protocol, frameSize),
    (c) => {
      c.post(1);
      c.frame(type.data, padded | endStream, 1, '');
    },
  ],
  [
    '6.1',
    'DATA that is all padding',
    respondsWith(400),
    (c) => {
      c.post(1);
      c.frame(type.data, padded, 1, bytes(5, 0, 0, 0, 0, 0));
      c.data(1, 'x', true);
    },
  ],
  ['6.2', 'HEADERS on stream 0', ends(protocol), (c) => c.get(0)],
  [
    '6.2',
    'HEADERS with more padding than payload',
    ends(protocol),
    (c) => c.frame(type.headers, whole | padded, 1, Buffer.concat([bytes(255), good])),
  ],
  [
    '6.2',
    'HEADERS with padding',
    respondsWith(200),
    (c) =>
      c.frame(type.headers, whole | padded, 1, Buffer.concat([bytes(4), good, Buffer.alloc(4)])),
  ],
  [
    '6.2',
    'HEADERS that are padded, without a pad length',
    ends(frameSize, protocol),
    (c) => c.frame(type.headers, whole | padded, 1, ''),
  ],
  [
    '6.2',
    'HEADERS with priority',
    respondsWith(200),
    (c) =>
      c.frame(type.headers, whole | flag.priority, 1, Buffer.concat([bytes(0, 0, 0, 0, 15), good])),
  ],
  [
    '6.2',
    'HEADERS with priority and padding',
    respondsWith(200),
    (c) =>
      c.frame(
        type.headers,
        whole | flag.priority | padded,
        1,
        Buffer.concat([bytes(3, 0x80, 0, 0, 0, 15), good, Buffer.alloc(3)]),
      ),
  ],
  [
    '6.2',
    'HEADERS too short for their priority',
    ends(frameSize, protocol),
    (c) => c.frame(type.headers, whole | flag.priority, 1, bytes(0, 0)),
  ],
  [
    '6.3',
    'PRIORITY is taken and ignored',
    respondsWith(200),
    (c) => {
      c.frame(type.priority, 0, 1, bytes(0, 0, 0, 3, 200));
      c.get(1);
    },
  ],
  ['6.4', 'RST_STREAM on stream 0', ends(protocol), (c) => c.frame(type.reset, 0, 0, u32(8))],
  [
    '6.4',
    'RST_STREAM of another length',
    ends(frameSize),
    (c) => {
      c.post(1);
      c.frame(type.reset, 0, 1, bytes(0, 0, 8));
    },
  ],
  [
    '6.4',
    'RST_STREAM that is too long',
    ends(frameSize),
    (c) => {
      c.post(1);
      c.frame(type.reset, 0, 1, bytes(0, 0, 0, 0, 8));
    },
  ],
  [
    '6.4',
    'no response to RST_STREAM',
    serves,
    async (c) => {
      c.post(1);
      c.frame(type.reset, 0, 1, u32(code.cancel));
      await c.pinged('anything');
      if (c.responses.has(1)) throw new Error('a frame came on a stream that the client reset');
    },
  ],

  [
    '6.5',
    'SETTINGS are acknowledged',
    serves,
    (c) =>
      c.until('the acknowledgement', () =>
        c.frames.some((f) => f.type === type.settings && f.flags === flag.ack),
      ),
  ],
  [
    '6.5',
    'the first frame is SETTINGS',
    serves,
    async (c) => {
      await c.pinged();
      if (c.frames[0].type !== type.settings || c.frames[0].flags !== 0)
        throw new Error(`it is ${c.frames[0].type}`);
    },
  ],
  [
    '6.5',
    'an acknowledgement with a payload',
    ends(frameSize),
    (c) => c.frame(type.settings, flag.ack, 0, settingsOf([4, 1])),
  ],
  [
    '6.5',
    'SETTINGS on a stream',
    ends(protocol),
    (c) => c.frame(type.settings, 0, 1, settingsOf([4, 1])),
  ],
  [
    '6.5',
    'SETTINGS that are no multiple of 6',
    ends(frameSize),
    (c) => c.frame(type.settings, 0, 0, bytes(0, 3, 0, 0, 0)),
  ],
  [
    '6.5.2',
    'ENABLE_PUSH above 1',
    ends(protocol),
    (c) => c.frame(type.settings, 0, 0, settingsOf([setting.push, 2])),
  ],
  [
    '6.5.2',
    'INITIAL_WINDOW_SIZE above 2^31-1',
    ends(flow),
    (c) => c.frame(type.settings, 0, 0, settingsOf([setting.window, 0x8000_0000])),
  ],
  [
    '6.5.2',
    'MAX_FRAME_SIZE below 16,384',
    ends(protocol),
    (c) => c.frame(type.settings, 0, 0, settingsOf([setting.frameSize, 16383])),
  ],
  [
    '6.5.2',
    'MAX_FRAME_SIZE above 2^24-1',
    ends(protocol),
    (c) => c.frame(type.settings, 0, 0, settingsOf([setting.frameSize, 2 ** 24])),
  ],
  [
    '6.5.2',
    'every setting at its bounds',
    respondsWith(200),
    (c) => {
      c.frame(
        type.settings,
        0,
        0,
        settingsOf(
          [setting.tableSize, 0],
          [setting.push, 0],
          [setting.streams, 0],
          [setting.window, 0x7fff_ffff],
          [setting.frameSize, 2 ** 24 - 1],
          [setting.listSize, 0xffff_ffff],
        ),
      );
      c.get(1);
    },
  ],
  [
    '6.5.3',
    'one setting twice: the last one holds',
    respondsWith(200),
    (c) => {
      c.frame(type.settings, 0, 0, settingsOf([setting.window, 0], [setting.window, 100]));
      c.get(1);
    },
    noWindow,
  ],
  [
    '6.6',
    'PUSH_PROMISE of a client',
    ends(protocol),
    (c) => {
      c.post(1);
      c.frame(type.push, endHeaders, 1, Buffer.concat([u32(2), good]));
    },
  ],
  [
    '6.7',
    'PING is answered with its bytes',
    serves,
    (c) => c.pinged(Buffer.from('0001fffe80616263', 'hex')),
  ],
  [
    '6.7',
    'an acknowledgement that nobody asked for',
    serves,
    (c) => c.frame(type.ping, flag.ack, 0, '12345678'),
  ],
  ['6.7', 'PING on a stream', ends(protocol), (c) => c.frame(type.ping, 0, 1, '12345678')],
  ['6.7', 'PING of 6 bytes', ends(frameSize), (c) => c.frame(type.ping, 0, 0, '123456')],
  ['6.7', 'PING of 9 bytes', ends(frameSize), (c) => c.frame(type.ping, 0, 0, '123456789')],
  [
    '6.8',
    'GOAWAY on a stream',
    ends(protocol),
    (c) => c.frame(type.goaway, 0, 1, bytes(0, 0, 0, 0, 0, 0, 0, 0)),
  ],
  [
    '6.8',
    'GOAWAY that is too short',
    ends(frameSize),
    (c) => c.frame(type.goaway, 0, 0, bytes(0, 0, 0, 0)),
  ],
  [
    '6.8',
    'what was asked before GOAWAY is answered',
    { kind: 'last response', status: 200 },
    (c) => {
      c.get(1);
      c.frame(type.goaway, 0, 0, Buffer.concat([u32(0), u32(0), Buffer.from('bye')]));
    },
  ],

  [
    '6.9',
    'WINDOW_UPDATE of 0 on the connection',
    ends(protocol),
    (c) => c.frame(type.window, 0, 0, u32(0)),
  ],
  [
    '6.9',
    'WINDOW_UPDATE of 0 on a stream',
    [resets(protocol), ends(protocol)],
    (c) => {
      c.post(1);
      c.frame(type.window, 0, 1, u32(0));
    },
  ],
  [
    '6.9',
    'WINDOW_UPDATE of another length',
    ends(frameSize),
    (c) => c.frame(type.window, 0, 0, bytes(0, 0, 1)),
  ],
  [
    '6.9',
    'WINDOW_UPDATE of another length on a stream',
    ends(frameSize),
    (c) => {
      c.post(1);
      c.frame(type.window, 0, 1, bytes(0, 0, 0, 0, 1));
    },
  ],
  [
    '6.9.1',
    'the window of the connection overflows',
    ends(flow),
    (c) => {
      c.frame(type.window, 0, 0, u32(0x7fff_ffff));
      c.frame(type.window, 0, 0, u32(1));
    },
  ],
  [
    '6.9.1',
    'the window of a stream overflows',
    resets(flow),
    (c) => {
      c.post(1);
      c.frame(type.window, 0, 1, u32(0x7fff_ffff));
    },
  ],
  [
    '6.9.1',
    'a window of one byte gets one byte',
    serves,
    async (c) => {
      c.get(1);
      await c.until('one byte', () => c.response(1).body.length > 0);
      await c.pinged('and more');
      if (c.response(1).body.length !== 1)
        throw new Error(`${c.response(1).body.length} bytes came`);
      c.frame(type.window, 0, 1, u32(1));
      await c.until('two bytes', () => c.response(1).body.length === 2);
      c.frame(type.window, 0, 1, u32(10_000));
      await c.responded(1);
    },
    { settings: [[setting.window, 1]] },
  ],
  [
    '6.9.1',
    'more than the window of a stream',
    [resets(flow), ends(flow)],
    async (c) => {
      await c.until('the acknowledgement', () =>
        c.frames.some((f) => f.type === type.settings && f.flags === flag.ack),
      );
      // Too long: answered at once, and no window is given back.
      c.headers(1, [...request('POST', '/v1/heartbeats'), ['content-length', '1000000']], {
        end: false,
      });
      for (let i = 0; i < 65; ++i) c.data(1, Buffer.alloc(1024, 0x61));
    },
  ],
  [
    '6.9.2',
    'INITIAL_WINDOW_SIZE holds for open streams too',
    respondsWith(200),
    async (c) => {
      c.get(1);
      await c.until('the header fields', () => c.response(1).status);
      c.frame(type.settings, 0, 0, settingsOf([setting.window, 1000]));
    },
    noWindow,
  ],
  [
    '6.9.2',
    'a window may become negative',
    serves,
    async (c) => {
      c.get(1, '/readyz');
      await c.until('three bytes', () => c.response(1).body.length === 3);
      c.frame(type.settings, 0, 0, settingsOf([setting.window, 2])); // the window is -1
      c.frame(type.window, 0, 1, u32(1)); // 0
      await c.pinged('nothing?');
      if (c.response(1).body.length !== 3) throw new Error('it sent against a window of zero');
      c.frame(type.window, 0, 1, u32(1));
      await c.until('four bytes', () => c.response(1).body.length === 4);
    },
    { settings: [[setting.window, 3]] },
  ],
  [
    '6.9.2',
    'INITIAL_WINDOW_SIZE that overflows an open stream',
    [ends(flow), resets(flow)],
    (c) => {
      c.post(1);
      c.frame(type.window, 0, 1, u32(0x7000_0000));
      c.frame(type.settings, 0, 0, settingsOf([setting.window, 0x7fff_ffff]));
    },
  ],

  [
    '6.10',
    'a header block in four frames',
    respondsWith(200),
    (c) => {
      c.frame(type.headers, endStream, 1, good.subarray(0, 5));
      c.frame(type.continuation, 0, 1, good.subarray(5, 6));
      c.frame(type.continuation, 0, 1, '');
      c.frame(type.continuation, endHeaders, 1, good.subarray(6));
    },
  ],
  [
    '6.10',
    'CONTINUATION behind END_HEADERS',
    ends(protocol),
    (c) => {
      c.post(1);
      c.frame(type.continuation, endHeaders, 1, good);
    },
  ],
  [
    '6.10',
    'CONTINUATION behind CONTINUATION with END_HEADERS',
    ends(protocol),
    (c) => {
      c.frame(type.headers, 0, 1, good.subarray(0, 5));
      c.frame(type.continuation, endHeaders, 1, good.subarray(5));
      c.frame(type.continuation, endHeaders, 1, good);
    },
  ],
  [
    '6.10',
    'CONTINUATION on stream 0',
    ends(protocol),
    (c) => {
      c.frame(type.headers, 0, 1, good.subarray(0, 5));
      c.frame(type.continuation, endHeaders, 0, good.subarray(5));
    },
  ],
  [
    '6.10',
    'CONTINUATION behind DATA',
    ends(protocol),
    (c) => {
      c.post(1);
      c.data(1, 'x');
      c.frame(type.continuation, endHeaders, 1, good);
    },
  ],

  [
    '7',
    'an error code that nobody knows: RST_STREAM',
    serves,
    (c) => {
      c.post(1);
      c.frame(type.reset, 0, 1, u32(0xff));
    },
  ],
  [
    '7',
    'an error code that nobody knows: GOAWAY',
    { kind: 'last response', status: 200 },
    (c) => {
      c.get(1);
      c.frame(type.goaway, 0, 0, Buffer.concat([u32(0), u32(0xff)]));
    },
  ],

  [
    '8.1',
    'a second header block without END_STREAM',
    resets(protocol),
    (c) => {
      c.post(1);
      c.data(1, 'x');
      c.headers(1, [['x-more', '1']], { end: false });
    },
  ],
  [
    '8.1',
    'trailers',
    respondsWith(400),
    (c) => {
      c.post(1);
      c.data(1, 'x');
      c.headers(1, [['x-checksum', '1']]);
    },
  ],
  [
    '8.1',
    'trailers with a pseudo-field',
    resets(protocol),
    (c) => {
      c.post(1);
      c.data(1, 'x');
      c.headers(1, [[':path', '/']]);
    },
  ],
  [
    '8.1',
    'a whole response, then RST_STREAM NO_ERROR, to a body that goes on',
    resets(code.none),
    (c) => {
      c.headers(1, [...request('POST', '/v1/heartbeats'), ['content-length', '1000000']], {
        end: false,
      });
    },
  ],
  ['8.1.1', 'content-length above the body', resets(protocol), bodyOf('4', 'abc')],
  ['8.1.1', 'content-length below the body', resets(protocol), bodyOf('2', 'abc', false)],
  [
    '8.1.1',
    'content-length below two frames of body',
    resets(protocol),
    (c) => {
      bodyOf('4', 'abc', false)(c);
      c.data(1, 'def', true);
    },
  ],
  [
    '8.1.1',
    'content-length without a body',
    resets(protocol),
    (c) => c.headers(1, [...request('POST', '/v1/heartbeats'), ['content-length', '3']]),
  ],
  ['8.1.1', 'content-length that is no number', resets(protocol), bodyOf('3x', 'abc')],
  ['8.1.1', 'content-length that is negative', resets(protocol), bodyOf('-3', 'abc')],
  [
    '8.1.1',
    'content-length twice',
    resets(protocol),
    (c) => {
      c.headers(
        1,
        [...request('POST', '/v1/heartbeats'), ['content-length', '3'], ['content-length', '3']],
        { end: false },
      );
      c.data(1, 'abc', true);
    },
  ],
  [
    '8.1.1',
    'content-length of the body, in two frames',
    respondsWith(400),
    (c) => {
      bodyOf('6', 'abc', false)(c);
      c.data(1, 'def', true);
    },
  ],

  ...[
    ['an upper-case letter', 'X-Upper'],
    ['a space', 'x y'],
    ['a colon', 'x:y'],
    ['a line feed', 'x\ny'],
    ['a zero', 'x\0y'],
    ['a byte above 0x7f', 'x\xe4'],
    ['DEL', 'x\x7f'],
    ['nothing in it', ''],
  ].map(([what, name]) => [
    '8.2.1',
    `a field name with ${what}`,
    resets(protocol),
    headersWith([name, 'v']),
  ]),
  ...[
    ['a zero', 'a\0b'],
    ['a line feed', 'a\nb'],
    ['a carriage return', 'a\rb'],
    ['a space before', ' a'],
    ['a space behind', 'a '],
    ['a tab before', '\ta'],
    ['a tab behind', 'a\t'],
  ].map(([what, value]) => [
    '8.2.1',
    `a field value with ${what}`,
    resets(protocol),
    headersWith(['x-value', value]),
  ]),
  [
    '8.2.1',
    'a field value with a tab inside and bytes above 0x7f',
    respondsWith(200),
    headersWith(['x-value', 'a\tb\xe4']),
  ],
  ['8.2.1', 'an empty field value', respondsWith(200), headersWith(['x-value', ''])],
  ...['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'].map(
    (name) => [
      '8.2.2',
      `the field ${name}`,
      resets(protocol),
      headersWith([name, name === 'connection' ? 'close' : 'x']),
    ],
  ),
  ['8.2.2', 'te: trailers', respondsWith(200), headersWith(['te', 'trailers'])],
  ['8.2.2', 'te: another coding', resets(protocol), headersWith(['te', 'trailers, deflate'])],
  [
    '8.2.3',
    'cookie in many fields',
    respondsWith(200),
    headersWith(['cookie', 'a=b'], ['cookie', 'c=d']),
  ],
  [
    '8.3',
    'an unknown pseudo-field',
    resets(protocol),
    fieldsOf([...request('GET', '/healthz'), [':test', 'x']]),
  ],
  [
    '8.3',
    'a pseudo-field of responses',
    resets(protocol),
    fieldsOf([...request('GET', '/healthz'), [':status', '200']]),
  ],
  [
    '8.3',
    'a pseudo-field behind a field',
    resets(protocol),
    fieldsOf([['x-a', 'b'], ...request('GET', '/healthz')]),
  ],
  [
    '8.3',
    'the last pseudo-field behind a field',
    resets(protocol),
    fieldsOf([...without(':path'), ['x-a', 'b'], [':path', '/healthz']]),
  ],
  ...[':method', ':scheme', ':path', ':authority'].map((name) => [
    '8.3',
    `${name} twice`,
    resets(protocol),
    fieldsOf([...request('GET', '/healthz'), request('GET', '/healthz').find(([n]) => n === name)]),
  ]),
  ...[':method', ':scheme', ':path'].map((name) => [
    '8.3.1',
    `${name} is missing`,
    resets(protocol),
    fieldsOf(without(name)),
  ]),
  ['8.3.1', ':path is empty', resets(protocol), fieldsOf(replaced(':path', ''))],
  [
    '8.3.1',
    ':path does not begin with a slash',
    resets(protocol),
    fieldsOf(replaced(':path', 'healthz')),
  ],
  [
    '8.3.1',
    ':path * of another method than OPTIONS',
    resets(protocol),
    fieldsOf(replaced(':path', '*')),
  ],
  ['8.3.1', ':method is empty', resets(protocol), fieldsOf(replaced(':method', ''))],
  ['8.3.1', ':method is no token', resets(protocol), fieldsOf(replaced(':method', 'GE T'))],
  ['8.3.1', ':scheme is empty', resets(protocol), fieldsOf(replaced(':scheme', ''))],
  ['8.3.1', ':scheme is none', resets(protocol), fieldsOf(replaced(':scheme', '1http'))],
  ['8.3.1', ':path with a space', resets(protocol), fieldsOf(replaced(':path', '/health z'))],
  [
    '8.3.1',
    ':path with a byte above 0x7f',
    resets(protocol),
    fieldsOf(replaced(':path', '/h\xe4')),
    { also: [respondsWith(404)] },
  ],
  [
    '8.3.1',
    ':authority with a zero',
    resets(protocol),
    fieldsOf(replaced(':authority', 'local\0host')),
  ],
  [
    '8.3.1',
    ':authority with user information',
    respondsWith(400),
    fieldsOf(replaced(':authority', 'user@localhost')),
  ],
  [
    '8.3.1',
    'host in place of :authority',
    respondsWith(200),
    fieldsOf([...without(':authority'), ['host', 'localhost']]),
  ],
  [
    '8.3.1',
    'host is another than :authority',
    respondsWith(400),
    headersWith(['host', 'elsewhere']),
  ],
  ['8.3.1', 'host is :authority', respondsWith(200), headersWith(['host', 'LocalHost'])],
  [
    '8.3.1',
    'host twice',
    resets(protocol),
    headersWith(['host', 'localhost'], ['host', 'localhost']),
  ],
  [
    '8.3.1',
    'neither :authority nor host',
    resets(protocol),
    fieldsOf(without(':authority')),
    { also: [respondsWith(200)] },
  ],
  [
    '8.5',
    'CONNECT',
    respondsWith(405),
    (c) =>
      c.headers(
        1,
        [
          [':method', 'CONNECT'],
          [':authority', 'localhost:443'],
        ],
        { end: false },
      ),
  ],
  [
    '8.5',
    'CONNECT with :path',
    resets(protocol),
    fieldsOf([
      [':method', 'CONNECT'],
      [':authority', 'localhost:443'],
      [':path', '/'],
    ]),
  ],
  [
    '8.5',
    'CONNECT with :scheme',
    resets(protocol),
    fieldsOf([
      [':method', 'CONNECT'],
      [':authority', 'localhost:443'],
      [':scheme', 'http'],
    ]),
  ],
  ['8.5', 'CONNECT without :authority', resets(protocol), fieldsOf([[':method', 'CONNECT']])],
  [
    '9.3.1 of RFC 9110',
    'GET with a body',
    respondsWith(200),
    (c) => {
      c.headers(1, request('GET', '/healthz'), { end: false });
      c.data(1, 'x', true);
    },
  ],
  [
    '9.3.2 of RFC 9110',
    'no body in the response to HEAD',
    respondsWith(200),
    async (c) => {
      c.headers(1, request('HEAD', '/healthz'));
      if ((await c.responded(1)).body.length !== 0) throw new Error('there is one');
    },
  ],
  [
    '15.5.6 of RFC 9110',
    'a method that nobody knows',
    respondsWith(405),
    fieldsOf(replaced(':method', 'BREW')),
  ],
  [
    '10.5.1',
    'a header list above SETTINGS_MAX_HEADER_LIST_SIZE',
    respondsWith(431),
    headersWith(['x-long', 'x'.repeat(16_200)]),
  ],
  [
    '10.5.1',
    'too many fields',
    respondsWith(431),
    headersWith(...Array.from({ length: 120 }, (_, i) => [`x${i}`, ''])),
  ],

  // RFC 7541 ------------------------------------------------------------------------------------
  ['2.3.3 of RFC 7541', 'the index 0', ends(compression), blockOf(bytes(0x80))],
  [
    '2.3.3 of RFC 7541',
    'an index behind both tables',
    ends(compression),
    blockOf(good, bytes(0xc6)),
  ],
  [
    '2.3.3 of RFC 7541',
    'an index behind both tables as a name',
    ends(compression),
    blockOf(good, bytes(0x0f, 0x37, 0x01, 0x61)),
  ],
  [
    '2.3.2 of RFC 7541',
    'an entry of the dynamic table',
    respondsWith(200),
    async (c) => {
      c.headers(3, Buffer.concat([block(without(':path')), field(':path', '/healthz', 0x40)]));
      await c.responded(3);
      c.headers(5, Buffer.concat([block(without(':path')), bytes(0xbe)]));
    },
    { stream: 5 },
  ],
  [
    '4.2 of RFC 7541',
    'a table size update within a block',
    ends(compression),
    blockOf(good, bytes(0x20)),
  ],
  [
    '4.2 of RFC 7541',
    'a table size update between two fields',
    ends(compression),
    blockOf(good.subarray(0, 13), bytes(0x20), good.subarray(13)),
  ],
  [
    '4.2 of RFC 7541',
    'two table size updates before a block',
    respondsWith(200),
    blockOf(bytes(0x20), integer(0x20, 5, 4096), good),
  ],
  [
    '4.3 of RFC 7541',
    'a smaller table drops its oldest entries',
    ends(compression),
    async (c) => {
      c.headers(3, Buffer.concat([block(without(':path')), field(':path', '/healthz', 0x40)]));
      await c.responded(3);
      c.headers(1 + 4, Buffer.concat([bytes(0x20), block(without(':path')), bytes(0xbe)]));
    },
  ],
  [
    '4.4 of RFC 7541',
    'an entry that is larger than the table empties it',
    ends(compression),
    async (c) => {
      c.headers(
        3,
        Buffer.concat([good, field('x-a', 'b', 0x40), field('x-b', 'c'.repeat(5000), 0x40)]),
      );
      if ((await c.responded(3)).status !== 200) throw new Error(`got ${c.response(3).status}`);
      c.headers(5, Buffer.concat([good, bytes(0xbe)]));
    },
  ],
  [
    '5.1 of RFC 7541',
    'an integer that has no end',
    ends(compression),
    blockOf(bytes(0xff, ...Array(30).fill(0xff))),
  ],
  [
    '5.1 of RFC 7541',
    'an integer that overflows',
    ends(compression),
    blockOf(good, bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
  ],
  [
    '5.2 of RFC 7541',
    'a string that is longer than its block',
    ends(compression),
    blockOf(good, bytes(0, 1, 0x61, 0x7f, 0x7f, 0x61)),
  ],
  [
    '5.2 of RFC 7541',
    'Huffman padding of more than seven bits',
    ends(compression),
    blockOf(good, huffman('x', [0xff, 0xff])),
  ],
  [
    '5.2 of RFC 7541',
    'Huffman padding of zeros',
    ends(compression),
    blockOf(good, huffman('x', [0x18])),
  ], // 'a' is 00011
  [
    '5.2 of RFC 7541',
    'Huffman padding of ones',
    respondsWith(200),
    blockOf(good, huffman('x', [0x1f])),
  ],
  [
    '5.2 of RFC 7541',
    'Huffman text with the end symbol',
    ends(compression),
    blockOf(good, huffman('x', [0xff, 0xff, 0xff, 0xff])),
  ],
  [
    '6.1 of RFC 7541',
    'an indexed field of the static table',
    respondsWith(200),
    blockOf(bytes(0x82, 0x86), field(':path', '/healthz'), field(':authority', 'localhost')),
  ],
  [
    '6.2.3 of RFC 7541',
    'a field that is never to be indexed',
    respondsWith(200),
    blockOf(good, field('x-secret', 'x', 0x10)),
  ],
  [
    '6.3 of RFC 7541',
    'a table size above SETTINGS_HEADER_TABLE_SIZE',
    ends(compression),
    blockOf(integer(0x20, 5, 4097), good),
  ],
  [
    'C.4.1 of RFC 7541',
    'the example with Huffman text',
    respondsWith(404),
    blockOf(Buffer.from('828684418cf1e3c2e5f23a6ba0ab90f4ff', 'hex')),
    {
      also: [
        respondsWith(200),
        respondsWith(303),
        respondsWith(302),
        respondsWith(307),
        respondsWith(308),
      ],
    },
  ],
];
