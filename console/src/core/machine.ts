import type { Stats } from './api';

/** What the figures of two moments say about the time between them. Pure. */
export interface Moment {
  atMs: number;
  stats: Stats;
}
export interface Rates {
  heartbeats: number;
  credited: number;
  refused: number;
  requests: number;
  receivedBytes: number;
  sentBytes: number;
  batches: number;
  /** Heartbeats a batch, of the batches between the two moments; the mean since the start else. */
  batchSize: number;
}

const decided = ({ heartbeats: { credited, limited, duplicate, rejected } }: Stats) =>
  credited + limited + duplicate + rejected;
const stored = ({ shards }: Stats) =>
  shards.reduce((sum, shard) => sum + shard.batches * shard.batch_size_mean, 0);
const batches = ({ shards }: Stats) => shards.reduce((sum, shard) => sum + shard.batches, 0);

export function ratesOf(before: Moment | undefined, now: Moment): Rates {
  const mean = batches(now.stats) > 0 ? stored(now.stats) / batches(now.stats) : 0;
  const zero = {
    heartbeats: 0,
    credited: 0,
    refused: 0,
    requests: 0,
    receivedBytes: 0,
    sentBytes: 0,
    batches: 0,
    batchSize: mean,
  };
  // Counters that fell belong to another run of the gateway.
  if (!before || now.stats.uptime_s < before.stats.uptime_s || now.atMs <= before.atMs) return zero;
  const spanS = (now.atMs - before.atMs) / 1000;
  const rate = (of: (stats: Stats) => number) =>
    Math.max(0, of(now.stats) - of(before.stats)) / spanS;
  const made = batches(now.stats) - batches(before.stats);
  return {
    heartbeats: rate(decided),
    credited: rate((stats) => stats.heartbeats.credited),
    refused: rate((stats) => stats.heartbeats.rejected),
    requests: rate((stats) => stats.requests),
    receivedBytes: rate((stats) => stats.bytes.received),
    sentBytes: rate((stats) => stats.bytes.sent),
    batches: rate(batches),
    batchSize: made > 0 ? Math.max(1, (stored(now.stats) - stored(before.stats)) / made) : mean,
  };
}

/** The verification of the algorithm that is used most. */
export function mainVerification(stats: Stats): {
  name: string;
  p50Us: number;
  p99Us: number;
  count: number;
} {
  const [name, most] = Object.entries(stats.verification).sort(
    (a, b) => b[1].count - a[1].count,
  )[0] ?? ['', undefined];
  return { name, p50Us: most?.p50_us ?? 0, p99Us: most?.p99_us ?? 0, count: most?.count ?? 0 };
}
