import { useEffect, useState } from 'preact/hooks';
import { go } from '../core/place';
import { pathOf } from '../core/router';
import type { StudentRows } from '../core/students';
import { useNow, useWidth } from '../core/use';
import { type Feed, type Order, type Students, useStudents } from '../core/use-students';
import { t } from '../text/en';
import { Choice, TableToggle } from './controls';
import { Loading, Notice, ProblemNotice } from './states';
import { StudentRow } from './student-rows';
import { VirtualRows } from './virtual';

/** Rows that leave the window give their elements to those that come: nothing is made anew. */
const slotsFor = (rows: number): number => 2 ** Math.ceil(Math.log2(Math.max(rows, 64)));

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(matchMedia('(max-width: 760px)').matches);
  useEffect(() => {
    const query = matchMedia('(max-width: 760px)');
    const changed = () => setNarrow(query.matches);
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, []);
  return narrow;
}

function Legend() {
  return (
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
  );
}

function FindForm() {
  return (
    <form
      class="find"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem('student') as HTMLInputElement;
        const id = field.value.trim();
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
  );
}

const BadCursor = ({ restart }: { restart: () => void }) => (
  <Notice
    small
    icon="alert"
    title={t.state.badCursorTitle}
    action={
      <button type="button" class="button" onClick={restart}>
        {t.state.fromStart}
      </button>
    }
  >
    {t.state.badCursor}
  </Notice>
);

interface TableProps {
  list: StudentRows;
  students: Students;
  durationMs: number;
  asWords: boolean;
  /** A page could not be read; what was read before stays. */
  isBroken: boolean;
  onPlay: ((atMs: number) => void) | undefined;
}

function StudentTable({ list, students, durationMs, asWords, isBroken, onPlay }: TableProps) {
  const nowMs = useNow(10_000);
  const narrow = useNarrow();
  const [measure, stripWidth] = useWidth<HTMLSpanElement>();
  const words = t.students.column;
  return (
    <div
      role="table"
      aria-labelledby="students-title"
      aria-rowcount={list.total + 1}
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
            <span ref={measure}>{asWords ? t.students.missingParts : words.strip}</span>
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
        key={students.key}
        count={list.full ? Math.min(list.total, list.rows.length) : list.total}
        rowHeight={narrow ? 76 : 40}
        onRange={(_first, last) => students.readTo(last)}
      >
        {(first, last) =>
          Array.from({ length: Math.max(last - first, 0) }, (_, at) => (
            <StudentRow
              key={(first + at) % slotsFor(last - first)}
              row={list.rows[first + at]}
              index={first + at}
              durationMs={durationMs}
              width={stripWidth}
              table={asWords}
              nowMs={nowMs}
              onPlay={onPlay}
            />
          ))
        }
      </VirtualRows>
      {list.full && <p class="faint">{t.state.limitReached}</p>}
      {isBroken && (
        <p class="refused" role="alert">
          {t.state.unreachableTitle}{' '}
          <button type="button" class="link" onClick={students.retry}>
            {t.state.retry}
          </button>
        </p>
      )}
    </div>
  );
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
  const [order, setOrder] = useState<Order>('attention');
  const [asWords, setAsWords] = useState(false);
  const students = useStudents(module, order, feed);
  const { list, problem, restart } = students;
  const badCursor = list !== undefined && (problem?.status === 400 || problem?.status === 409);
  return (
    <section class="card students" aria-labelledby="students-title">
      <div class="card-head">
        <h2 id="students-title">{t.students.title}</h2>
        {list && <span class="count">{t.students.count(list.total)}</span>}
        <Legend />
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
        <TableToggle on={asWords} onChange={setAsWords} />
      </div>
      <div class="students-tools">
        <FindForm />
        {list && list.changed.size > 0 && order === 'attention' && (
          <span class="changed">
            {t.students.changed(list.changed.size)}
            <button type="button" class="link" onClick={restart}>
              {t.students.reorder}
            </button>
          </span>
        )}
      </div>
      {!list && (problem ? <ProblemNotice problem={problem} retry={restart} /> : <Loading />)}
      {badCursor && <BadCursor restart={restart} />}
      {list?.total === 0 && (
        <Notice small icon="empty" title={t.students.noneTitle}>
          {t.students.none}
        </Notice>
      )}
      {list && list.total > 0 && (
        <StudentTable
          list={list}
          students={students}
          durationMs={durationMs}
          asWords={asWords}
          isBroken={problem !== undefined && !badCursor}
          onPlay={onPlay}
        />
      )}
    </section>
  );
}
