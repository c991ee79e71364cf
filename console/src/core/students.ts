import type { List, ProgressDocument, Refusal } from './api';
import { type Attention, attentionOf, type State } from './attention';
import { CLOSED_GAP_MS, type Range, subtract, unite } from './ranges';

/** At most so many students are in memory; who wants one beyond them opens them by id. */
export const ROWS_MAX = 20_000;
/** Of each student, so many pieces that passed again stay for drawing. */
export const AGAIN_MAX = 200;

export interface Row {
  student: string;
  /** 1, and one more after each reset of the progress. */
  attempt: number;
  state: State;
  completionPercentage: number;
  secondsWatched: number;
  coverage: readonly Range[];
  /** What was seen to pass again while this page was open. */
  again: readonly Range[];
  rewatchedMs: number;
  resumeMs: number;
  updatedMs: number;
  attention: Attention;
  /** Grows with every change, so that what did not change is not drawn. */
  version: number;
}

/** One student of an `event: progress`. */
export interface LiveItem {
  student: string;
  attempt: number;
  seconds_watched: number;
  completion_percentage: number;
  state: State;
  resume_ms: number;
  from_ms: number;
  to_ms: number;
  status: string;
  new?: Range[];
  played?: Range[];
}

export function rowOf(
  document: ProgressDocument,
  nowMs: number,
  refused: readonly Range[] = [],
): Row {
  const coveredMs = document.coverage.reduce((sum, [from, to]) => sum + to - from, 0);
  const row = {
    student: document.student,
    attempt: document.attempt ?? 1,
    state: document.state,
    completionPercentage: document.completion_percentage,
    secondsWatched: document.seconds_watched,
    coverage: document.coverage,
    again: [],
    rewatchedMs: document.rewatched_ms ?? Math.max(0, document.playtime_ms - coveredMs),
    resumeMs: document.resume_ms,
    updatedMs: Date.parse(document.updated_at),
    version: 0,
  };
  return { ...row, attention: document.attention ?? attentionOf(row, nowMs, refused) };
}

/**
 * What of the module was refused because it was played too fast. After a reset nobody can tell the
 * attempts of the refusals apart, so there is none.
 */
export function refusedOf(document: ProgressDocument, refusals: readonly Refusal[]): Range[] {
  if ((document.attempt ?? 1) > 1) return [];
  return refusals.flatMap(({ module, refused }) =>
    refused && module === document.module ? [refused] : [],
  );
}

/** A row without progress, in a later attempt. */
const begunAnew = (row: Row, attempt: number): Row => ({
  ...row,
  attempt,
  state: 'IN_PROGRESS',
  completionPercentage: 0,
  secondsWatched: 0,
  coverage: [],
  again: [],
  rewatchedMs: 0,
  attention: 'none',
});

/** What `item` changes in a row. Pure. */
export function withLive(known: Row, item: LiveItem, atMs: number): Row {
  if (item.attempt < known.attempt) return known; // late, of an attempt that has ended
  const row = item.attempt > known.attempt ? begunAnew(known, item.attempt) : known;
  const played =
    item.played ?? (item.to_ms > item.from_ms ? [[item.from_ms, item.to_ms] as const] : []);
  const passed = item.new ? subtract(played, item.new) : played;
  const coverage = unite(row.coverage, item.new ?? [], CLOSED_GAP_MS);
  const again = unite(row.again, passed).slice(-AGAIN_MAX);
  const next = {
    student: row.student,
    attempt: row.attempt,
    // The progress of an attempt never falls: an event that was overtaken must not take anything back.
    state: row.state === 'MASTERED' ? row.state : item.state,
    completionPercentage: Math.max(row.completionPercentage, item.completion_percentage),
    secondsWatched: Math.max(row.secondsWatched, item.seconds_watched),
    coverage,
    again,
    rewatchedMs: row.rewatchedMs + passed.reduce((sum, [from, to]) => sum + to - from, 0),
    resumeMs: item.resume_ms,
    updatedMs: Math.max(row.updatedMs, atMs),
    version: row.version + 1,
  };
  // What was refused is in no event: only the next list can take the mark away.
  const stays = row.attention === 'too_fast' && next.state !== 'MASTERED';
  return { ...next, attention: stays ? row.attention : attentionOf(next, atMs) };
}

/** The students of a module as far as they were read, in the order they were read in. */
export class StudentRows {
  readonly rows: Row[] = [];
  total = 0;
  complete = false;
  /** Students that changed since they were put in order. */
  readonly changed = new Set<string>();
  private readonly index = new Map<string, number>();
  private cursor: string | undefined;

  get nextCursor(): string | undefined {
    return this.cursor;
  }
  get full(): boolean {
    return this.rows.length >= ROWS_MAX;
  }

  add(page: List<ProgressDocument>, nowMs: number): void {
    if (page.total !== undefined) this.total = page.total;
    for (const document of page.items) {
      if (this.full) break;
      const at = this.index.get(document.student);
      // The order shifts while pages are read: who comes twice is shown once.
      if (at !== undefined) {
        const old = this.rows[at]!;
        const row = rowOf(document, nowMs);
        if (row.attempt < old.attempt) continue; // read before the reset
        const again = row.attempt === old.attempt ? old.again : [];
        this.rows[at] = { ...row, again, version: old.version + 1 };
        continue;
      }
      this.index.set(document.student, this.rows.length);
      this.rows.push(rowOf(document, nowMs));
    }
    this.cursor = page.next ?? undefined;
    this.complete = page.next === null;
    if (this.complete) this.total = this.rows.length;
    this.total = Math.max(this.total, this.rows.length);
  }

  has(student: string): boolean {
    return this.index.has(student);
  }

  /** Gives the students that are not among the rows. */
  apply(items: readonly LiveItem[], atMs: number): string[] {
    const unknown: string[] = [];
    for (const item of items) {
      const at = this.index.get(item.student);
      if (at === undefined) {
        unknown.push(item.student);
        continue;
      }
      this.rows[at] = withLive(this.rows[at]!, item, atMs);
      this.changed.add(item.student);
    }
    return unknown;
  }
}
