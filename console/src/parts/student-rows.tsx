import { gaps } from '../core/ranges';
import { pathOf } from '../core/router';
import type { Row } from '../core/students';
import { t } from '../text/en';
import { clockRange, fullDateTime, percent, since } from '../text/format';
import { Attempt } from './attempt';
import { Icon, type IconName } from './icons';
import { memo } from './memo';
import { missingText, Strip } from './strip';

export type Need = Row['attention'] | 'mastered';
const icons: Record<Need, IconName> = {
  too_fast: 'fast',
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
    <span class={`need need-${need}`} title={t.students.attentionHint[need]}>
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
  durationMs,
  width,
  table,
  nowMs,
  onPlay,
}: {
  row: Row | undefined;
  index: number;
  durationMs: number;
  width: number;
  table: boolean;
  nowMs: number;
  onPlay: ((atMs: number) => void) | undefined;
}) {
  // A row that is still being read has the same elements as one that is there: scrolling past
  // thousands of them then makes and removes none.
  const coverage = row?.coverage ?? NOTHING;
  const missing = row ? missingText(coverage, durationMs) : '';
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
          {row ? row.student : t.students.loadingRows}
        </a>
        <Attempt n={row?.attempt ?? 1} />
      </span>
      <span role="cell" class="cell-strip">
        {table ? (
          <span class="strip-words">{row && rangesText(gaps(coverage, durationMs))}</span>
        ) : (
          <Strip
            coverage={coverage}
            again={row?.again ?? NOTHING}
            durationMs={durationMs}
            width={width}
            version={row?.version ?? 0}
            resumeMs={row?.resumeMs ?? durationMs}
            label={
              row
                ? t.students.stripLabel(row.student, row.completionPercentage, missing)
                : t.students.loadingRows
            }
            onPlay={onPlay}
          />
        )}
      </span>
      <span role="cell" class="cell-done">
        <b>{row && percent(row.completionPercentage)}</b>
        <small title={t.students.againHint}>
          {row && row.rewatchedMs >= 1000 ? t.students.again(row.rewatchedMs) : ''}
        </small>
      </span>
      <span role="cell" class="cell-seen" title={row && fullDateTime(row.updatedMs)}>
        {row && since(row.updatedMs, nowMs)}
      </span>
    </div>
  );
});
