import { colour } from '../core/theme';
import { t } from '../text/en';
import { number } from '../text/format';
import { Canvas } from './canvas';

const WIDTH = 124;
const HEIGHT = 30;

/** The last minutes as small columns; what it shows is in its label. */
export function Spark({ values }: { values: readonly number[] }) {
  const peak = Math.max(...values, 0);
  return (
    <span
      class="spark"
      role="img"
      aria-label={t.modules.spark(peak, values[values.length - 1] ?? 0)}
      title={number(peak)}
    >
      <Canvas
        width={WIDTH}
        height={HEIGHT}
        keys={[values]}
        draw={(context, width, height, scale) => {
          const step = width / Math.max(values.length, 1);
          context.fillStyle = colour('line-strong');
          context.fillRect(0, height - scale, width, scale);
          context.fillStyle = colour('heat-3');
          values.forEach((value, at) => {
            if (value <= 0) return;
            const tall = Math.max(2 * scale, Math.round((value / peak) * (height - 2 * scale)));
            const from = Math.round(at * step);
            context.fillRect(
              from,
              height - tall,
              Math.max(scale, Math.round((at + 1) * step) - from - scale * 0.5),
              tall,
            );
          });
        }}
      />
    </span>
  );
}
