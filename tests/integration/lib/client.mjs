// A small HTTP/2 client on node:http2: one connection, plain promises.
import http2 from 'node:http2';
import { event, within } from './wait.mjs';

export class Client {
  /** `options`: of node:http2's connect, `localAddress` for one. */
  constructor(origin, options = {}) {
    this.origin = origin;
    this.options = options;
    this.open();
  }

  open() {
    // The certificate is the gateway's own; who it belongs to is not what these tests are about.
    this.connection = http2.connect(this.origin, { rejectUnauthorized: false, ...this.options });
    this.connection.on('error', () => {});
  }

  /** A stream for tests that write the body piece by piece. */
  stream(method, path, headers = {}) {
    if (this.connection.closed || this.connection.destroyed) this.open();
    const stream = this.connection.request(
      { ':method': method, ':path': path, ...headers },
      { endStream: false },
    );
    // For responseOf: a gateway may respond before a test has written all, and awaited what it writes.
    stream.once('response', (fields) => {
      stream.responseFields = fields;
    });
    return stream;
  }

  async request(method, path, { body, headers = {}, token, timeoutMs = 20_000 } = {}) {
    const sent = { ...headers };
    if (token) sent.authorization = `Bearer ${token}`;
    if (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body)) {
      body = JSON.stringify(body);
      sent['content-type'] ??= 'application/json';
    }
    const stream = this.stream(method, path, sent);
    const response = responseOf(stream);
    stream.end(body);
    try {
      return await within(`${method} ${path.slice(0, 80)}`, response, timeoutMs);
    } catch (error) {
      stream.close(http2.constants.NGHTTP2_CANCEL);
      throw error;
    }
  }

  close() {
    if (this.connection.destroyed) return Promise.resolve();
    const closed = event('the connection closes', this.connection, 'close');
    this.connection.destroy();
    return closed;
  }
}

/** {status, headers, text, json} of a stream once it has ended. */
export function responseOf(stream) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      const headers = stream.responseFields;
      if (!headers) return reject(new Error(`closed without a response (code ${stream.rstCode})`));
      const text = Buffer.concat(chunks).toString('utf8');
      resolve({
        status: headers[':status'],
        headers,
        text,
        get json() {
          return JSON.parse(text);
        },
      });
    });
  });
}
