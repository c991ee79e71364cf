import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../core/api';
import { type TotalsEvent, totalsEvent } from '../core/live-events';
import { Ring } from '../core/ring';
import { pathOf } from '../core/router';
import { useLoad, useRedraw, useStream } from '../core/use';
import { Bar, Figure } from '../parts/controls';
import { Curve } from '../parts/curve';
import { LiveMark, Notice } from '../parts/states';
import { t } from '../text/en';
import { compact, decimal, number } from '../text/format';

const SECONDS_KEPT = 300;
const MODULES_SHOWN = 10;
const REASONS_MAX = 64;

interface Second {
  at_s: number;
  span_s: number;
  totals: TotalsEvent;
}
const refused = (totals: TotalsEvent) =>
  Object.values(totals.rejected).reduce((sum, n) => sum + n, 0);

const series = [
  { label: t.live_view.accepted, colour: 'curve-1', fill: true },
  { label: t.live_view.limited, colour: 'curve-2', dash: [6, 3] },
  { label: t.live_view.duplicate, colour: 'curve-3', dash: [2, 3] },
  { label: t.live_view.rejected, colour: 'curve-4' },
];

export function Live() {
  const seconds = useRef(new Ring<Second>(SECONDS_KEPT));
  const reasons = useRef(new Map<string, number>());
  const [last, setLast] = useState<Second>();
  const redraw = useRedraw();
  const titles = useLoad(
    async (signal) => {
      const { items } = await api.modules({ limit: 500 }, signal);
      return new Map(items.map(({ module, title }) => [module, title]));
    },
    ['titles'],
  );
  const { state, retry } = useStream('/v1/live', (event) => {
    if (event.event !== 'totals') return;
    const totals = totalsEvent(event.data);
    if (!totals) return;
    const at_s = Date.now() / 1000;
    const before = seconds.current.last;
    // Counts are since the last event, which is a second ago unless the stream was away.
    const span_s = before ? Math.max(at_s - before.at_s, 0.5) : 1;
    const second = { at_s, span_s: span_s < 3 ? 1 : span_s, totals };
    seconds.current.push(second);
    for (const [name, n] of Object.entries(totals.rejected))
      if (reasons.current.has(name) || reasons.current.size < REASONS_MAX)
        reasons.current.set(name, (reasons.current.get(name) ?? 0) + n);
    setLast(second);
    redraw();
  });
  const data = useMemo(() => {
    const all = seconds.current.toArray();
    return [
      all.map(({ at_s }) => at_s),
      all.map(({ totals, span_s }) => totals.credited / span_s),
      all.map(({ totals, span_s }) => totals.limited / span_s),
      all.map(({ totals, span_s }) => totals.duplicate / span_s),
      all.map(({ totals, span_s }) => refused(totals) / span_s),
    ];
  }, [last]);
  useEffect(() => () => seconds.current.clear(), []);
  const words = t.live_view;
  const totals = last?.totals;
  const by_reason = [...reasons.current].filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  const most_refused = by_reason[0]?.[1] ?? 1;
  const active = Object.entries(totals?.active ?? {})
    .filter(([, n]) => n > 0)
    .sort((a, b) => b[1] - a[1]);
  const most_active = active[0]?.[1] ?? 1;
  return (
    <>
      <header class="view-head">
        <div>
          <h1>{words.title}</h1>
          <p class="lead">{words.lead}</p>
        </div>
        <div class="view-actions">
          <LiveMark state={state} retry={retry} />
        </div>
      </header>
      <dl class="figures">
        <Figure label={words.rate} value={totals ? decimal(totals.heartbeats_per_s) : '–'} />
        <Figure label={words.active} value={totals ? compact(totals.active_students) : '–'} />
        <Figure label={words.sessions} value={totals ? compact(totals.sessions) : '–'} />
        <Figure label={words.connections} value={totals ? compact(totals.connections) : '–'} />
      </dl>
      <Curve title={words.curve} series={series} data={data} format={decimal} height={260} />
      <div class="side-by-side">
        <section class="card" aria-labelledby="reasons-title">
          <div class="card-head">
            <h2 id="reasons-title">{words.reasons}</h2>
            <span class="count">{words.since_open}</span>
          </div>
          {by_reason.length === 0 ? (
            <Notice small icon="check" title={words.reasons_none} />
          ) : (
            <ul class="bars">
              {by_reason.map(([name, n]) => (
                <li key={name}>
                  <span>{t.problem[name] ?? name}</span>
                  <Bar percent={(n / most_refused) * 100} label={number(n)} />
                  <b>{number(n)}</b>
                </li>
              ))}
            </ul>
          )}
        </section>
        <section class="card" aria-labelledby="active-title">
          <div class="card-head">
            <h2 id="active-title">{words.modules}</h2>
          </div>
          {active.length === 0 ? (
            <Notice small icon="empty" title={words.modules_none} />
          ) : (
            <ul class="bars">
              {active.slice(0, MODULES_SHOWN).map(([module, n]) => (
                <li key={module}>
                  <a href={pathOf({ view: 'module', module })}>
                    {titles.data?.get(module) ?? module}
                  </a>
                  <Bar percent={(n / most_active) * 100} label={words.students(n)} />
                  <b>{number(n)}</b>
                </li>
              ))}
            </ul>
          )}
        </section>
      </div>
    </>
  );
}
