import { useState } from 'preact/hooks';
import type { ModuleDocument, ProgressDocument, Refusal } from '../../core/api';
import { gaps, type Range } from '../../core/ranges';
import { pathOf } from '../../core/router';
import { refusedOf, rowOf } from '../../core/students';
import { useNow, useWidth } from '../../core/use';
import { Attempt } from '../../parts/attempt';
import { TableToggle } from '../../parts/controls';
import { Notice } from '../../parts/states';
import { missingText, Strip } from '../../parts/strip';
import { NeedMark } from '../../parts/student-rows';
import { t } from '../../text/en';
import { clock, clockRange, dateTime, fullDateTime, percent, since } from '../../text/format';

const listed = (ranges: readonly Range[]): string =>
  ranges.map(([from, to]) => clockRange(from, to)).join(', ') || t.students.nothing;

function ModuleStrip({
  item,
  module,
  refusals,
  asTable,
  width,
  nowMs,
}: {
  item: ProgressDocument;
  module: ModuleDocument | undefined;
  refusals: readonly Refusal[];
  asTable: boolean;
  width: number;
  nowMs: number;
}) {
  const row = rowOf(item, nowMs, refusedOf(item, refusals));
  // A removed module has no length any more: what was seen last is the best there is.
  const durationMs = module?.duration_ms ?? Math.max(item.coverage.at(-1)?.[1] ?? 1, 1);
  const missing = missingText(item.coverage, durationMs);
  return (
    <li data-module={item.module}>
      <div class="module-strip-head">
        <a href={pathOf({ view: 'module', module: item.module })}>{module?.title ?? item.module}</a>
        <NeedMark row={row} />
        <Attempt n={row.attempt} />
        <span class="push-left nowrap">
          <span title={fullDateTime(row.updatedMs)} class="faint">
            {since(row.updatedMs, nowMs)}
          </span>
          <b>{percent(item.completion_percentage)}</b>
        </span>
      </div>
      {asTable ? (
        <p class="strip-table">
          {t.students.seenParts}: {listed(item.coverage)}. {t.students.missingParts}:{' '}
          {listed(gaps(item.coverage, durationMs))}.
        </p>
      ) : (
        <Strip
          coverage={item.coverage}
          again={row.again}
          durationMs={durationMs}
          width={width}
          version={0}
          resumeMs={item.resume_ms}
          label={t.students.stripLabel(
            module?.title ?? item.module,
            item.completion_percentage,
            missing,
          )}
        />
      )}
      <p class="module-strip-foot">
        <span>
          {clock(item.seconds_watched * 1000)} / {clock(durationMs)}
        </span>
        {row.rewatchedMs >= 1000 && (
          <span title={t.students.againHint}>{t.students.again(row.rewatchedMs)}</span>
        )}
        {item.mastered_at && (
          <span>{t.student.masteredOn(dateTime(Date.parse(item.mastered_at)))}</span>
        )}
      </p>
    </li>
  );
}

/** What the student has watched of each module. */
export function Progress({
  items,
  modules,
  refusals,
}: {
  items: readonly ProgressDocument[];
  modules: ReadonlyMap<string, ModuleDocument>;
  refusals: readonly Refusal[];
}) {
  const [table, setTable] = useState(false);
  const [measure, width] = useWidth<HTMLUListElement>();
  const nowMs = useNow(10_000);
  return (
    <section class="card" aria-labelledby="progress-title">
      <div class="card-head">
        <h2 id="progress-title">{t.student.progress}</h2>
        <span class="count">{t.student.modulesCount(items.length)}</span>
        <span class="push" />
        {items.length > 0 && <TableToggle on={table} onChange={setTable} />}
      </div>
      {items.length === 0 ? (
        <Notice small icon="empty" title={t.student.noProgressTitle}>
          {t.student.noProgress}
        </Notice>
      ) : (
        <ul class="module-strips" ref={measure}>
          {items.map((item) => (
            <ModuleStrip
              key={item.module}
              item={item}
              module={modules.get(item.module)}
              refusals={refusals}
              asTable={table}
              width={width}
              nowMs={nowMs}
            />
          ))}
        </ul>
      )}
    </section>
  );
}
