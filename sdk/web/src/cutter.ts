/**
 * Cuts what a media element played into intervals. Pure: time and position come as arguments.
 *
 * It believes a position only as far as the clock allows: it may have moved by what the playback rate
 * gives, and a little more. Anything else was a jump, and what lies between is not reported. Nothing is
 * ever filled in.
 */

/** A half-open piece of media time that was played at one rate. */
export interface Interval {
  fromMs: number;
  toMs: number;
  rate: number;
}

/** What the media element looked like at one moment. */
export interface Snapshot {
  /** A clock that never goes back, milliseconds. */
  atMs: number;
  /** Media time, milliseconds; fractions are cut off. */
  positionMs: number;
  /** The playback rate that is in force from now on. */
  rate: number;
  /** Whether media plays and may be credited: not paused, seeking, stalled, ended or hidden. */
  isPlaying: boolean;
  /** Whether the media has come to its end. */
  ended?: boolean;
}

/**
 * Why the cutter is asked: `tick`, time went by; `cut`, playback is interrupted and everything up to
 * here is to be reported; `jump`, the position was moved and says nothing about what was played.
 */
export type Cause = 'tick' | 'cut' | 'jump';

/** The rates that an engagement token can carry. */
export const MIN_RATE = 0.25;
export const MAX_RATE = 4;
/** A busy browser gives a position late. So much in all, from one interruption to the next. */
export const TOLERANCE_MS = 750;
/** The clock of the media may be faster than that of the machine by so much. */
export const MAX_DRIFT = 1.01;
/**
 * A position that stood still while it should have moved makes up for no more than this, tolerance
 * included. What stands for longer was stalled, whether the browser said so or not: else that time
 * would be room for a jump.
 */
export const MAX_SPARE_MS = 1_500;
/** Whoever has not looked for longer than this does not know what happened meanwhile. */
export const MAX_STEP_MS = 5_000;
/**
 * Less is not worth a heartbeat of its own; else somebody who scrubs without a connection would push
 * real ones out of the buffer. It goes with what is played on from there; else the gateway closes
 * gaps of this size by itself. It does not after the last piece, so the end of the media is reported
 * however short it is.
 */
export const MIN_INTERVAL_MS = 100;

export class Cutter {
  readonly #heartbeatMs: number;
  #running = false;
  #fromMs = 0;
  /** What was too short to be reported; the next piece may begin where it ends. */
  #short: Interval | undefined;
  /**
   * Where the earliest short end began. Only one from further back becomes an interval again, or a loop over
   * the last moments would push real heartbeats out of the buffer.
   */
  #endFromMs = Infinity;
  /** How far the position may be ahead, in milliseconds of the clock. */
  #spareMs = 0;
  #last: Snapshot = { atMs: 0, positionMs: 0, rate: 1, isPlaying: false };

  /** `heartbeatMs`: the longest interval. */
  constructor(heartbeatMs: number) {
    this.#heartbeatMs = heartbeatMs;
  }

  /** Takes one observation and gives the intervals that are complete, in the order they were played. */
  observe(snapshot: Snapshot, cause: Cause = 'tick'): Interval[] {
    const now = { ...snapshot, positionMs: Math.floor(snapshot.positionMs) };
    const done: Interval[] = [];
    if (this.#running) {
      const jumped = cause === 'jump' || !this.#playedTo(now);
      if (!jumped) this.#last = { ...now, rate: this.#last.rate };
      this.#takeFull(done);
      if (jumped || cause === 'cut' || !now.isPlaying || now.rate !== this.#last.rate)
        this.#close(done);
    }
    if (!this.#running && now.isPlaying && now.rate >= MIN_RATE && now.rate <= MAX_RATE) {
      this.#running = true;
      this.#spareMs = TOLERANCE_MS;
      const short = this.#short;
      this.#fromMs =
        short?.toMs === now.positionMs && short.rate === now.rate ? short.fromMs : now.positionMs;
      this.#short = undefined;
    }
    this.#last = now;
    return done;
  }

  /** Whether the position can have come here by playing. The time that this took is used up then. */
  #playedTo({ positionMs, atMs }: Snapshot): boolean {
    const passedMs = atMs - this.#last.atMs;
    const movedMs = positionMs - this.#last.positionMs;
    this.#spareMs = Math.min(
      this.#spareMs + passedMs * MAX_DRIFT - movedMs / this.#last.rate,
      MAX_SPARE_MS,
    );
    return movedMs >= 0 && passedMs >= 0 && passedMs <= MAX_STEP_MS && this.#spareMs >= 0;
  }

  #takeFull(done: Interval[]): void {
    const length = this.#heartbeatMs;
    while (this.#last.positionMs - this.#fromMs >= length) {
      done.push({ fromMs: this.#fromMs, toMs: this.#fromMs + length, rate: this.#last.rate });
      this.#fromMs += length;
    }
  }

  #close(done: Interval[]): void {
    this.#running = false;
    const { positionMs: toMs, rate, ended } = this.#last;
    const piece = { fromMs: this.#fromMs, toMs, rate };
    if (toMs - this.#fromMs >= (ended && this.#fromMs < this.#endFromMs ? 1 : MIN_INTERVAL_MS))
      done.push(piece);
    else this.#short = piece;
    if (ended) this.#endFromMs = Math.min(this.#endFromMs, this.#fromMs);
  }
}
