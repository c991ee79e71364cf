import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { api, Problem } from '../core/api';
import { go } from '../core/place';
import { pathOf } from '../core/router';
import { type LiveItem, StudentRows } from '../core/students';
import { useNow, useRedraw, useRevision, useWidth } from '../core/use';
import { t } from '../text/en';
import { Choice, TableToggle } from './controls';
import { Loading, Notice, ProblemNotice } from './states';
import { StudentRow } from './student-rows';
import { VirtualRows } from './virtual';

const FIRST_PAGE = 60;
const PAGE = 500;
/** Students that a live event names and no page has yet: asked for one by one, so many at most. */
const ASKED_MAX = 8;
const BEGIN_AGAIN_MS = 5_000;

/** Rows that leave the window give their elements to those that come: nothing is made anew. */
const slotsFor = (rows: number): number => 2 ** Math.ceil(Math.log2(Math.max(rows, 64)));

export type Order = 'attention' | 'student';

/** Follows the live stream through `feed`, which the view hands its events to. */
export interface Feed {
  progress?: (items: readonly LiveItem[], atMs: number) => void;
  reset?: () => void;
}

export function StudentsCard({
  module,
  durationMs,
  feed,
  onPlay,
}: {
  module: string;
  durationMs: number;
  feed: Feed;
  onPlay: ((atMs: number) => void) | undefined;
}) {
  const revision = useRevision();
  const [order, setOrder] = useState<Order>('attention');
  const [table, setTable] = useState(false);
  const [turn, setTurn] = useState(0);
  const [problem, setProblem] = useState<Problem>();
  const redraw = useRedraw();
  const nowMs = useNow(10_000);
  const [narrow, setNarrow] = useState(matchMedia('(max-width: 760px)').matches);
  const [measure, stripWidth] = useWidth<HTMLSpanElement>();
  const rows = useRef<StudentRows | undefined>(undefined);
  const wanted = useRef(0);
  const loading = useRef(false);
  const asked = useRef(new Set<string>());
  const begun = useRef(0);

  useEffect(() => {
    const query = matchMedia('(max-width: 760px)');
    const changed = () => setNarrow(query.matches);
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, []);

  // Pages are read one after the other, as far as somebody looks.
  const controller = useRef<AbortController | undefined>(undefined);
  const read = useCallback(async () => {
    const of = controller.current;
    if (loading.current || !of) return;
    loading.current = true;
    try {
      for (;;) {
        const held = rows.current;
        if (held && (held.complete || held.full || held.rows.length >= wanted.current + FIRST_PAGE))
          break;
        const page = await api.students(
          module,
          { order, limit: held ? PAGE : FIRST_PAGE, cursor: held?.nextCursor },
          of.signal,
        );
        if (of.signal.aborted) return;
        const into = held ?? new StudentRows();
        into.add(page, Date.now());
        rows.current = into;
        setProblem(undefined);
        redraw();
      }
    } catch (error) {
      if (of.signal.aborted) return;
      const found = error instanceof Problem ? error : new Problem('fault', 0, '');
      // The gateway keeps a list in the order of need for so long only: what is left of it cannot be
      // had any more, so the card begins again by itself. Not over and over: a first page that was
      // just read has to bring further than this.
      if (found.status === 409 && rows.current && Date.now() - begun.current > BEGIN_AGAIN_MS)
        setTurn((n) => n + 1);
      else setProblem(found);
    } finally {
      if (controller.current === of) loading.current = false;
    }
  }, [module, order, turn, revision]);

  useEffect(() => {
    const fresh = new AbortController();
    controller.current = fresh;
    loading.current = false;
    rows.current = undefined;
    begun.current = Date.now();
    setProblem(undefined);
    asked.current.clear();
    wanted.current = 0;
    redraw();
    void read();
    return () => fresh.abort();
  }, [read]);

  feed.progress = (items, atMs) => {
    const held = rows.current;
    if (!held) return;
    const unknown = held.apply(items, atMs);
    redraw();
    // Only where all were read can somebody be new; else they are on a page still to come.
    if (!held.complete) return;
    for (const student of unknown) {
      if (asked.current.has(student) || asked.current.size >= ASKED_MAX) continue;
      asked.current.add(student);
      api
        .progress(student, module, controller.current?.signal)
        .then((document) => {
          if (rows.current !== held) return;
          held.add({ items: [document], next: null }, Date.now());
          redraw();
        })
        .catch(() => {})
        .finally(() => asked.current.delete(student));
    }
  };
  feed.reset = () => setTurn((n) => n + 1);

  const held = rows.current;
  const badCursor = (problem?.status === 400 || problem?.status === 409) && held !== undefined;
  const rowHeight = narrow ? 76 : 40;
  const words = t.students.column;
  const range = useCallback(
    (_first: number, last: number) => {
      if (last <= wanted.current) return;
      wanted.current = last;
      void read();
    },
    [read],
  );
  return (
    <section class="card students" aria-labelledby="students-title">
      <div class="card-head">
        <h2 id="students-title">{t.students.title}</h2>
        {held && <span class="count">{t.students.count(held.total)}</span>}
        <ul class="legend">
          <li>
            <i class="key key-seen" />
            {t.students.legend.seen}
          </li>
          <li>
            <i class="key key-strip-again" />
            {t.students.legend.again}
          </li>
          <li>
            <i class="key key-missing" />
            {t.students.legend.missing}
          </li>
        </ul>
        <span class="push" />
        <Choice
          label={t.students.order}
          value={order}
          onChange={setOrder}
          options={[
            { value: 'attention', text: t.students.byNeed },
            { value: 'student', text: t.students.byName },
          ]}
        />
        <TableToggle on={table} onChange={setTable} />
      </div>
      <div class="students-tools">
        <form
          class="find"
          role="search"
          onSubmit={(event) => {
            event.preventDefault();
            const id = (
              event.currentTarget.elements.namedItem('student') as HTMLInputElement
            ).value.trim();
            if (id) go(pathOf({ view: 'student', student: id }));
          }}
        >
          <input
            name="student"
            aria-label={t.students.find}
            placeholder={t.students.find}
            autocomplete="off"
          />
          <button type="submit" class="button">
            {t.students.findGo}
          </button>
        </form>
        {held && held.changed.size > 0 && order === 'attention' && (
          <span class="changed">
            {t.students.changed(held.changed.size)}
            <button type="button" class="link" onClick={() => setTurn((n) => n + 1)}>
              {t.students.reorder}
            </button>
          </span>
        )}
      </div>
      {problem && !badCursor && !held && (
        <ProblemNotice problem={problem} retry={() => setTurn((n) => n + 1)} />
      )}
      {badCursor && (
        <Notice
          small
          icon="alert"
          title={t.state.badCursorTitle}
          action={
            <button type="button" class="button" onClick={() => setTurn((n) => n + 1)}>
              {t.state.fromStart}
            </button>
          }
        >
          {t.state.badCursor}
        </Notice>
      )}
      {!held && !problem && <Loading />}
      {held && held.total === 0 && (
        <Notice small icon="empty" title={t.students.noneTitle}>
          {t.students.none}
        </Notice>
      )}
      {held && held.total > 0 && (
        <div
          role="table"
          aria-labelledby="students-title"
          aria-rowcount={held.total + 1}
          class="student-table"
        >
          <div role="rowgroup" class="student-head">
            <div role="row" class="student-row" aria-rowindex={1}>
              <span role="columnheader" class="cell-need">
                {words.attention}
              </span>
              <span role="columnheader" class="cell-student">
                {words.student}
              </span>
              <span role="columnheader" class="cell-strip">
                <span ref={measure}>{table ? t.students.missingParts : words.strip}</span>
              </span>
              <span role="columnheader" class="cell-done">
                {words.completion}
              </span>
              <span role="columnheader" class="cell-seen">
                {words.seen}
              </span>
            </div>
          </div>
          {/* Anew with each list: what is in sight has to be asked for again. */}
          <VirtualRows
            key={`${order} ${turn} ${revision}`}
            count={Math.min(held.total, held.full ? held.rows.length : held.total)}
            rowHeight={rowHeight}
            onRange={range}
          >
            {(first, last) =>
              Array.from({ length: Math.max(last - first, 0) }, (_, at) => (
                <StudentRow
                  key={(first + at) % slotsFor(last - first)}
                  row={held.rows[first + at]}
                  index={first + at}
                  durationMs={durationMs}
                  width={stripWidth}
                  table={table}
                  nowMs={nowMs}
                  onPlay={onPlay}
                />
              ))
            }
          </VirtualRows>
          {held.full && <p class="faint">{t.state.limitReached}</p>}
          {problem && !badCursor && (
            <p class="refused" role="alert">
              {t.state.unreachableTitle}{' '}
              <button type="button" class="link" onClick={() => void read()}>
                {t.state.retry}
              </button>
            </p>
          )}
        </div>
      )}
    </section>
  );
}
