/** The coverage strip: what was credited, what was played and has no result yet, where we are. */

export type Span = [fromMs: number, toMs: number];

/** The union, sorted. Gaps that the gateway closes are closed here too. */
export function union(spans: Span[], gapMs = 250): Span[] {
  const out: Span[] = [];
  for (const [from, to] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last && from - last[1] <= gapMs) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
}

/** `spans` without `gone`. */
export function without(spans: Span[], [from, to]: Span): Span[] {
  return spans
    .flatMap(([a, b]): Span[] => [
      [a, Math.min(b, from)],
      [Math.max(a, to), b],
    ])
    .filter(([a, b]) => b > a);
}

export class Strip {
  readonly #svg: SVGSVGElement;
  #credited: Span[] = [];
  #here: SVGRectElement | undefined;

  constructor(svg: SVGSVGElement) {
    this.#svg = svg;
  }

  get credited(): Span[] {
    return this.#credited;
  }

  add(...spans: Span[]): void {
    this.#credited = union([...this.#credited, ...spans]);
  }

  /** `pending`: played in this page, without a result. */
  draw(pending: Span[], durationMs: number): void {
    if (!(durationMs > 0)) return;
    const bars = [
      ...pending.map((span) => this.#bar(span, durationMs, 'pending')),
      ...this.#credited.map((span) => this.#bar(span, durationMs, 'credited')),
    ];
    this.#here ??= this.#bar([0, 0], 1, 'here');
    this.#svg.replaceChildren(...bars, this.#here);
    const seconds = (ms: number): string => `${Math.round(ms / 1000)}`;
    this.#svg.setAttribute(
      'aria-label',
      this.#credited.length
        ? `Credited: ${this.#credited.map(([from, to]) => `second ${seconds(from)} to ${seconds(to)}`).join(', ')}`
        : 'Nothing is credited yet',
    );
  }

  at(positionMs: number, durationMs: number): void {
    if (!this.#here || !(durationMs > 0)) return;
    this.#here.setAttribute('x', String(Math.min(996, (positionMs / durationMs) * 1000)));
    this.#here.setAttribute('width', '4');
  }

  #bar([from, to]: Span, durationMs: number, kind: string): SVGRectElement {
    const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    bar.setAttribute('class', kind);
    bar.setAttribute('x', String((from / durationMs) * 1000));
    bar.setAttribute(
      'width',
      String(Math.max(0, ((Math.min(to, durationMs) - from) / durationMs) * 1000)),
    );
    bar.setAttribute('height', '36');
    return bar;
  }
}
