import { gaps } from '../core/ranges';
import { pathOf } from '../core/router';
import type { Row } from '../core/students';
import { t } from '../text/en';
import { clockRange, fullDateTime, percent, since } from '../text/format';
import { Icon, type IconName } from './icons';
import { memo } from './memo';
import { missingText, Strip } from './strip';

export type Need = Row['attention'] | 'mastered';
const icons: Record<Need, IconName> = {
  skipping: 'skip',
  stalled: 'pause',
  nearly_done: 'near',
  none: 'dot',
  mastered: 'check',
};

/** What a student needs, by shape, word and colour. */
export function NeedMark({ row }: { row: Pick<Row, 'state' | 'attention'> }) {
  const need: Need = row.state === 'MASTERED' ? 'mastered' : row.attention;
  return (
    <span class={`need need-${need}`} title={t.students.attention_hint[need]}>
      <Icon name={icons[need]} size={15} />
      {t.students.attention[need]}
    </span>
  );
}

const TABLE_RANGES_MAX = 6;
const NOTHING: readonly (readonly [number, number])[] = [];
const WAITING = { state: 'IN_PROGRESS', attention: 'none' } as const;

function rangesText(ranges: readonly (readonly [number, number])[]): string {
  const named = ranges
    .slice(0, TABLE_RANGES_MAX)
    .map(([from, to]) => clockRange(from, to))
    .join(', ');
  return ranges.length === 0
    ? t.students.nothing
    : t.students.missing(named, ranges.length - Math.min(ranges.length, TABLE_RANGES_MAX));
}

export const StudentRow = memo(function StudentRow({
  row,
  index,
  duration_ms,
  width,
  table,
  now_ms,
  onPlay,
}: {
  row: Row | undefined;
  index: number;
  duration_ms: number;
  width: number;
  table: boolean;
  now_ms: number;
  onPlay: ((at_ms: number) => void) | undefined;
}) {
  // A row that is still being read has the same elements as one that is there: scrolling past
  // thousands of them then makes and removes none.
  const coverage = row?.coverage ?? NOTHING;
  const missing = row ? missingText(coverage, duration_ms) : '';
  return (
    <div
      class={row ? 'student-row' : 'student-row student-waits'}
      role="row"
      aria-rowindex={index + 2}
      data-student={row?.student}
    >
      <span role="cell" class="cell-need">
        <NeedMark row={row ?? WAITING} />
      </span>
      <span role="rowheader" class="cell-student">
        <a
          {...(row
            ? { href: pathOf({ view: 'student', student: row.student }), title: row.student }
            : {})}
        >
          {row ? row.student : t.students.loading_rows}
        </a>
      </span>
      <span role="cell" class="cell-strip">
        {table ? (
          <span class="strip-words">{row && rangesText(gaps(coverage, duration_ms))}</span>
        ) : (
          <Strip
            coverage={coverage}
            again={row?.again ?? NOTHING}
            duration_ms={duration_ms}
            width={width}
            version={row?.version ?? 0}
            resume_ms={row?.resume_ms ?? duration_ms}
            label={
              row
                ? t.students.strip_label(row.student, row.completion_percentage, missing)
                : t.students.loading_rows
            }
            onPlay={onPlay}
          />
        )}
      </span>
      <span role="cell" class="cell-done">
        <b>{row && percent(row.completion_percentage)}</b>
        <small title={t.students.again_hint}>
          {row && row.rewatched_ms >= 1000 ? t.students.again(row.rewatched_ms) : ''}
        </small>
      </span>
      <span role="cell" class="cell-seen" title={row && fullDateTime(row.updated_ms)}>
        {row && since(row.updated_ms, now_ms)}
      </span>
    </div>
  );
});
