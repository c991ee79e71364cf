/**
 * Sends what the queue holds: one request at a time, in order, over all tabs of the origin. Knows
 * what each answer means for the heartbeats, and never forgets one without saying so.
 */
import { type Accepted, reactionTo, readAnswer, type Verdict } from './answer.js';
import type { Claim } from './buffer.js';
import { Clock } from './clock.js';
import type { DeviceKey } from './device.js';
import { type Environment, exchange, type Reply } from './http.js';
import { pieceOf, remainderOf, remember, retryOf } from './outcome.js';
import { Queue, type QueueOptions } from './queue.js';
import { type Signed, Signer, type SignerOptions } from './signer.js';
import type { QueueState, Store } from './store.js';
import type { Events, ModuleProgress, ProblemEvent, Status } from './types.js';

export interface SenderOptions extends QueueOptions, SignerOptions {
  module: string;
  fullAnswerEvery: number;
  timeoutMs: number;
}

/** A heartbeat this old had been waiting, as had all of a batch. */
const LATE_MS = 15_000;
/** So long after that the budget may be used up by what came late. */
const CATCHING_UP_MS = 120_000;
const MAX_REMAINDER_WAIT_MS = 30_000;
/**
 * From so many percent on, until MASTERED, each answer is a full one. A module is mastered at 95 unless
 * it says otherwise, which a device does not know.
 */
const NEAR_MASTERY = 90;
/** Before the first: a wait that is none yet. */
const NO_FAILURE = -1;

type Emit = <K extends keyof Events>(name: K, event: Events[K]) => void;

export class Sender {
  readonly clock: Clock;
  /** The next answer is to be a full one. */
  wantFull = true;
  readonly #options: SenderOptions;
  readonly #environment: Environment;
  readonly #store: Store;
  readonly #signer: Signer;
  readonly #device: Promise<DeviceKey>;
  readonly #emit: Emit;
  readonly #traffic = { requests: 0, heartbeats: 0, bytesUp: 0, bytesDown: 0 };
  readonly #queue: Queue;
  #catchingUpUntilMs = 0;
  /** Answers without content, in a row. */
  #empty = 0;
  /** The gateway refused several tokens at once: so many go one by one, each to its own verdict. */
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
    this.#signer = new Signer(options, environment, this.#traffic, device, this.clock);
  }

  /** Keeps the claim, then sends. */
  async add(claim: Claim): Promise<void> {
    // The request to write is made now: when the page is going away there is no later.
    await this.#store.appendClaim(claim);
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
            this.#schedule(this.#options.backoff.baseMs);
        } catch (error) {
          // What is kept stays, and is tried again. Not by the queue's own waiting, which may be what failed.
          this.#schedule(this.#options.backoff.maxMs);
          const name = await this.#device.then(
            () => 'internal',
            () => 'no-key',
          );
          this.#problem(name, 0, String(error), 'later');
        }
      }
      this.#running = undefined;
      this.tellChange();
    })();
    return this.#running;
  }

  /** Somebody knows better: a connection is back, the device is enrolled. A wait asked for stays. */
  async hurry(): Promise<void> {
    this.wantFull = true;
    await this.#queue.change((draft) => {
      draft.state = { ...draft.state, halted: false };
      if (!draft.state.asked) draft.state.untilMs = 0;
    });
    return this.flush();
  }

  stop(): void {
    this.#stopped = true;
    this.#environment.clearTimer(this.#timer);
    this.tellChange();
  }

  /** What the gateway last said about the module, in this page or an earlier one. */
  async progress(): Promise<ModuleProgress | undefined> {
    await this.#queue.change(() => undefined);
    this.tellChange();
    return this.#queue.state!.progress[this.#options.module];
  }

  status(): Status {
    const nextTryMs = this.#queue.buffered ? this.#queue.waitLeftMs(this.#queue.state!) : 0;
    return {
      state: this.#stopped
        ? 'stopped'
        : this.#queue.state?.halted
          ? 'not-enrolled'
          : this.#queue.busy.size
            ? 'sending'
            : nextTryMs
              ? 'waiting'
              : 'idle',
      buffered: this.#queue.buffered,
      nextTryMs,
      storage: this.#store.kind,
      clockOffsetMs: Math.round(this.clock.offsetMs(this.#environment.reading())),
      traffic: { ...this.#traffic },
    };
  }

  /** The module's progress, from an answer to this tab or to another. */
  heard(progress: ModuleProgress): void {
    if (progress.state !== 'MASTERED' || this.#mastered) return;
    this.#mastered = true;
    this.#emit('mastered', progress);
  }

  /** Tells the application when its picture of the status is out of date. */
  tellChange(): void {
    const status = this.status();
    const text = `${status.state} ${status.buffered} ${status.storage}`;
    if (text === this.#lastStatus) return;
    this.#lastStatus = text;
    this.#emit('status', status);
  }

  async #sendAll(): Promise<void> {
    let goOn = true;
    while (goOn) {
      const [dropped, claims] = await this.#queue.take(this.#alone > 0);
      this.#drop(dropped, 'buffer-full');
      if (!claims.length) {
        const { state, buffered } = this.#queue;
        if (buffered && !state!.halted) this.#schedule(this.#queue.waitLeftMs(state!));
        return;
      }
      for (const claim of claims) this.#queue.busy.add(claim.id!);
      this.tellChange();
      try {
        goOn = await this.#deliver(claims);
      } finally {
        this.#queue.busy.clear();
      }
    }
  }

  /** Where the application is about to show the progress, where the state may change, and of what was late. */
  #wantsFull([first, second]: Claim[]): boolean {
    const { failures, progress } = this.#queue.state!;
    const { cid, remainder } = first!;
    const known = progress[cid];
    return (
      this.wantFull ||
      !!second ||
      !!remainder ||
      failures > 0 ||
      this.#empty + 1 >= this.#options.fullAnswerEvery ||
      (known?.state === 'IN_PROGRESS' && known.completionPercentage >= NEAR_MASTERY)
    );
  }

  /** Gives whether to go on with what is left. */
  async #deliver(claims: Claim[]): Promise<boolean> {
    const options = this.#options;
    const signed = await this.#signer.sign(claims, !this.#queue.state!.failures);
    const full = this.#wantsFull(claims);
    // What asks for more from now on is for the next one.
    if (full) this.wantFull = false;
    const headers: Record<string, string> = { 'content-type': 'application/jose' };
    if (!full) headers['prefer'] = 'return=minimal';
    const body = signed.map(({ text }) => text).join('\n');
    this.#traffic.heartbeats += claims.length;
    let reply: Reply;
    try {
      reply = await exchange(
        this.#environment,
        this.#traffic,
        `${options.gateway}/v1/heartbeats`,
        options.timeoutMs,
        { method: 'POST', headers, body },
      );
    } catch (error) {
      return this.#fail('unreachable', { status: 0, text: String(error), askedMs: undefined });
    }
    const { status, text } = reply;
    const answer = readAnswer(status, text, claims, !full);
    // A redirect that is not followed shows as status 0.
    if (!answer)
      return this.#fail(
        status && (status < 300 || status > 399) ? 'bad-answer' : 'redirect',
        reply,
      );
    if (answer.serverMs !== undefined)
      this.clock.learn(answer.serverMs, this.#environment.reading());
    if (!answer.verdicts) {
      const { name, detail } = answer.problem!;
      if (reactionTo(name, status) === 'later') return this.#fail(name, { ...reply, text: detail });
      this.#alone = claims.length;
      return true;
    }
    if (this.#alone) --this.#alone;
    this.#empty = status === 204 ? this.#empty + 1 : 0;
    return this.#finish(signed, answer.verdicts, reply);
  }

  /** Carries out the verdicts. */
  async #finish(
    signed: Signed[],
    verdicts: Verdict[],
    { status, askedMs }: Reply,
  ): Promise<boolean> {
    const finished = new Set<number>();
    const remainders: Claim[] = [];
    const told: [Claim, Accepted][] = [];
    const drops = new Map<string, Claim[]>();
    let keep = false;
    let halt = false;
    let alone = false;
    const nowMs = this.#environment.reading().monoMs;
    if (
      signed[1] ||
      this.clock.nowMs(this.#environment.reading()) - signed[0]!.iat * 1000 >= LATE_MS
    )
      this.#catchingUpUntilMs = nowMs + CATCHING_UP_MS;
    for (const [i, verdict] of verdicts.entries()) {
      const one = signed[i]!;
      const { claim } = one;
      if ('problem' in verdict) {
        // It told no progress.
        this.wantFull = true;
        let retry = retryOf(one, verdict.problem, status, this.#signer);
        // Each that stays gets an answer of its own; one that had it already has to wait.
        if (retry === 'alone') {
          alone = !!signed[1];
          retry = alone ? 'now' : 'later';
        }
        keep ||= retry === 'later';
        halt ||= retry === 'enrol';
        // That a session key is gone is nothing the application has to know.
        if (verdict.problem !== 'session-key-unknown')
          this.#problem(verdict.problem, status, verdict.detail, retry);
        if (retry !== 'never') continue;
        drops.set(verdict.problem, [...(drops.get(verdict.problem) ?? []), claim]);
      } else {
        await one.accepted();
        if (verdict.accepted) {
          told.push([claim, verdict.accepted]);
          this.wantFull ||= verdict.accepted.status === 'limited';
          // Otherwise playback is faster than the module allows, and that is final.
          if (nowMs < this.#catchingUpUntilMs)
            remainders.push(...remainderOf(claim, verdict.accepted, this.#environment.newId()));
        }
      }
      finished.add(claim.id!);
    }
    if (alone) this.#alone = signed.length - finished.size;
    await this.#queue.change((draft) => {
      const { failures, progress } = draft.state;
      const state: QueueState = {
        failures: 0,
        untilMs: 0,
        waitMs: 0,
        progress: remember(progress, told),
      };
      draft.state = state;
      if (keep) this.#queue.wait(state, failures, askedMs);
      else if (remainders.length) {
        // The budget fills up while time passes; then there is room for what is left.
        const restMs = remainders.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
        this.#queue.wait(state, NO_FAILURE, Math.min(restMs, MAX_REMAINDER_WAIT_MS));
      }
      if (halt) state.halted = true;
      const taken = new Map(signed.map(({ claim }) => [claim.id, claim]));
      draft.claims = draft.claims
        .filter(({ id }) => !finished.has(id!))
        .map((claim) => taken.get(claim.id) ?? claim)
        .concat(remainders);
    });
    for (const [claim, accepted] of told) {
      const progress: ModuleProgress = {
        ...this.#queue.state!.progress[claim.cid]!,
        resumeMs: accepted.resumeMs,
      };
      const { status, creditedMs } = accepted;
      this.#emit('progress', { ...progress, ...pieceOf(claim), status, creditedMs });
      if (claim.cid === this.#options.module) this.heard(progress);
    }
    for (const [reason, claims] of drops) this.#drop(claims, reason);
    return true;
  }

  /** Nothing came back that counts: everything stays, the next try is later. Gives false. */
  async #fail(name: string, { status, text, askedMs }: Reply): Promise<false> {
    await this.#queue.change((draft) => {
      draft.state = { ...draft.state };
      this.#queue.wait(draft.state, draft.state.failures, askedMs);
    });
    this.#schedule(this.#queue.waitLeftMs(this.#queue.state!));
    this.#problem(name, status, text.slice(0, 200), 'later');
    return false;
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#environment.clearTimer(this.#timer);
    this.#timer = this.#environment.setTimer(() => void this.flush(), ms);
  }

  #problem(name: string, status: number, detail: string, retry: ProblemEvent['retry']): void {
    this.#emit('problem', { name, status, detail, retry });
  }

  #drop(claims: Claim[], reason: string): void {
    if (!claims.length) return;
    this.#emit('drop', { count: claims.length, reason, heartbeats: claims.map(pieceOf) });
  }
}
