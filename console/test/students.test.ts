import { describe, expect, test } from 'vitest';
import type { ProgressDocument, Refusal } from '../src/core/api';
import { STALLED_AFTER_MS } from '../src/core/attention';
import { heatmapEvent, progressEvent, timeOf, totalsEvent } from '../src/core/live-events';
import { changesOf, durationText, parseDuration, parseModule } from '../src/core/module-input';
import { Ring } from '../src/core/ring';
import {
  AGAIN_MAX,
  type LiveItem,
  ROWS_MAX,
  refusedOf,
  rowOf,
  StudentRows,
  withLive,
} from '../src/core/students';
import { visibleRows } from '../src/parts/visible';
import { t } from '../src/text/en';

const now = Date.parse('2026-03-01T12:00:00Z');
const document = (over: Partial<ProgressDocument> = {}): ProgressDocument => ({
  student: 'ann',
  module: 'm',
  seconds_watched: 10,
  completion_percentage: 16.66,
  state: 'IN_PROGRESS',
  coverage: [[0, 10_000]],
  playtime_ms: 14_000,
  resume_ms: 10_000,
  updated_at: '2026-03-01T11:59:00Z',
  mastered_at: null,
  ...over,
});
const item = (over: Partial<LiveItem> = {}): LiveItem => ({
  student: 'ann',
  attempt: 1,
  seconds_watched: 20,
  completion_percentage: 33.33,
  state: 'IN_PROGRESS',
  resume_ms: 20_000,
  from_ms: 10_000,
  to_ms: 20_000,
  status: 'credited',
  new: [[10_000, 20_000]],
  played: [[10_000, 20_000]],
  ...over,
});

describe('what a student needs', () => {
  test('skipping: a gap of more than 5 s with coverage and the place to resume beyond it', () => {
    const skipped = (gapMs: number) =>
      document({
        coverage: [
          [0, 10_000],
          [10_000 + gapMs, 30_000],
        ],
        resume_ms: 30_000,
      });
    expect(rowOf(skipped(5_001), now).attention).toBe('skipping');
    expect(rowOf(skipped(5_000), now).attention).toBe('none');
    expect(rowOf(document({ ...skipped(8_000), resume_ms: 5_000 }), now).attention).toBe('none');
  });
  test('too fast: parts that were refused are not taken for skipped ones', () => {
    const gappy = document({
      coverage: [
        [0, 10_000],
        [16_000, 30_000],
      ],
      resume_ms: 30_000,
    });
    const refusal = (over: Partial<Refusal>): Refusal => ({
      at: '2026-03-01T11:59:00Z',
      module: 'm',
      device: 'd',
      session: 's',
      sequence: 1,
      status: 'limited',
      problem: null,
      detail: '',
      refused: [10_000, 16_000],
      kind: 'too_fast',
      ...over,
    });
    const attention = (over: Partial<Refusal>, of: Partial<ProgressDocument> = {}) => {
      const shown = { ...gappy, ...of };
      return rowOf(shown, now, refusedOf(shown, [refusal(over)])).attention;
    };
    expect(attention({})).toBe('too_fast');
    expect(attention({ module: 'other' })).toBe('skipping');
    expect(attention({ status: 'duplicate', refused: null })).toBe('skipping');
    expect(attention({}, { attempt: 2 })).toBe('skipping');
    expect(t.students.attention.too_fast).toBe('Too fast');
  });
  test('too fast stays through live changes, until the module is mastered', () => {
    const row = rowOf(document({ attention: 'too_fast' }), now);
    expect(withLive(row, item(), now).attention).toBe('too_fast');
    expect(withLive(row, item({ state: 'MASTERED' }), now).attention).toBe('none');
  });
  test('stalled from a day on, nearly done from 80 percent on, nothing once mastered', () => {
    const updatedAt = (ago: number) => ({ updated_at: new Date(now - ago).toISOString() });
    expect(rowOf(document(updatedAt(STALLED_AFTER_MS)), now).attention).toBe('stalled');
    expect(rowOf(document(updatedAt(STALLED_AFTER_MS - 1)), now).attention).toBe('none');
    expect(rowOf(document({ completion_percentage: 80 }), now).attention).toBe('nearly_done');
    expect(rowOf(document({ completion_percentage: 79.99 }), now).attention).toBe('none');
    expect(rowOf(document({ state: 'MASTERED', ...updatedAt(9e9) }), now).attention).toBe('none');
  });
});

describe('the rows of a module', () => {
  test('what is new is covered, what passed again is marked', () => {
    const row = withLive(
      rowOf(document(), now),
      item({ new: [[10_000, 15_000]], played: [[5_000, 15_000]] }),
      now,
    );
    expect(row.coverage).toEqual([[0, 15_000]]);
    expect(row.again).toEqual([[5_000, 10_000]]);
    expect(row.rewatchedMs).toBe(4_000 + 5_000);
    expect(row.version).toBe(1);
  });
  test('gaps of up to 250 ms close, as the gateway closes them', () => {
    expect(
      withLive(rowOf(document(), now), item({ new: [[10_250, 20_000]] }), now).coverage,
    ).toEqual([[0, 20_000]]);
    expect(
      withLive(rowOf(document(), now), item({ new: [[10_251, 20_000]] }), now).coverage.length,
    ).toBe(2);
  });
  test('progress never falls', () => {
    const mastered = rowOf(
      document({ state: 'MASTERED', completion_percentage: 96, seconds_watched: 58 }),
      now,
    );
    const row = withLive(mastered, item(), now - 1e6);
    expect([row.state, row.completionPercentage, row.secondsWatched]).toEqual(['MASTERED', 96, 58]);
    expect(row.updatedMs).toBe(mastered.updatedMs);
  });
  test('a later attempt begins with nothing, a late event of an earlier one changes nothing', () => {
    const mastered = rowOf(
      document({ state: 'MASTERED', completion_percentage: 96, seconds_watched: 58, attempt: 2 }),
      now,
    );
    expect(withLive(mastered, item({ attempt: 1 }), now)).toBe(mastered);
    const row = withLive(
      mastered,
      item({ attempt: 3, seconds_watched: 10, completion_percentage: 16.66 }),
      now,
    );
    expect([row.attempt, row.state, row.completionPercentage, row.secondsWatched]).toEqual([
      3,
      'IN_PROGRESS',
      16.66,
      10,
    ]);
    expect(row.coverage).toEqual([[10_000, 20_000]]);
    expect([row.again, row.rewatchedMs]).toEqual([[], 0]);
  });
  test('what passed again is bounded', () => {
    let row = rowOf(document({ coverage: [[0, 4_000_000]] }), now);
    for (let at = 0; at < AGAIN_MAX + 50; ++at)
      row = withLive(row, item({ new: [], played: [[at * 10, at * 10 + 5]] }), now);
    expect(row.again.length).toBe(AGAIN_MAX);
  });
  test('pages join, who comes twice is there once, who is unknown is listed', () => {
    const rows = new StudentRows();
    rows.add(
      { items: [document({ student: 'a' }), document({ student: 'b' })], next: 'x', total: 3 },
      now,
    );
    expect([rows.total, rows.complete, rows.nextCursor]).toEqual([3, false, 'x']);
    rows.add({ items: [document({ student: 'b' }), document({ student: 'c' })], next: null }, now);
    expect(rows.rows.map(({ student }) => student)).toEqual(['a', 'b', 'c']);
    expect([rows.total, rows.complete]).toEqual([3, true]);
    expect(rows.apply([item({ student: 'b' }), item({ student: 'z' })], now)).toEqual(['z']);
    expect([...rows.changed]).toEqual(['b']);
  });
  test('no more than the limit are in memory', () => {
    const rows = new StudentRows();
    const items = Array.from({ length: ROWS_MAX + 5 }, (_, at) => document({ student: `s${at}` }));
    rows.add({ items, next: 'more', total: ROWS_MAX + 5 }, now);
    expect([rows.rows.length, rows.full]).toEqual([ROWS_MAX, true]);
  });
});

describe('live events', () => {
  test('what is not as documented is left out', () => {
    expect(progressEvent('{', now)).toBeUndefined();
    expect(progressEvent('{"items":3}', now)).toBeUndefined();
    expect(heatmapEvent('null', now)).toBeUndefined();
    expect(
      heatmapEvent('{"module":"m","bins":[[0,1,1]],"since":"2026-03-01T12:00:00.250Z"}', now),
    ).toEqual({ module: 'm', bins: [[0, 1, 1]], sinceMs: now + 250 });
    expect(totalsEvent('[')).toBeUndefined();
    expect(totalsEvent('{"credited":"7","rejected":{"a":null,"b":2}}')).toMatchObject({
      credited: 0,
      rejected: { a: 0, b: 2 },
      sessions: 0,
    });
  });
  test('times are dates or seconds', () => {
    expect(timeOf('2026-03-01T12:00:00Z', 0)).toBe(now);
    expect(timeOf(now / 1000, 0)).toBe(now);
    expect([timeOf('soon', 5), timeOf(undefined, 5)]).toEqual([5, 5]);
  });
});

describe('a ring', () => {
  test('keeps the newest, oldest first', () => {
    const ring = new Ring<number>(3);
    expect([ring.last, ring.toArray()]).toEqual([undefined, []]);
    for (let n = 1; n <= 8; ++n) {
      ring.push(n);
      expect(ring.last).toBe(n);
      expect(ring.toArray()).toEqual([n - 2, n - 1, n].filter((one) => one > 0));
    }
    ring.clear();
    ring.push(9);
    expect(ring.toArray()).toEqual([9]);
  });
  test.each([0, -1, 1.5])('of %d is refused', (capacity) =>
    expect(() => new Ring(capacity)).toThrow(RangeError),
  );
});

describe('rows in the window', () => {
  test('are those that can be seen and a few more', () => {
    expect(visibleRows(100, 800, 40, 10_000, 0)).toEqual([0, 18]);
    expect(visibleRows(-4_000, 800, 40, 10_000, 0)).toEqual([100, 120]);
    expect(visibleRows(-4_000, 800, 40, 110, 5)).toEqual([95, 110]);
    expect(visibleRows(5_000, 800, 40, 110, 5)).toEqual([0, 5]);
  });
});

describe('what is typed about a module', () => {
  test.each([
    ['90', 90_000],
    ['10:00', 600_000],
    ['1:02:03', 3_723_000],
    ['0:00.5', 500],
    [' 5:30 ', 330_000],
    ['24:00:00', 86_400_000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
    expect(parseDuration(durationText(ms))).toBe(ms);
  });
  test.each(['', '0', '1:60', '1:60:00', '24:00:01', 'ten', '-5', '1:2:3:4', '1:02:'])(
    '"%s" is none',
    (text) => expect(parseDuration(text)).toBeUndefined(),
  );
  const good = {
    id: 'fire-1',
    title: ' Fire ',
    duration: '10:00',
    threshold: '95',
    rate: '2',
    preview: '',
  };
  test('becomes a document', () =>
    expect(parseModule({ ...good, preview: '/p.mp4', rate: '1,5' }).input).toEqual({
      title: 'Fire',
      duration_ms: 600_000,
      mastery_threshold: 95,
      max_rate: 1.5,
      preview_url: '/p.mp4',
    }));
  test('a change names only what somebody changed', () => {
    const shown = parseModule({ ...good, preview: '/p.mp4' }).input!;
    expect(changesOf(shown, shown)).toEqual({});
    expect(changesOf(shown, { ...shown, max_rate: 3 })).toEqual({ max_rate: 3 });
    const without = parseModule(good).input!;
    expect(changesOf(shown, without)).toEqual({ preview_url: null });
    expect(changesOf(without, shown)).toEqual({ preview_url: '/p.mp4' });
    // Of a module that the form cannot show, everything.
    expect(changesOf(undefined, without)).toEqual(without);
  });
  test.each([
    ['id', 'a b'],
    ['id', '..'],
    ['id', 'x'.repeat(65)],
    ['title', ' '],
    ['title', 'ü'.repeat(257)],
    ['duration', 'x'],
    ['threshold', '0'],
    ['threshold', '101'],
    ['rate', '0.2'],
    ['rate', ''],
    ['preview', 'http://x'],
    ['preview', '//x'],
  ] as const)('%s "%s" is refused', (name, text) => {
    const { input, mistakes } = parseModule({ ...good, [name]: text });
    expect(input).toBeUndefined();
    expect(mistakes).toEqual({ [name]: true });
  });
});
