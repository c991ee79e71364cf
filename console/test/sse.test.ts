import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MOST_MS,
  backoffMs,
  EVENT_CHARACTERS_MAX,
  firstPauseOf,
  LiveStream,
  type SseEvent,
  SseParser,
  type StreamState,
} from '../src/core/sse';

describe('the text of a stream', () => {
  const whole =
    'id: 1\nevent: hello\ndata: {"a":1}\n\n: alive\n\nid: 2\r\ndata: x\r\ndata: y\r\n\r\ndata\n\nevent: none\n\n';
  const expected: SseEvent[] = [
    { event: 'hello', data: '{"a":1}', id: '1' },
    { event: 'message', data: 'x\ny', id: '2' },
    { event: 'message', data: '', id: '2' },
  ];
  test('is cut into events', () => expect(new SseParser().push(whole)).toEqual(expected));
  test('is cut the same wherever the network cuts it', () => {
    for (let at = 0; at <= whole.length; ++at) {
      const parser = new SseParser();
      expect([...parser.push(whole.slice(0, at)), ...parser.push(whole.slice(at))]).toEqual(
        expected,
      );
    }
    const parser = new SseParser();
    expect([...whole].flatMap((character) => parser.push(character))).toEqual(expected);
  });
  test('an id with a NUL is ignored, an unfinished event is not given', () => {
    const parser = new SseParser();
    expect(parser.push('id: 7\ndata: a\n\nid: b\0c\ndata: d\n\ndata: open')).toEqual([
      { event: 'message', data: 'a', id: '7' },
      { event: 'message', data: 'd', id: '7' },
    ]);
  });
  test('an event beyond the limit is a fault, one at it is not', () => {
    expect(() => new SseParser().push('x'.repeat(EVENT_CHARACTERS_MAX))).not.toThrow();
    expect(() => new SseParser().push('x'.repeat(EVENT_CHARACTERS_MAX + 1))).toThrow(RangeError);
    const parser = new SseParser();
    expect(() => {
      for (let line = 0; line < 6; ++line) parser.push(`data: ${'y'.repeat(1_000_000)}\n`);
    }).toThrow(RangeError);
  });
});

describe('pauses', () => {
  test('double, are bounded, and half of them is chance', () => {
    expect([1, 2, 3, 4].map((attempt) => backoffMs(attempt, 1))).toEqual([500, 1000, 2000, 4000]);
    expect(backoffMs(1, 0)).toBe(250);
    for (const attempt of [6, 20, 1000]) expect(backoffMs(attempt, 1)).toBe(BACKOFF_MOST_MS);
    expect(backoffMs(2, 1, 100)).toBe(200);
  });
});

describe('a live stream', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  /** A gateway of scripted responses; `bodies` feed the open ones. */
  function scripted(responses: (number | 'refused')[]) {
    const requests: { headers: Record<string, string>; signal: AbortSignal }[] = [];
    const bodies: ReadableStreamDefaultController<Uint8Array>[] = [];
    const states: StreamState[] = [];
    const events: SseEvent[] = [];
    const fetch = vi.fn(
      async (
        _url: string,
        { headers, signal }: { headers: Record<string, string>; signal: AbortSignal },
      ) => {
        requests.push({ headers, signal });
        const next = responses.shift() ?? 200;
        if (next === 'refused') throw new TypeError('refused');
        const body = new ReadableStream<Uint8Array>({
          start(controller) {
            bodies.push(controller);
            signal.addEventListener('abort', () => {
              try {
                controller.error(signal.reason);
              } catch {
                // Closed before.
              }
            });
          },
        });
        return new Response(next === 200 ? body : null, { status: next });
      },
    );
    const stream = new LiveStream({
      url: '/v1/live',
      fetch: fetch as unknown as typeof globalThis.fetch,
      onEvent: (event) => events.push(event),
      onState: (state) => states.push(state),
      random: () => 1,
      now: () => 0,
      silenceMs: 40_000,
    });
    const write = (text: string) => bodies.at(-1)!.enqueue(new TextEncoder().encode(text));
    return { stream, requests, bodies, states, events, write };
  }
  const turn = () => vi.advanceTimersByTimeAsync(0);

  test('sends the last id when it opens again', async () => {
    const { stream, requests, bodies, states, events, write } = scripted([]);
    await turn();
    expect(requests[0]!.headers['last-event-id']).toBeUndefined();
    write('id: 41\ndata: a\n\nid: 42\ndata: b\n\n');
    await turn();
    expect(events.map(({ id }) => id)).toEqual(['41', '42']);
    bodies[0]!.close();
    await turn();
    expect(states.at(-1)).toEqual({ phase: 'waiting', retryAtMs: 500, attempt: 1 });
    await vi.advanceTimersByTimeAsync(499);
    expect(requests.length).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(requests[1]!.headers['last-event-id']).toBe('42');
    expect(states.at(-1)).toEqual({ phase: 'open' });
    stream.close();
  });

  test('waits as long as the greeting says', async () => {
    const { stream, bodies, states, write } = scripted([]);
    await turn();
    write('id: 1\nevent: hello\ndata: {"server_time":"x","retry_ms":2000}\n\n');
    await turn();
    bodies[0]!.close();
    await turn();
    expect(states.at(-1)).toEqual({ phase: 'waiting', retryAtMs: 2000, attempt: 1 });
    stream.close();
    for (const hello of ['{}', '{"retry_ms":99}', '{"retry_ms":10001}', 'no JSON'])
      expect(firstPauseOf(hello)).toBe(BACKOFF_FIRST_MS);
  });

  test('waits longer after each failure, and starts over once an event came', async () => {
    const { stream, bodies, states, write } = scripted(['refused', 503, 'refused', 200, 'refused']);
    await turn();
    await vi.advanceTimersByTimeAsync(500);
    await vi.advanceTimersByTimeAsync(1000);
    await vi.advanceTimersByTimeAsync(2000);
    expect(
      states
        .filter(({ phase }) => phase === 'waiting')
        .map((state) => (state as { retryAtMs: number }).retryAtMs),
    ).toEqual([500, 1000, 2000]);
    write('data: a\n\n');
    await turn();
    bodies.at(-1)!.close();
    await turn();
    expect(states.at(-1)).toEqual({ phase: 'waiting', retryAtMs: 500, attempt: 1 });
    stream.close();
  });

  test('asks for everything anew when it opens only after failures', async () => {
    const { stream, events, bodies, write } = scripted(['refused', 503]);
    await vi.advanceTimersByTimeAsync(500);
    await vi.advanceTimersByTimeAsync(1000);
    expect(events.map(({ event }) => event)).toEqual(['reset']);
    write('id: 1\ndata: a\n\n');
    await turn();
    bodies.at(-1)!.close();
    await vi.advanceTimersByTimeAsync(500);
    // From here on the gateway knows what was missed.
    expect(events.map(({ event }) => event)).toEqual(['reset', 'message']);
    stream.close();
  });

  test('a stream that falls silent is opened again; a comment keeps it', async () => {
    const { stream, requests, states, write } = scripted([]);
    await turn();
    await vi.advanceTimersByTimeAsync(39_000);
    write(':\n\n');
    await vi.advanceTimersByTimeAsync(39_000);
    expect(states.at(-1)).toEqual({ phase: 'open' });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(states.at(-1)!.phase).toBe('waiting');
    await vi.advanceTimersByTimeAsync(500);
    expect(requests.length).toBe(2);
    stream.close();
  });

  test.each([401, 403, 404])('%i ends it', async (status) => {
    const { requests, states } = scripted([status]);
    await turn();
    expect(states.at(-1)).toEqual({ phase: 'ended', status });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(requests.length).toBe(1);
  });

  test('retryNow does not wait, and closing ends everything', async () => {
    const { stream, requests } = scripted(['refused', 'refused']);
    await turn();
    stream.retryNow();
    await turn();
    expect(requests.length).toBe(2);
    stream.close();
    stream.retryNow();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(requests.length).toBe(2);
    expect(requests[1]!.signal.aborted).toBe(true);
  });
});
