import { type Heat, resample } from '../core/heat';
import { t } from '../text/en';
import { clock, fine, share } from '../text/format';

const TABLE_ROWS_MAX = 60;

/** The heatmap in words: at most so many rows, each the mean of its bins. */
export function HeatTable({ heat }: { heat: Heat }) {
  const { duration_ms: durationMs, bin_ms: binMs } = heat.document;
  const { students } = heat;
  const rows = Math.min(heat.bins, TABLE_ROWS_MAX);
  const viewers = resample(heat.viewers, binMs, durationMs, rows);
  const plays = resample(heat.plays, binMs, durationMs, rows);
  const { time, viewers: seen, share: part, plays: all, again } = t.heat.column;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={t.heat.title}>
      <table>
        <thead>
          <tr>
            <th scope="col">{time}</th>
            <th scope="col" class="right">
              {seen}
            </th>
            <th scope="col" class="right">
              {part}
            </th>
            <th scope="col" class="right">
              {all}
            </th>
            <th scope="col" class="right">
              {again}
            </th>
          </tr>
        </thead>
        <tbody>
          {Array.from(viewers, (value, row) => (
            <tr key={row}>
              <th scope="row">{`${clock((row * durationMs) / rows)}–${clock(((row + 1) * durationMs) / rows)}`}</th>
              <td class="right">{fine(value)}</td>
              <td class="right">{share(value / Math.max(students, 1))}</td>
              <td class="right">{fine(plays[row]!)}</td>
              <td class="right">{fine(plays[row]! - value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
