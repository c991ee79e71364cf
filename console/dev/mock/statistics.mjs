// The documents of `/v1/overview` and `/v1/stats`.
import { activeOf, activity, counts, db, startedMs } from './state.mjs';

export function overview() {
  const modules = {};
  for (const [id, students] of Object.entries(db.progress)) {
    const all = Object.values(students);
    if (all.length === 0 || !db.modules[id]) continue;
    const active = activeOf(id);
    const slots = new Array(60).fill(0);
    for (const [at] of activity.get(id) ?? []) {
      const slot = 59 - Math.floor((Date.now() - at) / 5000);
      if (slot >= 0 && slot < 60) ++slots[slot];
    }
    modules[id] = {
      students: all.length,
      mastered: all.filter(({ state }) => state === 'MASTERED').length,
      average_completion:
        Math.floor(
          (all.reduce((sum, one) => sum + one.completion_percentage, 0) / all.length) * 100,
        ) / 100,
      active,
      activity: slots,
    };
  }
  return { server_time: new Date().toISOString(), as_of: new Date().toISOString(), modules };
}

const latency = (p50, p99) => ({
  p50: Math.round(p50 * (0.9 + Math.random() * 0.2)),
  p99: Math.round(p99 * (0.8 + Math.random() * 0.4)),
  count: counts.credited,
});

const verification = () => ({
  ES256: {
    count: counts.credited,
    failed: counts.problems['bad-signature'] ?? 0,
    p50_us: 84,
    p99_us: 131,
  },
  EdDSA: { count: 212, failed: 0, p50_us: 52, p99_us: 77 },
  HS256: { count: 0, failed: 0, p50_us: 0, p99_us: 0 },
});

const shards = () =>
  [0, 1, 2, 3].map((index) => ({
    index,
    pairs: 310 + index * 17,
    dirty: Math.floor(Math.random() * 60),
    parked_replies: Math.floor(Math.random() * 4),
    queue_depth: Math.floor(Math.random() * 5),
    batches: Math.floor(counts.credited / 6),
    batch_size_mean: 1.6,
    batch_size_max: 41,
    batch_latency_us: latency(620, 4100),
  }));

const stores = () => ({
  hot_store: {
    up: true,
    degraded: false,
    description: 'Redis 7.0 at 127.0.0.1:6379, appendfsync everysec',
    durability: 'log',
    latency_us: latency(540, 3900),
    retired_pairs: 0,
    failures: 0,
    last_failure: '',
    traces: { due: false, removed_at: null, refusal: '' },
  },
  ledger: {
    up: true,
    description: 'PostgreSQL 15 at 127.0.0.1:5432',
    latency_us: latency(8200, 31_000),
    lag_ms: (Date.now() - startedMs) % 30_000,
    dirty_pairs: 120,
    checkpointed_pairs: counts.credited,
    completions_created: db.completions.length,
    failures: 1,
    last_failure: 'connection to server was lost',
  },
});

export function stats() {
  const active = [...activity.keys()].reduce((sum, id) => sum + activeOf(id), 0);
  return {
    build: { version: '0.1.0', commit: '', compiler: '', type: 'mock' },
    uptime_s: (Date.now() - startedMs) / 1000,
    connections: {
      open: active + 3,
      accepted: active + 400,
      refused: 0,
      punished: 1,
      handshakes_full: 380,
      handshakes_resumed: 23,
      handshakes_failed: 2,
    },
    streams: { open: 4 },
    bytes: { received: counts.requests * 460, sent: counts.requests * 298 },
    requests: counts.requests,
    responses_dropped: 0,
    heartbeats: {
      credited: counts.credited,
      limited: counts.limited,
      duplicate: counts.duplicate,
      rejected: counts.rejected,
      in_flight: Math.floor(Math.random() * 6),
      problems: counts.problems,
      latency_us: latency(1300, 9800),
    },
    sessions: active,
    devices_cached: active,
    modules_cached: 8,
    verification: verification(),
    shards: shards(),
    ...stores(),
    jobs: Object.keys(db.modules)
      .slice(0, 2)
      .map((module, at) => ({
        module,
        revision: 2 + at,
        done: 1_200 * (1 - at),
        total: at ? null : 2_000,
      })),
    memory: { resident_bytes: 88_000_000 + Math.floor(Math.random() * 400_000) },
  };
}
