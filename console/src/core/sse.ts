/**
 * Server-sent events over fetch. EventSource hides the status of a response, and the console has to
 * know an expired login from a gateway that restarts.
 */
export interface SseEvent {
  event: string;
  data: string;
  id: string;
}

/** An event larger than this is a fault; the stream is opened again. */
export const EVENT_CHARACTERS_MAX = 4_000_000;

/** Cuts the text of a stream into events (WHATWG HTML, section 9.2.6). */
export class SseParser {
  lastId = '';
  private rest = '';
  private event = '';
  private data: string[] = [];
  private size = 0;

  /** The events that `chunk` completes. */
  push(chunk: string): SseEvent[] {
    const events: SseEvent[] = [];
    this.rest += chunk;
    let from = 0;
    for (;;) {
      const end = this.lineEnd(from);
      if (end === undefined) break;
      const line = this.rest.slice(from, end.at);
      from = end.next;
      this.line(line, events);
    }
    this.rest = this.rest.slice(from);
    if (this.size + this.rest.length > EVENT_CHARACTERS_MAX)
      throw new RangeError('an event of the stream is too large');
    return events;
  }

  private lineEnd(from: number): { at: number; next: number } | undefined {
    for (let at = from; at < this.rest.length; ++at) {
      const code = this.rest.charCodeAt(at);
      if (code === 10) return { at, next: at + 1 };
      if (code === 13) {
        // Whether a line feed belongs to it is known with the next character only.
        if (at + 1 === this.rest.length) return undefined;
        return { at, next: this.rest.charCodeAt(at + 1) === 10 ? at + 2 : at + 1 };
      }
    }
    return undefined;
  }

  private line(line: string, events: SseEvent[]): void {
    if (line === '') {
      if (this.data.length > 0)
        events.push({
          event: this.event || 'message',
          data: this.data.join('\n'),
          id: this.lastId,
        });
      this.event = '';
      this.data = [];
      this.size = 0;
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') {
      this.data.push(value);
      this.size += value.length;
    } else if (field === 'event') this.event = value;
    else if (field === 'id' && !value.includes('\0')) this.lastId = value;
  }
}

/** `connecting` is the first time; `waiting` says when the next attempt is due. */
export type StreamState =
  | { phase: 'connecting' }
  | { phase: 'open' }
  | { phase: 'waiting'; retryAtMs: number; attempt: number }
  | { phase: 'ended'; status: number };

export interface StreamOptions {
  url: string;
  onEvent(event: SseEvent): void;
  onState(state: StreamState): void;
  fetch?: typeof fetch;
  now?: () => number;
  random?: () => number;
  /** Without a byte for so long the stream counts as dead; the gateway keeps it alive each 15 s. */
  silenceMs?: number;
}

export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_MOST_MS = 15_000;

/** Doubles from attempt to attempt up to a limit; half of it is chance, against herds. */
export function backoffMs(attempt: number, random: number, firstMs = BACKOFF_FIRST_MS): number {
  const whole = Math.min(firstMs * 2 ** Math.min(attempt - 1, 20), BACKOFF_MOST_MS);
  return Math.round(whole / 2 + (whole / 2) * random);
}

/** The first pause that the gateway asks for in its greeting, within reason. */
export function firstPauseOf(hello: string): number {
  try {
    const { retry_ms: retryMs } = JSON.parse(hello) as { retry_ms?: unknown };
    if (typeof retryMs === 'number' && retryMs >= 100 && retryMs <= 10_000) return retryMs;
  } catch {
    // Another kind of greeting.
  }
  return BACKOFF_FIRST_MS;
}

/** Statuses after which asking again changes nothing. */
const FINAL = new Set([400, 401, 403, 404]);

/** Keeps one stream open until `close`, and reports its state. */
export class LiveStream {
  private lastId = '';
  private firstPauseMs = BACKOFF_FIRST_MS;
  private attempt = 0;
  private closed = false;
  private controller: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: StreamOptions) {
    options.onState({ phase: 'connecting' });
    void this.run();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.controller?.abort();
  }

  /** Do not wait for the rest of the pause: the network is back, or somebody asks. */
  retryNow(): void {
    if (this.timer === undefined || this.closed) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    void this.run();
  }

  private async run(): Promise<void> {
    const { url, onEvent, onState, silenceMs = 40_000 } = this.options;
    const controller = new AbortController();
    this.controller = controller;
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => controller.abort(), silenceMs);
    };
    try {
      alive();
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (this.lastId !== '') headers['last-event-id'] = this.lastId;
      const missedAll = this.lastId === '' && this.attempt > 0;
      const response = await (this.options.fetch ?? fetch)(url, {
        headers,
        cache: 'no-store',
        credentials: 'same-origin',
        signal: controller.signal,
      });
      if (FINAL.has(response.status)) {
        if (!this.closed) onState({ phase: 'ended', status: response.status });
        this.closed = true;
        return;
      }
      if (response.ok && response.body) {
        const parser = new SseParser();
        parser.lastId = this.lastId;
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        onState({ phase: 'open' });
        // The gateway cannot know that this is not the first attempt: what happened since then was
        // sent to nobody, and has to be asked for.
        if (missedAll) onEvent({ event: 'reset', data: '{}', id: '' });
        for (;;) {
          const { done, value } = await reader.read();
          if (done || this.closed) break;
          alive();
          for (const event of parser.push(value)) {
            this.lastId = event.id;
            this.attempt = 0;
            if (event.event === 'hello') this.firstPauseMs = firstPauseOf(event.data);
            onEvent(event);
          }
        }
      }
    } catch {
      // A refused connection, a reset, the watchdog: all end in another attempt.
    } finally {
      clearTimeout(watchdog);
      controller.abort();
    }
    if (this.closed) return;
    const pauseMs = backoffMs(
      ++this.attempt,
      (this.options.random ?? Math.random)(),
      this.firstPauseMs,
    );
    onState({
      phase: 'waiting',
      retryAtMs: (this.options.now ?? Date.now)() + pauseMs,
      attempt: this.attempt,
    });
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.run();
    }, pauseMs);
  }
}
