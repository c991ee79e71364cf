import { useState } from 'preact/hooks';
import type { Refusal } from '../core/api';
import { pathOf } from '../core/router';
import { t } from '../text/en';
import { dateTime, fullDateTime, timeOfDay } from '../text/format';
import { TableToggle } from './controls';
import { Notice } from './states';

type Kind = Refusal['kind'];
/** Those that the gateway has, in the order of the lanes; of each a shape and a colour. */
const KINDS = Object.keys(t.student.kind) as Kind[];
const kindOf = (refusal: Refusal): Kind => KINDS.find((kind) => kind === refusal.kind) ?? 'other';
const reasonOf = (refusal: Refusal): string =>
  refusal.problem
    ? (t.problem[refusal.problem] ?? refusal.problem)
    : t.student.status[refusal.status];

/** Marks of one kind differ by shape as well: arrow, two arrows, diamond, ring, hourglass, square. */
function Mark({ kind, x, y, title }: { kind: Kind; x: number; y: number; title: string }) {
  const shapes: Record<Kind, string> = {
    too_fast: `M${x - 5} ${y - 6}L${x + 6} ${y}L${x - 5} ${y + 6}z`,
    skipping: `M${x - 5} ${y - 5}L${x + 1} ${y}L${x - 5} ${y + 5}zM${x + 1} ${y - 5}L${x + 6} ${y}L${x + 1} ${y + 5}z`,
    spoofing: `M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}z`,
    replay: `M${x} ${y - 5}a5 5 0 1 0 .01 0z`,
    clock: `M${x - 5} ${y - 5}H${x + 5}L${x} ${y}L${x + 5} ${y + 5}H${x - 5}L${x} ${y}z`,
    other: `M${x - 4} ${y - 4}h8v8h-8z`,
  };
  return (
    <path d={shapes[kind]} class={`mark-${kind}`}>
      <title>{title}</title>
    </path>
  );
}

const LEFT = 92;
const WIDTH = 1000;
const LANE = 30;
const AXIS = 26;

function Timeline({ items }: { items: readonly Refusal[] }) {
  const times = items.map((item) => Date.parse(item.at));
  const newest = Math.max(...times);
  const oldest = Math.min(...times);
  // A single one, or several at once, still get an axis around them.
  const reach = Math.max(newest - oldest, 60_000);
  const kinds = KINDS.filter((kind) => items.some((item) => kindOf(item) === kind));
  const height = kinds.length * LANE + AXIS;
  const xOf = (at: number) => LEFT + 12 + ((at - (newest - reach)) / reach) * (WIDTH - LEFT - 30);
  const long = reach > 86_400_000;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t.student.timeline(items.length)}>
      <svg
        class="timeline"
        viewBox={`0 0 ${WIDTH} ${height}`}
        role="img"
        aria-label={t.student.timeline(items.length)}
      >
        {kinds.map((kind, lane) => (
          <g key={kind}>
            <line x1={LEFT} x2={WIDTH} y1={lane * LANE + LANE / 2} y2={lane * LANE + LANE / 2} />
            <text x={0} y={lane * LANE + LANE / 2} dominant-baseline="central">
              {t.student.kind[kind]}
            </text>
          </g>
        ))}
        {items.map((item, at) => (
          <Mark
            key={at}
            kind={kindOf(item)}
            x={xOf(times[at]!)}
            y={kinds.indexOf(kindOf(item)) * LANE + LANE / 2}
            title={`${timeOfDay(times[at]!)} · ${reasonOf(item)} · ${item.module}`}
          />
        ))}
        {[0, 1 / 3, 2 / 3, 1].map((part) => (
          <text
            key={part}
            x={xOf(newest - reach + part * reach)}
            y={height - 8}
            text-anchor={part === 0 ? 'start' : part === 1 ? 'end' : 'middle'}
            class="tick"
          >
            {(long ? dateTime : timeOfDay)(newest - reach + part * reach)}
          </text>
        ))}
      </svg>
    </div>
  );
}

/** What was refused of a student's heartbeats, along time, and why. */
export function Refusals({ items }: { items: readonly Refusal[] }) {
  const [table, setTable] = useState(false);
  const [all, setAll] = useState(false);
  const words = t.student.refusal;
  const shown = all || table ? items : items.slice(0, 8);
  return (
    <section class="card" aria-labelledby="refusals-title">
      <div class="card-head">
        <h2 id="refusals-title">{t.student.refusals}</h2>
        <span class="push" />
        {items.length > 0 && <TableToggle on={table} onChange={setTable} />}
      </div>
      <p class="card-lead">{t.student.refusalsLead}</p>
      {items.length === 0 ? (
        <Notice small icon="check" title={t.student.noRefusals} />
      ) : (
        <>
          {!table && <Timeline items={items} />}
          <div class="scroll" tabIndex={0} role="group" aria-label={t.student.refusals}>
            <table class="stacks">
              <thead>
                <tr>
                  <th scope="col">{words.at}</th>
                  <th scope="col">{words.kind}</th>
                  <th scope="col">{words.problem}</th>
                  <th scope="col">{words.module}</th>
                  <th scope="col" class="right">
                    {words.sequence}
                  </th>
                  <th scope="col">{words.detail}</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((item, at) => (
                  <tr key={`${item.at} ${at}`}>
                    <td
                      class="nowrap"
                      data-label={words.at}
                      title={fullDateTime(Date.parse(item.at))}
                    >
                      {dateTime(Date.parse(item.at))}
                    </td>
                    <td data-label={words.kind}>
                      <span class="kind">
                        <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
                          <Mark kind={kindOf(item)} x={7} y={7} title="" />
                        </svg>
                        {t.student.kind[kindOf(item)]}
                      </span>
                    </td>
                    <td data-label={words.problem}>{reasonOf(item)}</td>
                    <td data-label={words.module}>
                      <a href={pathOf({ view: 'module', module: item.module })}>{item.module}</a>
                    </td>
                    <td class="right" data-label={words.sequence}>
                      {item.sequence}
                    </td>
                    <td class="detail" data-label={words.detail}>
                      {item.detail}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {shown.length < items.length && (
            <button type="button" class="button centre" onClick={() => setAll(true)}>
              {t.table.more}
            </button>
          )}
        </>
      )}
    </section>
  );
}
