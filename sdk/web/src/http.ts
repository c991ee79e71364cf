/** One request to the gateway. */
import { retryAfterMs } from './backoff.js';
import type { Reading } from './clock.js';
import { MAX_RESPONSE_BYTES } from './limits.js';

/** The world outside, so that tests can stand in for it. */
export interface Environment {
  fetch: typeof fetch;
  random: () => number;
  reading: () => Reading;
  newId: () => string;
  hidden: () => boolean;
  setTimer: (work: () => void, ms: number) => unknown;
  clearTimer: (timer: unknown) => void;
  locks: LockManager | undefined;
}

/** What bodies have taken, without header fields and TLS. */
export interface Traffic {
  requests: number;
  heartbeats: number;
  bytesUp: number;
  bytesDown: number;
}

export interface HttpResponse {
  /** 0: the browser keeps it for itself, as it does with a redirect. */
  status: number;
  text: string;
  askedMs?: number | undefined;
}

/** Rejects when there was no response, or not in time. Redirects are not followed: a token is for one gateway. */
export async function exchange(
  environment: Environment,
  traffic: Traffic,
  url: string,
  timeoutMs: number,
  more: RequestInit & { body?: string },
): Promise<HttpResponse> {
  ++traffic.requests;
  traffic.bytesUp += more.body?.length ?? 0;
  const response = await environment.fetch(url, {
    redirect: 'manual',
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
    // A page that is about to go away cannot wait for it.
    keepalive: environment.hidden(),
    signal: AbortSignal.timeout(timeoutMs),
    ...more,
  });
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (let bytes = 0; reader && bytes <= MAX_RESPONSE_BYTES; ) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    traffic.bytesDown += value.length;
    text += decoder.decode(value, { stream: true });
    if (bytes > MAX_RESPONSE_BYTES) await reader.cancel();
  }
  const askedMs = retryAfterMs(response.headers.get('retry-after'));
  return { status: response.status, text, askedMs };
}
