import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { api, Problem } from './api';
import { type LiveItem, StudentRows } from './students';
import { useRedraw, useRevision } from './use';

const FIRST_PAGE = 60;
const PAGE = 500;
/** Students that a live event names and no page has yet: asked for one by one, so many at most. */
const ASKED_MAX = 8;
const BEGIN_AGAIN_MS = 5_000;

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

/** Reads the list of students from its beginning whenever `key` changes. */
function usePages(module: string, order: Order, key: string, onExpired: () => void) {
  const [problem, setProblem] = useState<Problem>();
  const redraw = useRedraw();
  const list = useRef<StudentRows | undefined>(undefined);
  const lastRow = useRef(0);
  const isReading = useRef(false);
  const begunMs = useRef(0);
  const controller = useRef<AbortController | undefined>(undefined);

  // Pages are read one after the other, as far as somebody looks.
  const read = useCallback(async () => {
    const of = controller.current;
    if (isReading.current || !of) return;
    isReading.current = true;
    try {
      for (;;) {
        const known = list.current;
        if (known?.complete || known?.full) break;
        if (known && known.rows.length >= lastRow.current + FIRST_PAGE) break;
        const page = await api.students(
          module,
          { order, limit: known ? PAGE : FIRST_PAGE, cursor: known?.nextCursor },
          of.signal,
        );
        if (of.signal.aborted) return;
        list.current = known ?? new StudentRows();
        list.current.add(page, Date.now());
        setProblem(undefined);
        redraw();
      }
    } catch (error) {
      if (of.signal.aborted) return;
      const found = error instanceof Problem ? error : new Problem('fault', 0, '');
      // The gateway keeps a list in the order of need for so long only: what is left of it cannot be
      // had any more, so the list begins again by itself. Not over and over: a first page that was
      // just read has to bring further than this.
      if (found.status === 409 && list.current && Date.now() - begunMs.current > BEGIN_AGAIN_MS)
        onExpired();
      else setProblem(found);
    } finally {
      if (controller.current === of) isReading.current = false;
    }
  }, [key]);

  useEffect(() => {
    const fresh = new AbortController();
    controller.current = fresh;
    isReading.current = false;
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
  return { list, problem, read, readTo, controller };
}

export function useStudents(module: string, order: Order, feed: Feed): Students {
  const revision = useRevision();
  const [turn, setTurn] = useState(0);
  const restart = () => setTurn((n) => n + 1);
  const key = `${module} ${order} ${turn} ${revision}`;
  const { list, problem, read, readTo, controller } = usePages(module, order, key, restart);
  const redraw = useRedraw();
  const asked = useRef(new Set<string>());
  useEffect(() => asked.current.clear(), [key]);

  feed.progress = (items, atMs) => {
    const known = list.current;
    if (!known) return;
    const strangers = known.apply(items, atMs);
    redraw();
    // Only where all were read can somebody be new; else they are on a page still to come.
    if (!known.complete) return;
    for (const student of strangers) {
      if (asked.current.has(student) || asked.current.size >= ASKED_MAX) continue;
      asked.current.add(student);
      api
        .progress(student, module, controller.current?.signal)
        .then((document) => {
          if (list.current !== known) return;
          known.add({ items: [document], next: null }, Date.now());
          redraw();
        })
        .catch(() => {})
        .finally(() => asked.current.delete(student));
    }
  };
  feed.reset = restart;
  return { list: list.current, problem, key, restart, retry: () => void read(), readTo };
}
