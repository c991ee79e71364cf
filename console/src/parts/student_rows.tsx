import type { Row } from '../core/students';
import { pathOf } from '../core/router';
import { gaps } from '../core/ranges';
import { t } from '../text/en';
import { clock, clockRange, fullDateTime, percent, since } from '../text/format';
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

function rangesText(ranges: readonly (readonly [number, number])[]): string {
  const named = ranges.slice(0, TABLE_RANGES_MAX).map(([from, to]) => clockRange(from, to)).join(', ');
  return ranges.length === 0 ? t.students.nothing : t.students.missing(named, ranges.length - Math.min(ranges.length, TABLE_RANGES_MAX));
}

export const StudentRow = memo(function StudentRow({ row, index, duration_ms, width, table, now_ms, onPlay }: {
  row: Row | undefined;
  index: number;
  duration_ms: number;
  width: number;
  table: boolean;
  now_ms: number;
  onPlay: ((at_ms: number) => void) | undefined;
}) {
  if (!row)
    return (
      <div class="student-row student-waits" role="row" aria-rowindex={index + 2}>
        <span role="cell" class="cell-need" />
        <span role="cell" class="cell-student">
          <span class="visually-hidden">{t.students.loading_rows}</span>
          <i />
        </span>
        <span role="cell" class="cell-strip">
          <i style={{ width: `${width}px` }} />
        </span>
        <span role="cell" class="cell-done" />
        <span role="cell" class="cell-seen" />
      </div>
    );
  const missing = missingText(row.coverage, duration_ms);
  return (
    <div class="student-row" role="row" aria-rowindex={index + 2} data-student={row.student}>
      <span role="cell" class="cell-need">
        <NeedMark row={row} />
      </span>
      <span role="rowheader" class="cell-student">
        <a href={pathOf({ view: 'student', student: row.student })} title={row.student}>
          {row.student}
        </a>
      </span>
      <span role="cell" class="cell-strip">
        {table ? (
          <span class="strip-words">{rangesText(gaps(row.coverage, duration_ms))}</span>
        ) : (
          <Strip
            coverage={row.coverage}
            again={row.again}
            duration_ms={duration_ms}
            width={width}
            version={row.version}
            resume_ms={row.resume_ms}
            label={t.students.strip_label(row.student, row.completion_percentage, missing)}
            onPlay={onPlay}
          />
        )}
      </span>
      <span role="cell" class="cell-done">
        <b>{percent(row.completion_percentage)}</b>
        {row.rewatched_ms >= 1000 && <small title={t.students.again_hint}>{t.students.again(row.rewatched_ms)}</small>}
      </span>
      <span role="cell" class="cell-seen" title={fullDateTime(row.updated_ms)}>
        {since(row.updated_ms, now_ms)}
      </span>
      <span class="visually-hidden" role="cell">{clock(row.resume_ms)}</span>
    </div>
  );
});
