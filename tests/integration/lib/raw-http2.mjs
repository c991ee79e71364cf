// An HTTP/2 client that sends whatever it is given, right or wrong, and writes down what comes back.
// Nothing is encoded with the dynamic table, and the server is asked to use none, so that every
// header block stands for itself.
import net from 'node:net';
import tls from 'node:tls';
import { event, within } from './wait.mjs';

export const type = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
};
export const flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 };
export const code = {
  none: 0,
  protocol: 1,
  internal: 2,
  flow: 3,
  settingsTimeout: 4,
  closed: 5,
  frameSize: 6,
  refused: 7,
  cancel: 8,
  compression: 9,
  calm: 11,
};
export const setting = {
  tableSize: 1,
  push: 2,
  streams: 3,
  window: 4,
  frameSize: 5,
  listSize: 6,
  noPriorities: 9,
};
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export const u32 = (n) => Buffer.from([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]);
export const settingsOf = (...pairs) =>
  Buffer.concat(
    pairs.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id & 255]), u32(value)])),
  );
export function frame(kind, flags, stream, payload = '') {
  const body = Buffer.from(payload);
  const head = Buffer.from([
    body.length >> 16,
    (body.length >> 8) & 255,
    body.length & 255,
    kind,
    flags,
    0,
    0,
    0,
    0,
  ]);
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, body]);
}

/** An integer of RFC 7541 section 5.1. */
export function integer(first, prefixBits, value) {
  const limit = 2 ** prefixBits - 1;
  if (value < limit) return Buffer.from([first | value]);
  const out = [first | limit];
  for (value -= limit; value >= 128; value = Math.floor(value / 128)) out.push((value % 128) + 128);
  return Buffer.from([...out, value]);
}
const text = (s) => {
  const bytes = Buffer.from(s, 'latin1');
  return Buffer.concat([integer(0, 7, bytes.length), bytes]);
};
/** A literal field: not indexed, or (0x40) put into the dynamic table. */
export const field = (name, value, first = 0) =>
  Buffer.concat([Buffer.from([first]), text(name), text(value)]);
export const block = (fields) => Buffer.concat(fields.map(([name, value]) => field(name, value)));

const digits = {
  '00000': 0,
  '00001': 1,
  '00010': 2,
  '011001': 3,
  '011010': 4,
  '011011': 5,
  '011100': 6,
  '011101': 7,
  '011110': 8,
  '011111': 9,
};
/** The status of a response's header block: its first field (after table size updates). */
function statusOf(bytes) {
  let at = 0;
  while ((bytes[at] & 0xe0) === 0x20) at += (bytes[at] & 0x1f) === 0x1f ? 2 : 1;
  const first = bytes[at];
  if (first >= 0x88 && first <= 0x8e) return [200, 204, 206, 304, 400, 404, 500][first - 0x88];
  const length = bytes[at + 1] & 0x7f;
  const value = bytes.subarray(at + 2, at + 2 + length);
  if ((bytes[at + 1] & 0x80) === 0) return Number(value.toString('latin1'));
  const bits = [...value].map((b) => b.toString(2).padStart(8, '0')).join('');
  let status = '';
  for (let i = 0; status.length < 3 && i < bits.length; ) {
    const size = bits.slice(i, i + 5) in digits ? 5 : 6;
    status += digits[bits.slice(i, i + size)];
    i += size;
  }
  return Number(status);
}

export const request = (method, path, scheme = 'http') => [
  [':method', method],
  [':scheme', scheme],
  [':path', path],
  [':authority', 'localhost'],
];

export class RawHttp2 {
  frames = [];
  responses = new Map(); // by stream: {status, body, ended, reset}
  goaway = null; // the code of the last one
  closed = false;
  acknowledges = true;
  #greeted = false;
  #owesAcknowledgement = false;
  #unread = Buffer.alloc(0);
  #waiting = new Set();

  /** `where`: {port, tls}. Resolves when the bytes of a preface may be sent. */
  static async connect({ port, secure = false, paused = false, localAddress }) {
    const client = new RawHttp2();
    const to = { port, host: '127.0.0.1', localAddress };
    client.socket = secure
      ? tls.connect({ ...to, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
      : net.connect(to);
    client.socket.setNoDelay(true);
    client.socket.on('error', () => {}); // `close` follows
    client.socket.on('close', () => {
      client.closed = true;
      client.#wake();
    });
    await event('the connection', client.socket, secure ? 'secureConnect' : 'connect');
    if (!paused) client.socket.on('data', (bytes) => client.#take(bytes));
    return client;
  }

  greet(...settings) {
    this.#greeted = true;
    this.send(preface, frame(type.settings, 0, 0, settingsOf([setting.tableSize, 0], ...settings)));
    // The server does not wait for us with its own.
    if (this.#owesAcknowledgement) this.frame(type.settings, flag.ack, 0);
  }
  /** False: the system does not take more for now; `drained()` waits. */
  send(...parts) {
    return this.closed || this.socket.destroyed ? true : this.socket.write(Buffer.concat(parts));
  }
  frame(...all) {
    return this.send(frame(...all));
  }
  headers(stream, fields, { end = true, ...rest } = {}) {
    return this.frame(
      type.headers,
      flag.endHeaders | (end ? flag.endStream : 0) | (rest.flags ?? 0),
      stream,
      Buffer.isBuffer(fields) ? fields : block(fields),
    );
  }
  get(stream, path = '/healthz', more = []) {
    return this.headers(stream, [...request('GET', path), ...more]);
  }
  /** A POST whose body follows. */
  post(stream, more = []) {
    return this.headers(stream, [...request('POST', '/v1/heartbeats'), ...more], { end: false });
  }
  data(stream, bytes = '', end = false) {
    return this.frame(type.data, end ? flag.endStream : 0, stream, bytes);
  }

  /** Everything sent was taken by the system, or the connection has ended. */
  drained() {
    if (this.closed || this.socket.destroyed || !this.socket.writableNeedDrain) return undefined;
    return within(
      'the system takes what was sent',
      new Promise((resolve) => {
        const done = () => {
          this.socket.off('drain', done).off('close', done);
          resolve();
        };
        this.socket.on('drain', done).on('close', done);
      }),
      60_000,
    );
  }
  /** Waits for a condition of what came; the end of the connection ends every wait. */
  async until(what, condition, timeoutMs = 30_000) {
    const deadline = Date.now() + timeoutMs;
    while (!condition()) {
      if (this.closed) throw new Error(`${what}: the connection has ended (GOAWAY ${this.goaway})`);
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`${what}: not within ${timeoutMs} ms`);
      await new Promise((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, Math.min(left, 100));
        this.#waiting.add(wake);
      });
    }
  }
  response(stream) {
    return this.responses.get(stream) ?? { body: Buffer.alloc(0), ended: false };
  }
  /** The response to a stream, when it has ended or was reset. */
  async responded(stream) {
    const over = () => this.response(stream).ended || this.response(stream).reset !== undefined;
    await this.until(`a response on stream ${stream}`, over);
    return this.response(stream);
  }
  /** Everything sent so far was dealt with: a PING that was sent after it is acknowledged. */
  async pinged(data = 'are-you?') {
    const from = this.frames.length;
    this.frame(type.ping, 0, 0, data);
    await this.until('the acknowledgement of a PING', () =>
      this.frames
        .slice(from)
        .some(
          (f) =>
            f.type === type.ping && f.flags === flag.ack && f.payload.equals(Buffer.from(data)),
        ),
    );
  }
  async ended(timeoutMs) {
    await this.until('the end of the connection', () => this.closed, timeoutMs);
  }
  async close() {
    this.socket.destroy();
    await this.ended();
  }

  #wake() {
    for (const wake of [...this.#waiting]) wake();
  }
  #take(bytes) {
    this.#unread = this.#unread.length > 0 ? Buffer.concat([this.#unread, bytes]) : bytes;
    let at = 0;
    for (; this.#unread.length - at >= 9; ) {
      const size = this.#unread.readUIntBE(at, 3);
      if (this.#unread.length - at < 9 + size) break;
      this.#digest({
        type: this.#unread[at + 3],
        flags: this.#unread[at + 4],
        stream: this.#unread.readUInt32BE(at + 5) & 0x7fffffff,
        payload: Buffer.from(this.#unread.subarray(at + 9, at + 9 + size)),
      });
      at += 9 + size;
    }
    this.#unread = Buffer.from(this.#unread.subarray(at));
    this.#wake();
  }
  #digest(got) {
    this.frames.push(got);
    if (!this.responses.has(got.stream))
      this.responses.set(got.stream, { body: Buffer.alloc(0), ended: false });
    const response = this.responses.get(got.stream);
    if (got.type === type.headers) response.status = statusOf(got.payload);
    if (got.type === type.data) response.body = Buffer.concat([response.body, got.payload]);
    if (got.type === type.headers || got.type === type.data)
      response.ended ||= (got.flags & flag.endStream) !== 0;
    if (got.type === type.reset) response.reset = got.payload.readUInt32BE(0);
    if (got.type === type.goaway) this.goaway = got.payload.readUInt32BE(4);
    if (got.flags === 0 && this.acknowledges) {
      if (got.type === type.settings) {
        if (this.#greeted) this.frame(type.settings, flag.ack, 0);
        else this.#owesAcknowledgement = true;
      }
      if (got.type === type.ping) this.frame(type.ping, flag.ack, 0, got.payload);
    }
  }
}
