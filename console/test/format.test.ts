import { describe, expect, test } from 'vitest';
import type { Stats } from '../src/core/api';
import { type Moment, ratesOf } from '../src/core/machine';
import { t } from '../src/text/en';
import { bytes, clock, microseconds, percent, plural, since, span } from '../src/text/format';

describe('formats', () => {
  test.each([
    [0, '0:00'],
    [7_999, '0:07'],
    [754_000, '12:34'],
    [3_723_000, '1:02:03'],
    [-5, '0:00'],
  ])('clock %d', (ms, text) => expect(clock(ms)).toBe(text));
  test.each([
    [94.99, '94.9%'],
    [95, '95%'],
    [99.999, '99.9%'],
    [100, '100%'],
    [0.3, '0.3%'],
    [0, '0%'],
    [16.66, '16.6%'],
  ])('percent %d is not rounded up', (value, text) => expect(percent(value)).toBe(text));
  test('plurals', () => {
    const forms = { one: '{n} student', other: '{n} students' };
    expect([0, 1, 2, 12_345].map((n) => plural(n, forms))).toEqual([
      '0 students',
      '1 student',
      '2 students',
      '12,345 students',
    ]);
  });
  test('attempts are numbered in words', () => {
    expect([2, 3, 4, 11, 12, 13, 21, 22, 1_003].map(t.attempt)).toEqual([
      '2nd attempt',
      '3rd attempt',
      '4th attempt',
      '11th attempt',
      '12th attempt',
      '13th attempt',
      '21st attempt',
      '22nd attempt',
      '1,003rd attempt',
    ]);
  });
  test('stretches of time', () => {
    expect([950, 1_300, 45_000, 125_000, 7_200_000, 400_000_000].map(span)).toEqual([
      '950 ms',
      '1.3 s',
      '45 s',
      '2 min',
      '2 h',
      '5 d',
    ]);
    expect([840, 1_300, 210_000, 2_500_000].map(microseconds)).toEqual([
      '840 µs',
      '1.3 ms',
      '210 ms',
      '2.5 s',
    ]);
    expect([999, 1_500, 88_000_000].map(bytes)).toEqual(['999 B', '1.5 KB', '88 MB']);
  });
  test('since', () => {
    const now = Date.parse('2026-03-01T12:00:00Z');
    expect(since(now, now)).toBe('now');
    expect(since(now - 61_000, now)).toMatch(/1.*min|1m/);
    expect(since(now - 30 * 86_400_000, now)).toMatch(/2026/);
    expect(since(NaN, now)).toBe('–');
  });
});

describe('rates of the machine', () => {
  const stats = (credited: number, uptimeS: number): Stats =>
    ({
      uptime_s: uptimeS,
      requests: credited,
      bytes: { received: credited * 460, sent: 0 },
      heartbeats: { credited, limited: 0, duplicate: 0, rejected: 0 },
      shards: [{ batches: credited / 4, batch_size_mean: 4 }],
    }) as unknown as Stats;
  const moment = (atMs: number, credited: number, uptimeS: number): Moment => ({
    atMs,
    stats: stats(credited, uptimeS),
  });
  test('are of the time between two results', () => {
    const rates = ratesOf(moment(1_000, 100, 10), moment(3_000, 300, 12));
    expect(rates.heartbeats).toBe(100);
    expect(rates.receivedBytes).toBe(46_000);
    expect(rates.batchSize).toBe(4);
  });
  test('are nought at first and after a restart', () => {
    expect(ratesOf(undefined, moment(1_000, 100, 10)).heartbeats).toBe(0);
    expect(ratesOf(moment(1_000, 900, 10), moment(2_000, 5, 1)).heartbeats).toBe(0);
  });
});
