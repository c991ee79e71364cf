import { useEffect, useRef, useState } from 'preact/hooks';
import { useStore } from '../core/store';
import { shade } from '../core/theme';
import { useWidth } from '../core/use';
import { t } from '../text/en';
import { timeOfDay } from '../text/format';
import { TableToggle } from './controls';
import type { Plot, Series } from './curve-plot';

const TABLE_ROWS = 30;

interface CurveProps {
  title: string;
  series: readonly Series[];
  /** `data[0]` is seconds since 1970, the others belong to `series`, in order. */
  data: number[][];
  format: (value: number) => string;
}

/** The latest values in words. */
function CurveTable({ title, series, data, format }: CurveProps) {
  const times = data[0] ?? [];
  const last = times.length - 1;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={title}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t.liveView.time}</th>
            {series.map((one) => (
              <th scope="col" class="right" key={one.label}>
                {one.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times
            .slice(-TABLE_ROWS)
            .reverse()
            .map((at, row) => {
              const index = last - row;
              return (
                <tr key={at}>
                  <th scope="row">{timeOfDay(at * 1000)}</th>
                  {series.map((one, of) => (
                    <td class="right" key={one.label}>
                      {format(data[of + 1]?.[index] ?? 0)}
                    </td>
                  ))}
                </tr>
              );
            })}
        </tbody>
      </table>
    </div>
  );
}

/** Curves over time. */
export function Curve({
  title,
  series,
  data,
  format,
  height = 220,
}: CurveProps & { height?: number }) {
  const [table, setTable] = useState(false);
  const [measure, width] = useWidth<HTMLDivElement>();
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | undefined>(undefined);
  const theme = useStore(shade);
  const latest = useRef(data);
  latest.current = data;
  const drawn = width > 0 && !table;
  useEffect(() => {
    if (!drawn) return;
    let gone = false;
    void import('./curve-plot').then(({ Plot }) => {
      if (gone || !frame.current) return;
      plot.current = new Plot(frame.current, frame.current.clientWidth, height, series, format);
      plot.current.setData(latest.current);
    });
    return () => {
      gone = true;
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [drawn, theme, height]);
  useEffect(() => plot.current?.setSize(width, height), [width]);
  useEffect(() => plot.current?.setData(data), [data]);
  const times = data[0] ?? [];
  const last = times.length - 1;
  return (
    <section class="card" aria-label={title}>
      <div class="card-head">
        <h2>{title}</h2>
        <ul class="legend">
          {series.map((one, at) => (
            <li key={one.label}>
              <i
                class={one.dash ? 'key key-line key-dash' : 'key key-line'}
                style={{ color: `var(--${one.colour})` }}
              />
              {one.label} <b>{last >= 0 ? format(data[at + 1]?.[last] ?? 0) : '–'}</b>
            </li>
          ))}
        </ul>
        <span class="push" />
        <TableToggle on={table} onChange={setTable} />
      </div>
      {table ? (
        <CurveTable title={title} series={series} data={data} format={format} />
      ) : (
        <div ref={measure} class="curve" style={{ minHeight: `${height}px` }}>
          <div ref={frame} aria-hidden="true" />
          {last < 1 && <p class="curve-wait">{t.liveView.waiting}</p>}
        </div>
      )}
    </section>
  );
}
