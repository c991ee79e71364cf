/** The heartbeats that are buffered for one gateway and student, and when they may be sent: shared by all tabs. */
import { remainingMs, waitMs } from './backoff.js';
import { type BufferLimits, type PendingHeartbeat, trim } from './buffer.js';
import type { Environment } from './http.js';
import { LOCK_TIMEOUT_MS, MAX_TOKENS } from './limits.js';
import type { QueueState, Store, Transaction } from './store.js';

/** The value of `failures` if nothing has failed: there is no wait. */
export const NO_FAILURE = -1;

export interface QueueOptions {
  queue: string;
  buffer: BufferLimits;
}

export class Queue {
  /** Neither joined, nor dropped, nor counted. */
  readonly inFlight = new Set<number>();
  /** As the last transaction left them. */
  waiting = 0;
  state: QueueState | undefined;
  readonly #options: QueueOptions;
  readonly #store: Store;
  readonly #environment: Environment;

  constructor(options: QueueOptions, store: Store, environment: Environment) {
    this.#options = options;
    this.#store = store;
    this.#environment = environment;
  }

  async change<R>(change: Transaction<R>): Promise<R> {
    return this.#store.transact(this.#options.queue, (draft) => {
      const result = change(draft);
      this.waiting = draft.pendingHeartbeats.length;
      this.state = draft.state;
      return result;
    });
  }

  /** Does `work` while no other tab does the same. False: another tab was busy for too long. */
  async exclusively(work: () => Promise<void>): Promise<boolean> {
    const { locks } = this.#environment;
    if (locks) {
      let begun = false;
      try {
        const signal = AbortSignal.timeout(LOCK_TIMEOUT_MS);
        await locks.request(`watchkeeper ${this.#options.queue}`, { signal }, () => {
          begun = true;
          return work();
        });
        return true;
      } catch (error) {
        if (begun) throw error;
        if ((error as Error).name === 'TimeoutError') return false;
        // Locks are forbidden here, in a sandboxed frame for example.
      }
    }
    await work();
    return true;
  }

  /** Trims the buffer. Gives what had to go, and what is to be sent now, marked as sent. */
  async takeNext(
    alone: boolean,
  ): Promise<[dropped: PendingHeartbeat[], taken: PendingHeartbeat[]]> {
    // A transaction may be tried again although it was carried out. What it dropped then is reported as well.
    const gone = new Map<number, PendingHeartbeat>();
    const taken = await this.change((draft) => {
      const { state } = draft;
      const { remaining, dropped } = trim(
        draft.pendingHeartbeats,
        this.#options.buffer,
        this.inFlight,
      );
      for (const heartbeat of dropped) gone.set(heartbeat.id!, heartbeat);
      for (const heartbeat of remaining) gone.delete(heartbeat.id!);
      draft.pendingHeartbeats = remaining;
      if (state.halted || this.waitLeftMs(state)) return [];
      // After a failure the oldest goes ahead alone. It was sent before, so the others may still be joined.
      const first = remaining
        .slice(0, state.failures || alone ? 1 : MAX_TOKENS)
        .map((heartbeat) => ({ ...heartbeat, sent: true }));
      remaining.splice(0, first.length, ...first);
      return first;
    });
    return [[...gone.values()], taken];
  }

  /** Puts off the next try, in the draft of a transaction. */
  postpone(state: QueueState, failures: number, askedMs: number | undefined): void {
    state.waitMs = waitMs(failures, askedMs, this.#environment.random);
    state.untilMs = this.#environment.reading().wallMs + state.waitMs;
    state.failures = failures + 1;
    state.asked = askedMs !== undefined;
  }

  waitLeftMs({ untilMs, waitMs }: QueueState): number {
    return remainingMs(untilMs, waitMs, this.#environment.reading().wallMs);
  }
}
