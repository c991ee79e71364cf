import type { BinDelta, HeatDelta } from './heat';
import type { LiveItem } from './students';

/** The events of GET /v1/live, decoded. What does not have the documented shape is left out. */
export interface ProgressEvent {
  module: string;
  atMs: number;
  items: LiveItem[];
}
export interface TotalsEvent {
  heartbeatsPerS: number;
  credited: number;
  limited: number;
  duplicate: number;
  rejected: Record<string, number>;
  /** Of the busiest modules, or of the one that is watched. */
  active: Record<string, number>;
  activeStudents: number;
  sessions: number;
  connections: number;
}

function parse(data: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return value !== null && typeof value === 'object'
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** `at` may be a date or seconds since 1970, as `server_time` is. */
export function timeOf(at: unknown, nowMs: number): number {
  const ms = typeof at === 'number' ? at * 1000 : typeof at === 'string' ? Date.parse(at) : NaN;
  return Number.isFinite(ms) ? ms : nowMs;
}

export function progressEvent(data: string, nowMs: number): ProgressEvent | undefined {
  const value = parse(data);
  if (!value || !Array.isArray(value['items'])) return undefined;
  return {
    module: String(value['module'] ?? ''),
    atMs: timeOf(value['at'], nowMs),
    items: value['items'] as LiveItem[],
  };
}

export function heatmapEvent(
  data: string,
  nowMs: number,
): (HeatDelta & { module: string }) | undefined {
  const value = parse(data);
  if (!value || !Array.isArray(value['bins'])) return undefined;
  return {
    module: String(value['module'] ?? ''),
    bins: value['bins'] as BinDelta[],
    sinceMs: timeOf(value['since'], nowMs),
  };
}

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : 0;
const counts = (value: unknown): Record<string, number> =>
  value !== null && typeof value === 'object'
    ? Object.fromEntries(Object.entries(value).map(([name, n]) => [name, count(n)]))
    : {};

export function totalsEvent(data: string): TotalsEvent | undefined {
  const value = parse(data);
  if (!value) return undefined;
  return {
    heartbeatsPerS: count(value['heartbeats_per_s']),
    credited: count(value['credited']),
    limited: count(value['limited']),
    duplicate: count(value['duplicate']),
    rejected: counts(value['rejected']),
    active: counts(value['active']),
    activeStudents: count(value['active_students']),
    sessions: count(value['sessions']),
    connections: count(value['connections']),
  };
}
