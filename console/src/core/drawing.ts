/** So long may drawing take in one frame; what is left over is drawn in the next ones. */
export const FRAME_BUDGET_MS = 6;

/**
 * Shares drawing out over frames: at once as long as the frame's budget lasts, else in order, later. A
 * list that is scrolled fast then never holds up a frame for canvases that are gone in the next one.
 */
export class DrawingQueue {
  private readonly waiting = new Map<object, () => void>();
  private spentMs = 0;
  private asked = false;

  constructor(
    private readonly nextFrame: (run: () => void) => void,
    private readonly now: () => number,
  ) {}

  /** Draws for `key`; a drawing for it that still waits is dropped. */
  draw(key: object, job: () => void): void {
    this.waiting.delete(key);
    if (this.waiting.size === 0 && this.spentMs < FRAME_BUDGET_MS) this.run(job);
    else this.waiting.set(key, job);
    if (this.asked) return;
    this.asked = true;
    this.nextFrame(() => this.frame());
  }
  drop(key: object): void {
    this.waiting.delete(key);
  }

  private run(job: () => void): void {
    const begun = this.now();
    job();
    this.spentMs += this.now() - begun;
  }
  private frame(): void {
    this.asked = false;
    this.spentMs = 0;
    for (const [key, job] of this.waiting) {
      if (this.spentMs >= FRAME_BUDGET_MS) break;
      this.waiting.delete(key);
      this.run(job);
    }
    if (this.waiting.size === 0 && this.spentMs === 0) return;
    this.asked = true;
    this.nextFrame(() => this.frame());
  }
}

export const drawing = new DrawingQueue(
  (run) => requestAnimationFrame(run),
  () => performance.now(),
);
