/**
 * Sends what the queue holds: one request at a time, in order, over all tabs of the origin. Knows
 * what each response means for the heartbeats, and never forgets one without saying so.
 */

import type { PendingHeartbeat } from './buffer.js';
import { Clock } from './clock.js';
import type { DeviceKey } from './device.js';
import { type Environment, exchange, type HttpResponse } from './http.js';
import {
  BACKOFF_BASE_MS,
  BACKOFF_MAX_MS,
  CATCHING_UP_MS,
  LATE_MS,
  MAX_DETAIL,
  MAX_REMAINDER_WAIT_MS,
  NEAR_MASTERY,
  TIMEOUT_MS,
} from './limits.js';
import { pieceOf, remainderOf, remember, retryOf } from './outcome.js';
import { NO_FAILURE, Queue, type QueueOptions } from './queue.js';
import {
  type Accepted,
  type Rejection,
  type Result,
  reactionTo,
  readResponse,
} from './response.js';
import { type Signed, Signer, type SignerOptions } from './signer.js';
import { emptyState, type QueueState, type Store } from './store.js';
import type { Events, FailureEvent, ModuleProgress, Status } from './types.js';

export interface SenderOptions extends QueueOptions, SignerOptions {
  module: string;
  fullResponseEvery: number;
}

type Emit = <K extends keyof Events>(name: K, event: Events[K]) => void;

export class Sender {
  readonly clock: Clock;
  readonly signer: Signer;
  /** The next response is to be a full one. */
  askFull = true;
  readonly #options: SenderOptions;
  readonly #environment: Environment;
  readonly #store: Store;
  readonly #device: Promise<DeviceKey>;
  readonly #emit: Emit;
  readonly #traffic = { requests: 0, heartbeats: 0, bytesUp: 0, bytesDown: 0 };
  readonly #queue: Queue;
  #catchingUpUntilMs = 0;
  /** Responses without content, in a row. */
  #empty = 0;
  /** The gateway rejected several tokens at once: so many go one by one, each to its own result. */
  #alone = 0;
  #timer: unknown;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #mastered = false;
  #lastStatus = '';

  constructor(
    options: SenderOptions,
    environment: Environment,
    store: Store,
    device: Promise<DeviceKey>,
    emit: Emit,
  ) {
    this.#options = options;
    this.#environment = environment;
    this.#store = store;
    this.#emit = emit;
    this.#device = device;
    this.clock = new Clock(environment.newId());
    this.#queue = new Queue(options, store, environment);
    this.signer = new Signer(options, environment, this.#traffic, device, this.clock);
  }

  /** Stores the heartbeat, then sends. */
  async add(heartbeat: PendingHeartbeat): Promise<void> {
    // The request to write is made now: when the page is going away there is no later.
    await this.#store.appendHeartbeat(heartbeat);
    await this.flush();
  }

  /** Sends what may be sent. Resolves when nothing more can be done now; never rejects. */
  flush(): Promise<void> {
    this.#again = true;
    this.#running ??= (async () => {
      while (this.#again) {
        this.#again = false;
        try {
          // Another tab is busy for that long: its turn, and ours later.
          if (!(await this.#queue.exclusively(() => this.#sendAll())))
            this.#schedule(BACKOFF_BASE_MS);
        } catch (error) {
          // What is buffered stays, and is tried again. Not by the queue's own waiting, which may be what failed.
          this.#schedule(BACKOFF_MAX_MS);
          const name = await this.#device.then(
            () => 'internal',
            () => 'no-key',
          );
          this.#failure(name, 0, String(error), 'later');
        }
      }
      this.#running = undefined;
      this.emitStatus();
    })();
    return this.#running;
  }

  /** Somebody knows better: a connection is back, the device is enrolled. A wait asked for stays. */
  async retryNow(): Promise<void> {
    this.askFull = true;
    await this.#queue.change((draft) => {
      draft.state = { ...draft.state, halted: false };
      if (!draft.state.asked) draft.state.untilMs = 0;
    });
    return this.flush();
  }

  stop(): void {
    this.#stopped = true;
    this.#environment.clearTimer(this.#timer);
    this.emitStatus();
  }

  /** What the gateway last said about the module, in this page or an earlier one. */
  async progress(): Promise<ModuleProgress | undefined> {
    await this.#queue.change(() => undefined);
    this.emitStatus();
    return this.#queue.state!.progress[this.#options.module];
  }

  status(): Status {
    const nextTryMs = this.#queue.waiting ? this.#queue.waitLeftMs(this.#queue.state!) : 0;
    return {
      state: this.#stopped
        ? 'stopped'
        : this.#queue.state?.halted
          ? 'not-enrolled'
          : this.#queue.inFlight.size
            ? 'sending'
            : nextTryMs
              ? 'waiting'
              : 'idle',
      buffered: this.#queue.waiting,
      nextTryMs,
      storage: this.#store.kind,
      clockOffsetMs: Math.round(this.clock.offsetMs(this.#environment.reading())),
      traffic: { ...this.#traffic },
    };
  }

  /** The module's progress, from a response to this tab or to another. */
  applyProgress(progress: ModuleProgress): void {
    if (progress.state !== 'MASTERED' || this.#mastered) return;
    this.#mastered = true;
    this.#emit('mastered', progress);
  }

  /** Emits `status` when what the application knows of it is out of date. */
  emitStatus(): void {
    const status = this.status();
    const text = `${status.state} ${status.buffered} ${status.storage}`;
    if (text === this.#lastStatus) return;
    this.#lastStatus = text;
    this.#emit('status', status);
  }

  async #sendAll(): Promise<void> {
    let goOn = true;
    while (goOn) {
      const [dropped, heartbeats] = await this.#queue.takeNext(this.#alone > 0);
      this.#drop(dropped, 'buffer-full');
      if (!heartbeats.length) {
        const { state, waiting } = this.#queue;
        if (waiting && !state!.halted) this.#schedule(this.#queue.waitLeftMs(state!));
        return;
      }
      for (const heartbeat of heartbeats) this.#queue.inFlight.add(heartbeat.id!);
      this.emitStatus();
      try {
        goOn = await this.#deliver(heartbeats);
      } finally {
        this.#queue.inFlight.clear();
      }
    }
  }

  /** Where the application is about to show the progress, where the state may change, and of what was late. */
  #wantsFull([first, second]: PendingHeartbeat[]): unknown {
    const { failures, progress } = this.#queue.state!;
    const last = progress[first!.cid];
    return (
      this.askFull ||
      second ||
      first!.remainder ||
      failures ||
      this.#empty + 1 >= this.#options.fullResponseEvery ||
      (last?.state === 'IN_PROGRESS' && last.completionPercentage >= NEAR_MASTERY)
    );
  }

  /** Gives whether to go on with what is left. */
  async #deliver(heartbeats: PendingHeartbeat[]): Promise<boolean> {
    const signed = await this.signer.sign(heartbeats, !this.#queue.state!.failures);
    const full = this.#wantsFull(heartbeats);
    // What asks for more from now on is for the next one.
    if (full) this.askFull = false;
    const headers: Record<string, string> = { 'content-type': 'application/jose' };
    if (!full) headers['prefer'] = 'return=minimal';
    const body = signed.map(({ text }) => text).join('\n');
    this.#traffic.heartbeats += heartbeats.length;
    const sentMonoMs = this.#environment.reading().monoMs;
    let response: HttpResponse;
    try {
      response = await exchange(
        this.#environment,
        this.#traffic,
        `${this.#options.gateway}/v1/heartbeats`,
        TIMEOUT_MS,
        { method: 'POST', headers, body },
      );
    } catch (error) {
      return this.#fail('unreachable', { status: 0, text: String(error) });
    }
    const { status, text } = response;
    const content = readResponse(status, text, heartbeats, !full);
    // A redirect that is not followed shows as status 0.
    if (!content)
      return this.#fail(
        status && (status < 300 || status > 399) ? 'bad-response' : 'redirect',
        response,
      );
    if (content.gatewayMs)
      this.clock.learn(content.gatewayMs, sentMonoMs, this.#environment.reading());
    if (!content.results) {
      const { problem, detail } = content.rejection!;
      if (reactionTo(problem, status) === 'later')
        return this.#fail(problem, { ...response, text: detail });
      this.#alone = heartbeats.length;
      return true;
    }
    if (this.#alone) --this.#alone;
    this.#empty = status === 204 ? this.#empty + 1 : 0;
    return this.#finish(signed, content.results, response);
  }

  /** Carries out the results. */
  async #finish(
    signed: Signed[],
    results: Result[],
    { status, askedMs }: HttpResponse,
  ): Promise<true> {
    const isBatch = signed[1];
    const doneIds = new Set<number>();
    const acceptances: [PendingHeartbeat, Accepted][] = [];
    const drops: [PendingHeartbeat, string][] = [];
    const retries = new Set<string>();
    for (const [i, result] of results.entries()) {
      const one = signed[i]!;
      const { heartbeat } = one;
      if ('problem' in result) {
        const retry = this.#reject(one, result, status, isBatch);
        retries.add(retry);
        if (retry !== 'never') continue;
        drops.push([heartbeat, result.problem]);
      } else {
        await one.accepted();
        if (result.accepted) acceptances.push([heartbeat, result.accepted]);
      }
      doneIds.add(heartbeat.id!);
    }
    // Each that stays gets a response of its own.
    if (retries.has('alone')) this.#alone = signed.length - doneIds.size;
    const remainders = this.#remaindersOf(signed, acceptances);
    await this.#queue.change((draft) => {
      const state: QueueState = {
        ...emptyState(),
        progress: remember(draft.state.progress, acceptances),
      };
      if (retries.has('later')) this.#queue.postpone(state, draft.state.failures, askedMs);
      else if (remainders.length) {
        // The budget fills up while time passes; then there is room for what is left.
        const restMs = remainders.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
        this.#queue.postpone(state, NO_FAILURE, Math.min(restMs, MAX_REMAINDER_WAIT_MS));
      }
      if (retries.has('enrol')) state.halted = true;
      draft.state = state;
      draft.pendingHeartbeats = draft.pendingHeartbeats
        .filter(({ id }) => !doneIds.has(id!))
        .map((stored) => {
          const taken = signed.find(({ heartbeat }) => heartbeat.id === stored.id);
          // One that was sent may have been credited under its number; if not, it is rejected like this one.
          const sid = !stored.sent && this.signer.renewals[stored.sid];
          return taken?.heartbeat ?? (sid ? { ...stored, sid } : stored);
        })
        .concat(remainders);
    });
    for (const [heartbeat, accepted] of acceptances) this.#report(heartbeat, accepted);
    for (const [heartbeat, reason] of drops) this.#drop([heartbeat], reason);
    return true;
  }

  /** What the budget had no room for, where late heartbeats have used it up. */
  #remaindersOf(signed: Signed[], acceptances: [PendingHeartbeat, Accepted][]): PendingHeartbeat[] {
    const reading = this.#environment.reading();
    if (signed[1] || this.clock.nowMs(reading) - signed[0]!.iat * 1000 >= LATE_MS)
      this.#catchingUpUntilMs = reading.monoMs + CATCHING_UP_MS;
    // Otherwise playback is faster than the module allows, and that is final.
    const isCatchingUp = reading.monoMs < this.#catchingUpUntilMs;
    return acceptances.flatMap(([heartbeat, accepted]) => {
      this.askFull ||= accepted.status === 'limited';
      return isCatchingUp ? remainderOf(heartbeat, accepted, this.#environment.newId()) : [];
    });
  }

  /** Gives what becomes of the heartbeat. `alone`: the rest of its batch is sent one by one. */
  #reject(
    one: Signed,
    { problem, detail }: Rejection,
    status: number,
    isBatch: unknown,
  ): FailureEvent['retry'] | 'alone' {
    // A rejection has no progress in it.
    this.askFull = true;
    const reaction = retryOf(one, problem, status, this.signer);
    // One that was sent alone already has to wait.
    const retry = reaction !== 'alone' || isBatch ? reaction : 'later';
    // That a session key is gone is nothing the application has to know.
    if (problem !== 'session-key-unknown')
      this.#failure(problem, status, detail, retry === 'alone' ? 'now' : retry);
    return retry;
  }

  /** Emits what was credited. */
  #report(heartbeat: PendingHeartbeat, { status, creditedMs, resumeMs }: Accepted): void {
    const progress: ModuleProgress = { ...this.#queue.state!.progress[heartbeat.cid]!, resumeMs };
    this.#emit('progress', { ...progress, ...pieceOf(heartbeat), status, creditedMs });
    if (heartbeat.cid === this.#options.module) this.applyProgress(progress);
  }

  /** Nothing came back that counts: everything stays, the next try is later. Gives false. */
  async #fail(name: string, { status, text, askedMs }: HttpResponse): Promise<false> {
    await this.#queue.change((draft) => {
      draft.state = { ...draft.state };
      this.#queue.postpone(draft.state, draft.state.failures, askedMs);
    });
    this.#schedule(this.#queue.waitLeftMs(this.#queue.state!));
    this.#failure(name, status, text, 'later');
    return false;
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#environment.clearTimer(this.#timer);
    this.#timer = this.#environment.setTimer(() => void this.flush(), ms);
  }

  #failure(name: string, status: number, detail: string, retry: FailureEvent['retry']): void {
    this.#emit('failure', { name, status, detail: detail.slice(0, MAX_DETAIL), retry });
  }

  #drop(heartbeats: PendingHeartbeat[], reason: string): void {
    if (!heartbeats.length) return;
    this.#emit('drop', { count: heartbeats.length, reason, heartbeats: heartbeats.map(pieceOf) });
  }
}
