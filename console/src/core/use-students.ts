import type { RefObject } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { api, Problem } from './api';
import { type LiveItem, StudentRows } from './students';
import { useRedraw, useRevision } from './use';

const FIRST_PAGE = 60;
const PAGE = 500;
/** Students that a live event names and no page has yet: asked for one by one, so many at a time. */
const ASKED_MAX = 8;
/** Beyond these the next pages have to bring them. */
const WAITING_MAX = 1_000;
const BEGIN_AGAIN_MS = 5_000;
/** A list that is read anew and broke off is read from its beginning, so often and after so long. */
const TRIES = 5;
const TRY_AGAIN_MS = 1_000;

export type Order = 'attention' | 'student';

/** Follows the live stream through `feed`, which the view hands its events to. */
export interface Feed {
  progress?: (items: readonly LiveItem[], atMs: number) => void;
  reset?: () => void;
}

/** The students of a module in an order, read page by page as far as somebody looks. */
export interface Students {
  /** What was read so far; undefined: nothing yet. */
  list: StudentRows | undefined;
  problem: Problem | undefined;
  /** Another one for each list that is read from its beginning. */
  key: string;
  /** Begins again. */
  restart: () => void;
  /** Asks again for the page that could not be read. */
  retry: () => void;
  /** Reads on, up to this row. */
  readTo: (row: number) => void;
}

interface Shown {
  list: RefObject<StudentRows | undefined>;
  lastRow: RefObject<number>;
  controller: RefObject<AbortController | undefined>;
  show: (fresh: StudentRows) => void;
}

/** Reads the list anew behind the one that is shown, which stays until it reaches as far: nobody loses their place. */
function useReplacement({ module, order, key, restart }: Asked, shown: Shown) {
  const next = useRef<StudentRows | undefined>(undefined);
  const isOutdated = useRef(false);
  /** Undefined: the list is shown no more. */
  const readAll = async (signal: AbortSignal): Promise<StudentRows | undefined> => {
    const fresh = new StudentRows();
    next.current = fresh;
    do {
      const cursor = fresh.nextCursor;
      const page = await api.students(module, { order, limit: PAGE, cursor }, signal);
      if (signal.aborted) return undefined;
      fresh.add(page, Date.now());
    } while (
      !fresh.complete &&
      !fresh.full &&
      fresh.rows.length < shown.lastRow.current + FIRST_PAGE
    );
    return fresh;
  };
  const readAnew = useCallback(async () => {
    const of = shown.controller.current;
    if (!of || !shown.list.current) return restart();
    isOutdated.current = true;
    if (next.current) return; // once more, after the one that is being read
    // The gateway drops its lists more than once for an erasure: then a second page is not to be had.
    for (let tries = 1; isOutdated.current && !of.signal.aborted; ) {
      isOutdated.current = false;
      try {
        const fresh = await readAll(of.signal);
        if (fresh) shown.show(fresh);
        tries = 1;
      } catch {
        if (of.signal.aborted) break;
        if (tries++ === TRIES) return restart();
        isOutdated.current = true;
        await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
      }
    }
    if (shown.controller.current === of) next.current = undefined;
  }, [key]);
  return { next, readAnew };
}

/** What is read: from its beginning whenever `key` changes. */
interface Asked {
  module: string;
  order: Order;
  key: string;
  restart: () => void;
}

/** Reads pages into the list one after the other, as far as somebody looks, and reports each. */
async function readOn(
  { module, order }: Asked,
  { list, lastRow }: Pick<Shown, 'list' | 'lastRow'>,
  signal: AbortSignal,
  report: () => void,
) {
  for (;;) {
    const known = list.current;
    if (known?.complete || known?.full) return;
    if (known && known.rows.length >= lastRow.current + FIRST_PAGE) return;
    const limit = known ? PAGE : FIRST_PAGE;
    const page = await api.students(module, { order, limit, cursor: known?.nextCursor }, signal);
    if (signal.aborted) return;
    if (list.current !== known) continue; // read anew meanwhile
    list.current = known ?? new StudentRows();
    list.current.add(page, Date.now());
    report();
  }
}

/** Reads the list of students page by page. */
function usePages(asked: Asked) {
  const { key, restart } = asked;
  const [problem, setProblem] = useState<Problem>();
  const redraw = useRedraw();
  const list = useRef<StudentRows | undefined>(undefined);
  const lastRow = useRef(0);
  const isReading = useRef(false);
  const begunMs = useRef(0);
  const controller = useRef<AbortController | undefined>(undefined);

  const read = useCallback(async () => {
    const of = controller.current;
    if (isReading.current || !of) return;
    isReading.current = true;
    try {
      await readOn(asked, { list, lastRow }, of.signal, () => {
        setProblem(undefined);
        redraw();
      });
    } catch (error) {
      if (of.signal.aborted) return;
      const found = error instanceof Problem ? error : new Problem('fault', 0, '');
      // The gateway keeps a list in the order of need for so long only: what is left of it cannot be
      // had any more, so the list begins again by itself. Not over and over: a first page that was
      // just read has to bring further than this.
      if (found.status === 409 && list.current && Date.now() - begunMs.current > BEGIN_AGAIN_MS)
        restart();
      else setProblem(found);
    } finally {
      if (controller.current === of) isReading.current = false;
    }
  }, [key]);

  const show = (fresh: StudentRows) => {
    list.current = fresh;
    begunMs.current = Date.now();
    setProblem(undefined);
    redraw();
  };
  const { next, readAnew } = useReplacement(asked, { list, lastRow, controller, show });

  useEffect(() => {
    const fresh = new AbortController();
    controller.current = fresh;
    isReading.current = false;
    next.current = undefined;
    list.current = undefined;
    begunMs.current = Date.now();
    lastRow.current = 0;
    setProblem(undefined);
    redraw();
    void read();
    return () => fresh.abort();
  }, [read]);

  const readTo = useCallback(
    (row: number) => {
      if (row <= lastRow.current) return;
      lastRow.current = row;
      void read();
    },
    [read],
  );
  return { list, next, problem, read, readAnew, readTo, controller };
}

export function useStudents(module: string, order: Order, feed: Feed): Students {
  const revision = useRevision();
  const [turn, setTurn] = useState(0);
  const restart = () => setTurn((n) => n + 1);
  const key = `${module} ${order} ${turn} ${revision}`;
  const pages = usePages({ module, order, key, restart });
  const { list, next, problem, read, readTo, controller } = pages;
  const redraw = useRedraw();
  const asked = useRef(new Set<string>());
  const waiting = useRef(new Set<string>());
  useEffect(() => {
    asked.current.clear();
    waiting.current.clear();
  }, [key]);

  const askNext = () => {
    const signal = controller.current?.signal;
    for (const student of waiting.current) {
      if (asked.current.size >= ASKED_MAX) break;
      waiting.current.delete(student);
      asked.current.add(student);
      api
        .progress(student, module, signal)
        .then((document) => {
          if (signal?.aborted) return;
          for (const rows of [list.current, next.current])
            if (rows?.complete) rows.add({ items: [document], next: null }, Date.now());
          redraw();
        })
        .catch(() => {})
        .finally(() => {
          if (signal?.aborted) return;
          asked.current.delete(student);
          askNext();
        });
    }
  };
  /** Students whom the gateway knows, and its list does not have yet. */
  const ask = (students: readonly string[]) => {
    for (const student of students)
      if (waiting.current.size < WAITING_MAX && !asked.current.has(student))
        waiting.current.add(student);
    askNext();
  };
  feed.progress = (items, atMs) => {
    const known = list.current;
    if (!known) return;
    const strangers = known.apply(items, atMs);
    next.current?.apply(items, atMs);
    redraw();
    // Only where all were read can somebody be new; else they are on a page still to come.
    if (known.complete) ask(strangers);
  };
  feed.reset = async () => {
    const before = list.current;
    await pages.readAnew();
    const now = list.current;
    if (before && now?.complete)
      ask(before.rows.map(({ student }) => student).filter((student) => !now.has(student)));
  };
  return { list: list.current, problem, key, restart, retry: () => void read(), readTo };
}
