/**
 * What time it is for the gateway. Learned from `server_time`, carried on by the clock that never
 * goes back, so that setting the device's clock changes nothing. Pure: both clocks come as arguments.
 */
import { MAX_ROUND_TRIP_MS } from './limits.js';

/** The device's two clocks at one moment, milliseconds. */
export interface Reading {
  /** Since 1970, as the device believes; may jump. */
  wallMs: number;
  /** Since the page was loaded; never goes back. */
  monoMs: number;
}

/** The moment when an interval ended. */
export interface Moment extends Reading {
  /** Names the life of the page that `monoMs` counts in. */
  life: string;
  /** The gateway's time as far as it was known then. */
  serverMs?: number;
}

export class Clock {
  readonly life: string;
  #anchor: { serverMs: number; monoMs: number } | undefined;

  constructor(life: string) {
    this.life = life;
  }

  /** A response with the gateway's time arrived. It was made between the request, at `sentMonoMs`, and now. */
  learn(serverMs: number, sentMonoMs: number, { monoMs }: Reading): void {
    const wayMs = Math.min(monoMs - sentMonoMs, MAX_ROUND_TRIP_MS) / 2;
    this.#anchor = { serverMs: serverMs + wayMs, monoMs };
  }

  /** The gateway's time, or the device's while no response has come. */
  nowMs(now: Reading): number {
    return this.#anchor ? this.#anchor.serverMs + (now.monoMs - this.#anchor.monoMs) : now.wallMs;
  }

  /** The gateway's time less the device's. */
  offsetMs(now: Reading): number {
    return this.nowMs(now) - now.wallMs;
  }

  moment(now: Reading): Moment {
    const moment: Moment = { ...now, life: this.life };
    if (this.#anchor) moment.serverMs = this.nowMs(now);
    return moment;
  }

  /**
   * When `moment` was, in the gateway's time. Within this life of the page by the age on the clock
   * that never goes back; from an earlier life by what was known then. Never later than now.
   */
  serverTimeOf(moment: Moment, now: Reading): number {
    const nowMs = this.nowMs(now);
    let then: number;
    if (moment.life === this.life) then = nowMs - (now.monoMs - moment.monoMs);
    else then = moment.serverMs ?? moment.wallMs + this.offsetMs(now);
    return Math.min(then, nowMs);
  }
}
