import type { Attention, State } from './attention';
import type { HeatmapDocument } from './heat';
import type { Range } from './ranges';

/** The calls of the gateway that the console makes, and the documents they return. */
export type Role = 'viewer' | 'admin' | 'operator';

export interface LoginDocument {
  name: string;
  role: Role;
  expires_at: string;
  csrf: string;
}
export interface ModuleDocument {
  module: string;
  title: string;
  duration_ms: number;
  mastery_threshold: number;
  max_rate: number;
  updated_at: string;
  preview_url?: string;
}
export type ModuleInput = Omit<ModuleDocument, 'module' | 'updated_at'>;
/** RFC 7396: only what changes; null resets a member. */
export type ModulePatch = { [Name in keyof ModuleInput]?: ModuleInput[Name] | null };
export interface ModuleOverview {
  students: number;
  mastered: number;
  average_completion: number;
  active: number;
  activity: number[];
}
export interface Overview {
  server_time: string;
  /** When the numbers of students were counted. */
  as_of: string;
  modules: Record<string, ModuleOverview>;
}
export interface ProgressDocument {
  student: string;
  module: string;
  seconds_watched: number;
  completion_percentage: number;
  state: State;
  coverage: Range[];
  playtime_ms: number;
  resume_ms: number;
  updated_at: string;
  mastered_at: string | null;
  attempt?: number;
  rewatched_ms?: number;
  attention?: Attention;
}
export interface DeviceDocument {
  kid: string;
  student: string;
  algorithm: string;
  revoked: boolean;
  created_at: string;
}
export interface Refusal {
  at: string;
  module: string;
  device: string;
  session: string;
  sequence: number;
  status: 'rejected' | 'limited' | 'duplicate';
  problem: string | null;
  detail: string;
  /** Of `limited`: the part of the interval that did not count. */
  refused?: Range | null;
  kind: 'too_fast' | 'skipping' | 'spoofing' | 'replay' | 'clock' | 'other';
}
export interface CompletionEvent {
  id: string;
  time: string;
  data: {
    student: string;
    module: string;
    seconds_watched: number;
    completion_percentage: number;
    mastered_at: string;
    threshold: number;
    attempt: number;
  };
}
export interface List<T> {
  items: T[];
  next: string | null;
  total?: number;
  /** Of completions, the newest first: where to go on forwards. */
  newest?: string | null;
}
export interface Latency {
  p50: number;
  p99: number;
  count: number;
}
export interface Shard {
  index: number;
  pairs: number;
  dirty: number;
  parked_replies: number;
  queue_depth: number;
  batches: number;
  batch_size_mean: number;
  batch_size_max: number;
  batch_latency_us: Latency;
}
/** docs/stats.schema.json: what of it is shown. */
export interface Stats {
  build: { version: string; commit: string };
  uptime_s: number;
  connections: {
    open: number;
    accepted: number;
    refused: number;
    punished: number;
    handshakes_full: number;
    handshakes_resumed: number;
    handshakes_failed: number;
  };
  streams: { open: number };
  bytes: { received: number; sent: number };
  requests: number;
  heartbeats: {
    credited: number;
    limited: number;
    duplicate: number;
    rejected: number;
    in_flight: number;
    problems: Record<string, number>;
    latency_us: Latency;
  };
  sessions: number;
  verification: Record<string, { count: number; failed: number; p50_us: number; p99_us: number }>;
  shards: Shard[];
  hot_store: {
    up: boolean;
    degraded: boolean;
    description: string;
    durability: string;
    latency_us: Latency;
    failures: number;
    last_failure: string;
    traces: { due: boolean; removed_at: string | null; refusal: string };
  };
  ledger: {
    up: boolean;
    description: string;
    latency_us: Latency;
    lag_ms: number;
    dirty_pairs: number;
    checkpointed_pairs: number;
    failures: number;
    last_failure: string;
  };
  /** Modules whose students are being judged by new rules. `total`: null before it has begun, or if it is unknown. */
  jobs: { module: string; revision: number; done: number; total: number | null }[];
  memory: { resident_bytes: number };
}

/** A problem of the gateway (RFC 9457), or `unreachable` (status 0) when no response came. */
export class Problem extends Error {
  constructor(
    override readonly name: string,
    readonly status: number,
    readonly detail: string,
    readonly retryAfterS = 0,
  ) {
    super(`${name}: ${detail}`);
  }
}

export const RESPONSE_WITHIN_MS = 20_000;

/** What the calls need to know of the login; set by `login.ts`. */
export const authority: {
  csrf: string;
  onUnauthorized: () => void;
  /** A write was forbidden. True: it may be made again, with what `csrf` is then. */
  onForbidden: () => Promise<boolean>;
} = {
  csrf: '',
  onUnauthorized: () => {},
  onForbidden: async () => false,
};

async function problemOf(response: Response): Promise<Problem> {
  let name = `status-${response.status}`;
  let detail = '';
  try {
    const body = (await response.json()) as { type?: unknown; title?: unknown; detail?: unknown };
    if (typeof body.type === 'string') name = body.type.slice(body.type.lastIndexOf(':') + 1);
    detail = String(body.detail ?? body.title ?? '');
  } catch {
    // No problem document: the status says enough.
  }
  return new Problem(
    name,
    response.status,
    detail,
    Number(response.headers.get('retry-after')) || 0,
  );
}

interface CallOptions {
  method?: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** Signing in: a 401 is its result and not the end of a login. */
  quiet?: boolean;
  /** Made a second time: not again. */
  again?: boolean;
}

/** Makes a call; throws `Problem`, or the signal's reason when the caller aborted it. */
export const call = <T>(path: string, options: CallOptions = {}): Promise<T> =>
  request(
    path,
    'application/json',
    options,
    async (response) => (response.status === 204 ? undefined : await response.json()) as T,
  );

/** As `call`, for a response of another type; `read` runs within the same deadline. */
export async function request<T>(
  path: string,
  accept: string,
  options: CallOptions,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const { method = 'GET', body, signal, quiet, again } = options;
  const headers: Record<string, string> = { accept };
  if (body !== undefined)
    headers['content-type'] =
      method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  if (method !== 'GET' && authority.csrf) headers['x-watchkeeper-csrf'] = authority.csrf;
  const deadline = AbortSignal.timeout(RESPONSE_WITHIN_MS);
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'same-origin',
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
    if (response.ok) return await read(response);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem('unreachable', 0, '');
  }
  const problem = await problemOf(response);
  if (problem.status === 401 && !quiet) authority.onUnauthorized();
  if (problem.status === 403 && method !== 'GET' && !again && (await authority.onForbidden()))
    return request(path, accept, { ...options, again: true }, read);
  throw problem;
}

const id = encodeURIComponent;

export function query(parameters: Record<string, string | number | undefined>): string {
  const given = Object.entries(parameters).filter(
    ([, value]) => value !== undefined && value !== '',
  );
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

export const api = {
  modules: (parameters: { cursor?: string | undefined; limit?: number }, signal?: AbortSignal) =>
    call<List<ModuleDocument>>(`/v1/modules${query(parameters)}`, { signal }),
  module: (module: string, signal?: AbortSignal) =>
    call<ModuleDocument>(`/v1/modules/${id(module)}`, { signal }),
  putModule: (module: string, body: ModuleInput) =>
    call<ModuleDocument>(`/v1/modules/${id(module)}`, { method: 'PUT', body }),
  patchModule: (module: string, body: ModulePatch) =>
    call<ModuleDocument>(`/v1/modules/${id(module)}`, { method: 'PATCH', body }),
  overview: (signal?: AbortSignal) => call<Overview>('/v1/overview', { signal }),
  heatmap: (module: string, signal?: AbortSignal) =>
    call<HeatmapDocument>(`/v1/modules/${id(module)}/heatmap`, { signal }),
  students: (
    module: string,
    parameters: { cursor?: string | undefined; limit?: number; order?: 'student' | 'attention' },
    signal?: AbortSignal,
  ) =>
    call<List<ProgressDocument>>(`/v1/modules/${id(module)}/students${query(parameters)}`, {
      signal,
    }),
  progress: (student: string, module: string, signal?: AbortSignal) =>
    call<ProgressDocument>(`/v1/progress/${id(student)}/${id(module)}`, { signal }),
  progressOf: (student: string, cursor: string | undefined, signal?: AbortSignal) =>
    call<List<ProgressDocument>>(
      `/v1/students/${id(student)}/progress${query({ cursor, limit: 500 })}`,
      { signal },
    ),
  devices: (student: string, signal?: AbortSignal) =>
    call<List<DeviceDocument>>(`/v1/students/${id(student)}/devices`, { signal }),
  revoke: (kid: string) => call<void>(`/v1/devices/${id(kid)}`, { method: 'DELETE' }),
  refusals: (student: string, signal?: AbortSignal) =>
    call<List<Refusal>>(`/v1/students/${id(student)}/refusals${query({ limit: 200 })}`, { signal }),
  erase: (student: string) => call<void>(`/v1/students/${id(student)}`, { method: 'DELETE' }),
  completions: (
    parameters: {
      order?: 'asc' | 'desc';
      after?: string;
      before?: string | undefined;
      limit?: number;
      student?: string;
      module?: string;
    },
    signal?: AbortSignal,
  ) => call<List<CompletionEvent>>(`/v1/completions${query(parameters)}`, { signal }),
  stats: (signal?: AbortSignal) => call<Stats>('/v1/stats', { signal }),
  login: () => call<LoginDocument>('/v1/session', { quiet: true }),
  signIn: (token: string) =>
    call<LoginDocument>('/v1/session', { method: 'POST', body: { token }, quiet: true }),
  signOut: () => call<void>('/v1/session', { method: 'DELETE', quiet: true }),
};

/** Reads all pages up to `most` items; `complete` says whether that was everything. */
export async function allPages<T>(
  page: (cursor: string | undefined) => Promise<List<T>>,
  most: number,
): Promise<{ items: T[]; complete: boolean }> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const { items: more, next } = await page(cursor);
    items.push(...more);
    cursor = next ?? undefined;
  } while (cursor !== undefined && items.length < most);
  return { items: items.slice(0, most), complete: cursor === undefined && items.length <= most };
}
