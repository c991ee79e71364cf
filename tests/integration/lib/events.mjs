// Reads a stream of server-sent events.
import { constants } from 'node:http2';
import { event, within } from './wait.mjs';

export class Events {
  /** Opens GET /v1/live on the client; resolves with the response's header fields there. */
  static async open(client, { module, token, headers = {} } = {}) {
    const events = new Events();
    const path =
      module === undefined ? '/v1/live' : `/v1/live?module=${encodeURIComponent(module)}`;
    const sent = { ...headers };
    if (token) sent.authorization = `Bearer ${token}`;
    events.stream = client.stream('GET', path, sent);
    events.stream.end();
    events.all = [];
    events.comments = 0;
    events.rest = '';
    events.waiting = [];
    events.stream.setEncoding('utf8');
    events.stream.on('data', (text) => events.take(text));
    events.stream.on('error', () => {});
    events.closed = new Promise((resolve) =>
      events.stream.on('close', () => {
        resolve(events.stream.rstCode);
        for (const each of events.waiting) each.reject(new Error('the stream has ended'));
      }),
    );
    [events.headers] = await event('the response begins', events.stream, 'response');
    events.status = events.headers[':status'];
    return events;
  }

  take(text) {
    this.rest += text;
    for (let end = this.rest.indexOf('\n\n'); end >= 0; end = this.rest.indexOf('\n\n')) {
      const found = { at: performance.now() };
      for (const line of this.rest.slice(0, end).split('\n')) {
        const colon = line.indexOf(':');
        if (colon === 0) this.comments += 1;
        else found[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
      }
      this.rest = this.rest.slice(end + 2);
      if (!found.event) continue;
      found.data = JSON.parse(found.data);
      this.all.push(found);
    }
    this.waiting = this.waiting.filter((each) => !each.look());
  }

  /** The first event that `wanted` holds for, from `from` on, waited for if need be. */
  find(what, wanted, from = 0) {
    const promise = new Promise((resolve, reject) => {
      const look = () => {
        const found = this.all.slice(from).find(wanted);
        if (found) resolve(found);
        return Boolean(found);
      };
      if (!look()) this.waiting.push({ look, reject });
    });
    return within(what, promise, 20_000);
  }
  of(kind) {
    return this.all.filter((each) => each.event === kind);
  }
  close() {
    this.stream.close(constants.NGHTTP2_CANCEL);
    return within('the stream of events closes', this.closed);
  }
}

export const itemOf =
  (student) =>
  ({ event: kind, data }) =>
    kind === 'progress' && data.items.some((item) => item.student === student);
