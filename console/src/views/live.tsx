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
  atS: number;
  spanS: number;
  totals: TotalsEvent;
}
const refused = (totals: TotalsEvent) =>
  Object.values(totals.rejected).reduce((sum, n) => sum + n, 0);

const series = [
  { label: t.liveView.accepted, colour: 'curve-1', fill: true },
  { label: t.liveView.limited, colour: 'curve-2', dash: [6, 3] },
  { label: t.liveView.duplicate, colour: 'curve-3', dash: [2, 3] },
  { label: t.liveView.rejected, colour: 'curve-4' },
];

/** The totals of the last minutes, and what was refused since the page was opened. */
function useTotals() {
  const seconds = useRef(new Ring<Second>(SECONDS_KEPT));
  const reasons = useRef(new Map<string, number>());
  const [last, setLast] = useState<Second>();
  const redraw = useRedraw();
  const { state, retry } = useStream('/v1/live', (event) => {
    if (event.event !== 'totals') return;
    const totals = totalsEvent(event.data);
    if (!totals) return;
    const atS = Date.now() / 1000;
    const before = seconds.current.last;
    // Counts are since the last event, which is a second ago unless the stream was away.
    const spanS = before ? Math.max(atS - before.atS, 0.5) : 1;
    const second = { atS, spanS: spanS < 3 ? 1 : spanS, totals };
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
      all.map(({ atS }) => atS),
      all.map(({ totals, spanS }) => totals.credited / spanS),
      all.map(({ totals, spanS }) => totals.limited / spanS),
      all.map(({ totals, spanS }) => totals.duplicate / spanS),
      all.map(({ totals, spanS }) => refused(totals) / spanS),
    ];
  }, [last]);
  useEffect(() => () => seconds.current.clear(), []);
  return { state, retry, data, totals: last?.totals, reasons: reasons.current };
}

/** The entries with something to count, the most first. */
const ranked = (counts: Iterable<[string, number]>): [string, number][] =>
  [...counts].filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);

function Reasons({ counts }: { counts: ReadonlyMap<string, number> }) {
  const words = t.liveView;
  const byReason = ranked(counts);
  const most = byReason[0]?.[1] ?? 1;
  return (
    <section class="card" aria-labelledby="reasons-title">
      <div class="card-head">
        <h2 id="reasons-title">{words.reasons}</h2>
        <span class="count">{words.sinceOpen}</span>
      </div>
      {byReason.length === 0 ? (
        <Notice small icon="check" title={words.reasonsNone} />
      ) : (
        <ul class="bars">
          {byReason.map(([name, n]) => (
            <li key={name}>
              <span>{t.problem[name] ?? name}</span>
              <Bar percent={(n / most) * 100} label={number(n)} />
              <b>{number(n)}</b>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function ActiveModules({ counts }: { counts: Record<string, number> }) {
  const words = t.liveView;
  const titles = useLoad(
    async (signal) => {
      const { items } = await api.modules({ limit: 500 }, signal);
      return new Map(items.map(({ module, title }) => [module, title]));
    },
    ['titles'],
  );
  const active = ranked(Object.entries(counts));
  const most = active[0]?.[1] ?? 1;
  return (
    <section class="card" aria-labelledby="active-title">
      <div class="card-head">
        <h2 id="active-title">{words.modules}</h2>
      </div>
      {active.length === 0 ? (
        <Notice small icon="empty" title={words.modulesNone} />
      ) : (
        <ul class="bars">
          {active.slice(0, MODULES_SHOWN).map(([module, n]) => (
            <li key={module}>
              <a href={pathOf({ view: 'module', module })}>{titles.data?.get(module) ?? module}</a>
              <Bar percent={(n / most) * 100} label={words.students(n)} />
              <b>{number(n)}</b>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function Live() {
  const { state, retry, data, totals, reasons } = useTotals();
  const words = t.liveView;
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
        <Figure label={words.rate} value={totals ? decimal(totals.heartbeatsPerS) : '–'} />
        <Figure label={words.active} value={totals ? compact(totals.activeStudents) : '–'} />
        <Figure label={words.sessions} value={totals ? compact(totals.sessions) : '–'} />
        <Figure label={words.connections} value={totals ? compact(totals.connections) : '–'} />
      </dl>
      <Curve title={words.curve} series={series} data={data} format={decimal} height={260} />
      <div class="side-by-side">
        <Reasons counts={reasons} />
        <ActiveModules counts={totals?.active ?? {}} />
      </div>
    </>
  );
}
