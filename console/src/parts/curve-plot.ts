import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { colour } from '../core/theme';
import { timeOfDay } from '../text/format';

/** The part with uPlot in it: loaded when a curve is first drawn. */
export interface Series {
  label: string;
  /** A colour of the style sheet. */
  colour: string;
  dash?: number[];
  fill?: boolean;
}

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400];

export class Plot {
  private readonly plot: uPlot;

  constructor(
    element: HTMLElement,
    width: number,
    height: number,
    series: readonly Series[],
    format: (value: number) => string,
  ) {
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = {
      stroke: colour('muted'),
      font,
      grid: { stroke: colour('line'), width: 1 },
      ticks: { show: false },
    };
    this.plot = new uPlot(
      {
        width,
        height,
        legend: { show: false },
        cursor: { points: { size: 6 }, drag: { x: false, y: false } },
        scales: { y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, 1)] } },
        axes: [
          // Whole seconds: what is finer would be labelled alike.
          {
            ...axis,
            space: 90,
            size: 32,
            incrs: STEPS_S,
            values: (_plot, splits) => splits.map((at) => timeOfDay(at * 1000)),
          },
          { ...axis, size: 48, values: (_plot, splits) => splits.map(format) },
        ],
        series: [
          {},
          ...series.map((one) => ({
            label: one.label,
            stroke: colour(one.colour),
            width: 2,
            points: { show: false },
            ...(one.fill ? { fill: colour(`${one.colour}-soft`) } : {}),
            ...(one.dash ? { dash: one.dash } : {}),
          })),
        ],
      },
      [[]],
      element,
    );
  }

  setData(data: number[][]): void {
    this.plot.setData(data as uPlot.AlignedData);
  }
  setSize(width: number, height: number): void {
    this.plot.setSize({ width, height });
  }
  destroy(): void {
    this.plot.destroy();
  }
}
