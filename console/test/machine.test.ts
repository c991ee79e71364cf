import { h } from 'preact';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Stats } from '../src/core/api';
import { t } from '../src/text/en';
import { Machine } from '../src/views/machine';
import { type Element, Page } from './lib/page';

vi.mock('../src/parts/curve', () => ({ Curve: () => null }));

type Job = Stats['jobs'][number];
const latency = { p50: 0, p99: 0, count: 0 };
const stats = (jobs: Job[]): Stats => ({
  build: { version: '0.1.0', commit: '' },
  uptime_s: 60,
  connections: {
    open: 0,
    accepted: 0,
    refused: 0,
    punished: 0,
    handshakes_full: 0,
    handshakes_resumed: 0,
    handshakes_failed: 0,
  },
  streams: { open: 0 },
  bytes: { received: 0, sent: 0 },
  requests: 0,
  heartbeats: {
    credited: 0,
    limited: 0,
    duplicate: 0,
    rejected: 0,
    in_flight: 0,
    problems: {},
    latency_us: latency,
  },
  sessions: 0,
  verification: {},
  shards: [],
  hot_store: {
    up: true,
    degraded: false,
    description: '',
    durability: 'fsync',
    latency_us: latency,
    failures: 0,
    last_failure: '',
    traces: { due: false, removed_at: null, refusal: '' },
  },
  ledger: {
    up: true,
    description: '',
    latency_us: latency,
    lag_ms: 0,
    dirty_pairs: 0,
    checkpointed_pairs: 0,
    failures: 0,
    last_failure: '',
  },
  jobs,
  memory: { resident_bytes: 0 },
});
const job = (over: Partial<Job> = {}): Job => ({
  module: 'm',
  revision: 2,
  done: 500,
  total: 2_000,
  ...over,
});

describe('the machine shows the modules that are judged by new rules', () => {
  let page: Page;
  let asked: number;
  let respond: () => Promise<unknown>;
  /** The gateway has these jobs from now on. Its response needs no timers, unlike a real `Response`. */
  const has = (...jobs: Job[]) => {
    respond = async () => ({ ok: true, json: async () => stats(jobs) });
  };
  const card = (): Element | undefined =>
    page.body
      .all('section', 'card')
      .find((one) => one.attributes.get('aria-labelledby') === 'jobs-title');
  const rows = (): string[][] =>
    (card()?.all('tbody')[0]?.all('tr') ?? []).map((row) =>
      [...row.all('th'), ...row.all('td')].map((cell) => cell.textContent),
    );
  const bars = () =>
    card()
      ?.all('td', 'depth')
      .map((cell) => cell.style.values.get('--depth'));
  beforeEach(() => {
    vi.useFakeTimers();
    page = new Page();
    asked = 0;
    vi.stubGlobal('fetch', (path: string) => {
      expect(path).toBe('/v1/stats');
      ++asked;
      return respond();
    });
  });
  afterEach(async () => {
    await page.close();
    vi.useRealTimers();
  });

  test('without a job there is no card', async () => {
    has();
    await page.show(h(Machine, {}));
    await page.pass(0);
    expect(page.body.all('h1').map((one) => one.textContent)).toEqual([t.machine.title]);
    expect(card()).toBeUndefined();
  });
  test('a job shows how many students were judged, as text and as a bar', async () => {
    has(job());
    await page.show(h(Machine, {}));
    await page.pass(0);
    expect(card()?.all('h2')[0]?.textContent).toBe(t.machine.jobs);
    expect(rows()).toEqual([['m', '2', '500 of 2,000']]);
    expect(bars()).toEqual(['25%']);
  });
  test('a job that has not begun waits, one of unknown length shows what it has done', async () => {
    has(
      job({ module: 'waits', done: 0, total: null }),
      job({ module: 'unknown', done: 1_500, total: null }),
      job({ module: 'empty', done: 0, total: 0 }),
    );
    await page.show(h(Machine, {}));
    await page.pass(0);
    expect(card()?.all('span', 'count')[0]?.textContent).toBe('3');
    expect(rows()).toEqual([
      ['waits', '2', 'waiting'],
      ['unknown', '2', '1,500'],
      ['empty', '2', '0 of 0'],
    ]);
    expect(bars()).toEqual(['0%', '0%', '0%']);
  });
  test('students who came after the job began do not take the bar beyond its end', async () => {
    has(job({ done: 2_100 }));
    await page.show(h(Machine, {}));
    await page.pass(0);
    expect(rows()).toEqual([['m', '2', '2,100 of 2,000']]);
    expect(bars()).toEqual(['100%']);
  });
  test('the card follows each second, and goes with the last job', async () => {
    has(job());
    await page.show(h(Machine, {}));
    await page.pass(0);
    has(job({ done: 1_500 }));
    await page.pass(999);
    expect(rows()).toEqual([['m', '2', '500 of 2,000']]);
    await page.pass(1);
    expect(rows()).toEqual([['m', '2', '1,500 of 2,000']]);
    expect(bars()).toEqual(['75%']);
    has();
    await page.pass(1_000);
    expect(card()).toBeUndefined();
    expect(asked).toBe(3);
  });
  test('a page out of sight asks nothing, one that was left asks no more', async () => {
    has(job());
    page.hidden = true;
    await page.show(h(Machine, {}));
    await page.pass(5_000);
    expect(asked).toBe(0);
    page.hidden = false;
    await page.pass(1_000);
    expect([asked, rows().length]).toEqual([1, 1]);
    await page.show(null);
    await page.pass(5_000);
    expect(asked).toBe(1);
  });
  test('the last figures stay, named as such, while the gateway does not answer', async () => {
    has(job());
    await page.show(h(Machine, {}));
    await page.pass(0);
    respond = () => Promise.reject(new TypeError('no connection'));
    await page.pass(1_000);
    expect(rows()).toEqual([['m', '2', '500 of 2,000']]);
    const status = () => page.body.all('span').find((one) => one.attributes.get('role'));
    expect(status()?.textContent).toBe(t.machine.stale);
    has(job({ done: 2_000 }));
    await page.pass(1_000);
    expect(rows()).toEqual([['m', '2', '2,000 of 2,000']]);
    expect(status()).toBeUndefined();
  });
});
