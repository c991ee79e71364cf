/**
 * Sends what the queue holds: one request at a time, in order, over all tabs of the origin. Knows
 * what each answer means for the heartbeats, and never forgets one without saying so.
 */
import { type Accepted, type Verdict, reactionTo, readAnswer } from './answer.js';
import { type BackoffLimits, remainingMs, waitMs } from './backoff.js';
import { type BufferLimits, type Claim, settle } from './buffer.js';
import { Clock } from './clock.js';
import type { DeviceKey } from './device.js';
import { type Environment, type Reply, exchange } from './http.js';
import { type Signed, Signer } from './signer.js';
import type { QueueState, Store, Transaction } from './store.js';
import type { Events, ModuleProgress, ProblemEvent, Status } from './types.js';

/** A request may carry so many tokens. */
const MAX_TOKENS = 16;
/** So often the clock is set for one heartbeat. */
const MAX_CORRECTIONS = 2;
/** A heartbeat that was over the budget when it was this old had been waiting in the buffer. */
const LATE_MS = 15_000;
/** So often what was left of a late heartbeat is sent again. */
const MAX_REMAINDERS = 3;
const MAX_REMAINDER_WAIT_MS = 30_000;
const MAX_MODULES_REMEMBERED = 32;
const LOCK_TIMEOUT_MS = 30_000;

export interface SenderOptions {
  gateway: string;
  queue: string;
  module: string;
  session: string;
  fullAnswerEvery: number;
  sessionKeys: boolean;
  timeoutMs: number;
  buffer: BufferLimits;
  backoff: BackoffLimits;
}

type Emit = <K extends keyof Events>(name: K, event: Events[K]) => void;

export class Sender {
  readonly clock: Clock;
  /** The next answer is to be a full one. */
  wantFull = true;
  readonly #options: SenderOptions;
  readonly #environment: Environment;
  readonly #store: Store;
  readonly #signer: Signer;
  readonly #emit: Emit;
  readonly #traffic = { requests: 0, heartbeats: 0, bytesUp: 0, bytesDown: 0 };
  readonly #busy = new Set<number>();
  #answers = 0;
  /** The gateway refused several tokens at once: so many go one by one, each to its own verdict. */
  #alone = 0;
  #buffered = 0;
  #state: QueueState | undefined;
  #timer: unknown;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #mastered = false;
  #lastStatus = '';

  constructor(options: SenderOptions, environment: Environment, store: Store, device: Promise<DeviceKey>, emit: Emit) {
    this.#options = options;
    this.#environment = environment;
    this.#store = store;
    this.#emit = emit;
    this.clock = new Clock(environment.newId());
    const { gateway, session, sessionKeys } = options;
    this.#signer = new Signer(environment, this.#traffic, gateway, session, sessionKeys, device, this.clock);
  }

  /** Keeps the claim, then sends. */
  async add(claim: Claim): Promise<void> {
    // The request to write is made now: when the page is going away there is no later.
    await this.#store.append(claim);
    await this.flush();
  }

  /** Sends what may be sent. Resolves when nothing more can be done now; never rejects. */
  flush(): Promise<void> {
    this.#again = true;
    this.#running ??= (async () => {
      while (this.#again) {
        this.#again = false;
        try {
          await this.#exclusively(() => this.#sendAll());
        } catch (error) {
          // No key can be had: what is kept stays.
          this.#problem('no-key', 0, String(error), 'later');
        }
      }
      this.#running = undefined;
      this.changed();
    })();
    return this.#running;
  }

  /** Somebody knows better: a connection is back, the device is enrolled. A wait asked for stays. */
  async hurry(): Promise<void> {
    await this.#change((draft) => {
      draft.state = { ...draft.state, halted: false };
      if (!draft.state.asked) draft.state.untilMs = 0;
    });
    return this.flush();
  }

  stop(): void {
    this.#stopped = true;
    this.#environment.clearTimer(this.#timer);
    this.changed();
  }

  /** What the gateway last said about the module, in this page or an earlier one. */
  async progress(): Promise<ModuleProgress | undefined> {
    await this.#change(() => undefined);
    this.changed();
    return this.#state!.progress[this.#options.module];
  }

  status(): Status {
    const nextTryMs = this.#state && this.#buffered ? this.#waitLeftMs(this.#state) : 0;
    return {
      state: this.#stopped ? 'stopped'
        : this.#state?.halted ? 'not-enrolled'
        : this.#busy.size ? 'sending'
        : nextTryMs ? 'waiting' : 'idle',
      buffered: this.#buffered,
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
  changed(): void {
    const status = this.status();
    const text = `${status.state} ${status.buffered} ${status.storage}`;
    if (text === this.#lastStatus) return;
    this.#lastStatus = text;
    this.#emit('status', status);
  }

  async #change<R>(change: Transaction<R>): Promise<R> {
    return this.#store.transact(this.#options.queue, (draft) => {
      const result = change(draft);
      this.#buffered = draft.claims.length;
      this.#state = draft.state;
      return result;
    });
  }

  async #exclusively(work: () => Promise<void>): Promise<void> {
    const { locks } = this.#environment;
    if (!locks) return work();
    let begun = false;
    try {
      const signal = AbortSignal.timeout(LOCK_TIMEOUT_MS);
      await locks.request(`watchkeeper ${this.#options.queue}`, { signal }, () => {
        begun = true;
        return work();
      });
    } catch (error) {
      if (begun) throw error;
      // Another tab is busy for that long: its turn, and ours later.
      if ((error as Error).name === 'TimeoutError') this.#schedule(this.#options.backoff.baseMs);
      // Locks are forbidden here, in a sandboxed frame for example.
      else await work();
    }
  }

  async #sendAll(): Promise<void> {
    let goOn = true;
    while (goOn) {
      const claims = await this.#take();
      if (!claims.length) return;
      for (const claim of claims) this.#busy.add(claim.id!);
      this.changed();
      try {
        goOn = await this.#deliver(claims);
      } finally {
        this.#busy.clear();
      }
    }
  }

  /** Settles the queue and gives what is to be sent now, marked as sent. */
  async #take(): Promise<Claim[]> {
    const [dropped, taken] = await this.#change((draft) => {
      const { state } = draft;
      const { kept, dropped } = settle(draft.claims, this.#options.buffer, this.#busy);
      draft.claims = kept;
      const leftMs = this.#waitLeftMs(state);
      if (state.halted || leftMs) {
        if (kept.length && !state.halted) this.#schedule(leftMs);
        return [dropped, []];
      }
      // After a failure the oldest goes ahead alone: it was sent before, and so the others may still be joined.
      const taken = kept
        .slice(0, state.failures || this.#alone ? 1 : MAX_TOKENS)
        .map((claim) => ({ ...claim, sent: true }));
      kept.splice(0, taken.length, ...taken);
      return [dropped, taken];
    });
    this.#drop(dropped, 'buffer-full');
    return taken;
  }

  /** Gives whether to go on with what is left. */
  async #deliver(claims: Claim[]): Promise<boolean> {
    const options = this.#options;
    const signed = await this.#signer.sign(claims, !this.#state!.failures);
    const full = this.wantFull || claims.length > 1 || this.#answers % options.fullAnswerEvery === 0;
    const headers: Record<string, string> = { 'content-type': 'application/jose' };
    if (!full) headers['prefer'] = 'return=minimal';
    const body = signed.map(({ text }) => text).join('\n');
    this.#traffic.heartbeats += claims.length;
    let reply: Reply;
    try {
      reply = await exchange(
        this.#environment, this.#traffic, `${options.gateway}/v1/heartbeats`, options.timeoutMs,
        { method: 'POST', headers, body },
      );
    } catch (error) {
      return this.#fail('unreachable', { status: 0, text: String(error), askedMs: undefined });
    }
    const { status, text } = reply;
    const answer = readAnswer(status, text, claims, !full);
    // A redirect that is not followed shows as status 0.
    if (!answer) return this.#fail(status && (status < 300 || status > 399) ? 'bad-answer' : 'redirect', reply);
    if (answer.serverMs !== undefined) this.clock.learn(answer.serverMs, this.#environment.reading());
    if (!answer.verdicts) {
      const { name, detail } = answer.problem!;
      if (reactionTo(name, status) === 'later') return this.#fail(name, { ...reply, text: detail });
      this.#alone = claims.length;
      return true;
    }
    if (this.#alone) --this.#alone;
    ++this.#answers;
    if (full) this.wantFull = false;
    return this.#finish(signed, answer.verdicts, reply);
  }

  /** Carries out the verdicts. */
  async #finish(signed: Signed[], verdicts: Verdict[], { status, askedMs }: Reply): Promise<boolean> {
    const finished = new Set<number>();
    const remainders: Claim[] = [];
    const told: [Claim, Accepted][] = [];
    const drops = new Map<string, Claim[]>();
    let keep = false;
    let halt = false;
    for (const [i, verdict] of verdicts.entries()) {
      const one = signed[i]!;
      const { claim } = one;
      if ('problem' in verdict) {
        const retry = this.#retryOf(one, verdict.problem, status);
        keep ||= retry === 'later';
        halt ||= retry === 'enrol';
        // That a session key is gone is nothing the application has to know.
        if (verdict.problem !== 'session-key-unknown') this.#problem(verdict.problem, status, verdict.detail, retry);
        if (retry !== 'never') continue;
        drops.set(verdict.problem, [...(drops.get(verdict.problem) ?? []), claim]);
      } else {
        await one.accepted();
        if (verdict.accepted) {
          told.push([claim, verdict.accepted]);
          remainders.push(...this.#remainderOf(claim, verdict.accepted));
        }
      }
      finished.add(claim.id!);
    }
    await this.#change((draft) => {
      const { failures, progress } = draft.state;
      const state: QueueState = { failures: 0, untilMs: 0, waitMs: 0, progress: remember(progress, told) };
      draft.state = state;
      if (keep) this.#wait(state, failures, askedMs);
      else if (remainders.length) {
        // The budget fills up while time passes; then there is room for what is left.
        const restMs = remainders.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
        state.waitMs = Math.min(restMs, MAX_REMAINDER_WAIT_MS);
        state.untilMs = this.#environment.reading().wallMs + state.waitMs;
        state.asked = true;
      }
      if (halt) state.halted = true;
      const taken = new Map(signed.map(({ claim }) => [claim.id, claim]));
      draft.claims = draft.claims
        .filter(({ id }) => !finished.has(id!))
        .map((claim) => taken.get(claim.id) ?? claim)
        .concat(remainders);
    });
    for (const [claim, accepted] of told) {
      const progress: ModuleProgress = { ...this.#state!.progress[claim.cid]!, resumeMs: accepted.resumeMs };
      const { sid: session, sn: sequence, fromMs, toMs } = claim;
      const { status, creditedMs } = accepted;
      this.#emit('progress', { ...progress, session, sequence, fromMs, toMs, status, creditedMs });
      if (claim.cid === this.#options.module) this.heard(progress);
    }
    for (const [reason, claims] of drops) this.#drop(claims, reason);
    return true;
  }

  /** What becomes of a heartbeat that was refused. */
  #retryOf({ claim, bySession, iat }: Signed, problem: string, status: number): ProblemEvent['retry'] {
    const reaction = reactionTo(problem, status);
    // Also where the gateway has another key than this page: the device key settles it.
    if (reaction === 'device-key' || (problem === 'bad-signature' && bySession)) {
      this.#signer.missed();
      return bySession ? 'now' : 'later';
    }
    if (reaction !== 'clock') return reaction;
    claim.corrections = (claim.corrections ?? 0) + 1;
    // Signed with the right time already: then it is too old, and always will be.
    const isNew = Math.abs(this.#signer.iat(claim) - iat) >= 1;
    if (isNew && claim.corrections <= MAX_CORRECTIONS) return 'now';
    claim.corrections = 0;
    return problem === 'stale-token' ? 'never' : 'later';
  }

  /** What the budget had no room for, if the heartbeat came out of the buffer; as a session of its own. */
  #remainderOf(claim: Claim, { status, creditedMs }: Accepted): Claim[] {
    const fromMs = claim.fromMs + creditedMs;
    const remainder = (claim.remainder ?? 0) + 1;
    const ageMs = this.clock.nowMs(this.#environment.reading()) - this.#signer.iat(claim) * 1000;
    if (status !== 'limited' || fromMs >= claim.toMs || remainder > MAX_REMAINDERS || ageMs < LATE_MS) return [];
    const { id: _, sent: __, ...rest } = claim;
    return [{ ...rest, sid: this.#environment.newId(), sn: 0, fromMs, remainder }];
  }

  /** Nothing came back that counts: everything stays, the next try is later. Gives false. */
  async #fail(name: string, { status, text, askedMs }: Reply): Promise<false> {
    await this.#change((draft) => {
      draft.state = { ...draft.state };
      this.#wait(draft.state, draft.state.failures, askedMs);
    });
    this.#schedule(this.#waitLeftMs(this.#state!));
    this.#problem(name, status, text.slice(0, 200), 'later');
    return false;
  }

  #wait(state: QueueState, failures: number, askedMs: number | undefined): void {
    state.waitMs = waitMs(failures, askedMs, this.#options.backoff, this.#environment.random);
    state.untilMs = this.#environment.reading().wallMs + state.waitMs;
    state.failures = Math.min(failures + 1, 30);
    state.asked = askedMs !== undefined;
  }

  #waitLeftMs({ untilMs, waitMs }: QueueState): number {
    return remainingMs(untilMs, waitMs, this.#environment.reading().wallMs);
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
    const heartbeats = claims.map(({ cid: module, sid: session, sn: sequence, fromMs, toMs }) => ({
      module, session, sequence, fromMs, toMs,
    }));
    this.#emit('drop', { count: claims.length, reason, heartbeats });
  }
}

/** The progress by module with these answers. Those of one request may have been given in any order. */
function remember(known: QueueState['progress'], told: [Claim, Accepted][]): QueueState['progress'] {
  const best: QueueState['progress'] = {};
  for (const [{ cid: module }, accepted] of told) {
    const { secondsWatched, completionPercentage, resumeMs } = accepted;
    const before = best[module];
    const further = before && before.secondsWatched > secondsWatched ? before : { secondsWatched, completionPercentage };
    const state = before?.state === 'MASTERED' ? before.state : accepted.state;
    best[module] = { ...further, module, state, resumeMs };
  }
  // The module that was heard of last is last.
  const others = Object.entries(known).filter(([module]) => !best[module]);
  return Object.fromEntries([...others, ...Object.entries(best)].slice(-MAX_MODULES_REMEMBERED));
}
