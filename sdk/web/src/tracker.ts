/** Ties a media element to the cutter and the sender. */
import type { PendingHeartbeat } from './buffer.js';
import { type Cause, Cutter, type Snapshot } from './cutter.js';
import { type DeviceKey, deviceKey, type Enrolment } from './device.js';
import { Emitter } from './emitter.js';
import type { Environment } from './http.js';
import { MAX_HEARTBEATS, MAX_INTERVAL_MS } from './limits.js';
import { Sender } from './sender.js';
import { DurableStore } from './store.js';
import { base64url } from './token.js';
import type { Events, ModuleProgress, Options, Status } from './types.js';

const ID = /^(?!\.\.?$)[\w.~:@-]{1,64}$/;

/**
 * When to look, and how. Around a stall there are cuts and no more: its time is not played, since the
 * position stands still. Where it moves all the same, the sound plays on while the picture waits.
 */
const CAUSES: Record<string, Cause> = {
  play: 'tick',
  timeupdate: 'tick',
  ratechange: 'tick',
  seeked: 'tick',
  pause: 'cut',
  waiting: 'cut',
  playing: 'cut',
  ended: 'cut',
  seeking: 'jump',
  emptied: 'jump',
};

function browser(): Environment {
  return {
    fetch: (input, init) => fetch(input, init),
    random: () => Math.random(),
    reading: () => ({ wallMs: Date.now(), monoMs: performance.now() }),
    newId: () => base64url(crypto.getRandomValues(new Uint8Array(16))),
    hidden: () => document.visibilityState === 'hidden',
    setTimer: (work, ms) => setTimeout(work, ms),
    clearTimer: (timer) => clearTimeout(timer as number),
    locks: navigator.locks,
  };
}

/** A number option within its limits. Throws a RangeError that names it. */
function within(
  name: string,
  value: number | undefined,
  otherwise: number,
  min: number,
  max: number,
): number {
  if (value === undefined) return otherwise;
  if (!(value >= min && value <= max))
    throw new RangeError(`watchkeeper: ${name} must be ${min} to ${max}`);
  return value;
}

function id(name: string, value: string): string {
  if (!ID.test(value)) throw new TypeError(`watchkeeper: ${name} must be ${ID.source}`);
  return value;
}

async function enrolmentOf(device: Promise<DeviceKey>, store: DurableStore): Promise<Enrolment> {
  const { kid, jwk } = await device;
  return { kid, jwk, persistent: store.kind === 'indexeddb' };
}

/** Makes this browser's key for the student, or finds it, and gives its public half to be enrolled. */
export async function enrolment(student: string): Promise<Enrolment> {
  const store = new DurableStore(() => undefined);
  return enrolmentOf(deviceKey(store, id('student', student)), store);
}

export class Tracker extends Emitter<Events> {
  /** Resolves with what the gateway last said about this module in this browser, if it ever did. */
  readonly ready: Promise<{ progress: ModuleProgress | undefined }>;
  readonly #media: HTMLMediaElement;
  readonly #options: Options;
  readonly #environment: Environment;
  readonly #cutter: Cutter;
  readonly #sender: Sender;
  readonly #device: Promise<DeviceKey>;
  readonly #store: DurableStore;
  readonly #queue: string;
  #channel: BroadcastChannel | undefined;
  readonly #detach = new AbortController();
  #sequence = 0;
  #stopped = false;
  #done: Promise<void> | undefined;

  /** Throws a TypeError or RangeError for an option that cannot be; nothing else is ever thrown. */
  constructor(media: HTMLMediaElement, options: Options, environment: Environment = browser()) {
    super();
    id('student', options.student);
    id('module', options.module);
    const gateway = new URL(options.gateway, globalThis.location?.href).href.replace(/\/+$/, '');
    const longestMs = within(
      'maxIntervalMs',
      options.maxIntervalMs,
      MAX_INTERVAL_MS,
      1_000,
      MAX_INTERVAL_MS,
    );
    const heartbeatMs = within(
      'heartbeatMs',
      options.heartbeatMs,
      Math.min(10_000, longestMs),
      1_000,
      longestMs,
    );
    this.#media = media;
    this.#options = options;
    this.#environment = environment;
    this.#queue = `${gateway} ${options.student}`;
    this.#cutter = new Cutter(heartbeatMs);
    this.#store = new DurableStore((detail) => {
      this.emit('failure', { name: 'storage', status: 0, detail, retry: 'later' });
      this.#sender.emitStatus();
    });
    this.#device = deviceKey(this.#store, options.student);
    // Whoever waits for the key sees the rejection; nobody has to.
    this.#device.catch(() => undefined);
    this.#sender = new Sender(
      {
        gateway,
        queue: this.#queue,
        module: options.module,
        session: environment.newId(),
        fullResponseEvery: within('fullResponseEvery', options.fullResponseEvery, 2, 1, 1_000),
        sessionKeys: options.sessionKeys ?? true,
        buffer: { maxHeartbeats: MAX_HEARTBEATS, longestMs },
      },
      environment,
      this.#store,
      this.#device,
      (name, event) => {
        this.emit(name, event);
        if (name === 'progress') this.#channel?.postMessage(event);
      },
    );
    this.#channel = new BroadcastChannel(`watchkeeper ${this.#queue}`);
    this.#channel.onmessage = ({ data }: MessageEvent<Events['progress']>) => {
      if (data.module !== options.module) return;
      this.emit('progress', data);
      this.#sender.applyProgress(data);
    };
    this.#listen();
    this.ready = this.#sender.progress().then((progress) => ({ progress }));
    // What an earlier page had to leave behind; the device may have been enrolled since.
    void this.ready.then(({ progress }) => {
      if (progress) this.#sender.applyProgress(progress);
      return this.#stopped ? undefined : this.#sender.retryNow();
    });
    this.#look('tick');
  }

  /** Names this playback. */
  get session(): string {
    return this.#sender.signer.session;
  }

  /** The public key to be enrolled. Rejects where the browser makes no keys. */
  enrolment(): Promise<Enrolment> {
    return enrolmentOf(this.#device, this.#store);
  }

  status(): Status {
    return this.#sender.status();
  }

  /**
   * Reports what was played up to now and tries to send all that is buffered, now; after an enrolment
   * too. A time that the gateway asked to wait is waited. Resolves when the attempt is over.
   */
  async flush(): Promise<void> {
    await this.#look('cut');
    await this.#sender.retryNow();
  }

  /** Reports what was played, sends it if that works now, and lets go of the media element. */
  stop(): Promise<void> {
    this.#done ??= (async () => {
      const last = this.#look('cut');
      this.#stopped = true;
      this.#detach.abort();
      await last;
      await this.#sender.flush();
      this.#sender.stop();
      this.#channel?.close();
      // A last result may come yet, and a channel that is closed takes nothing.
      this.#channel = undefined;
    })();
    return this.#done;
  }

  #listen(): void {
    const { signal } = this.#detach;
    const listen = (target: EventTarget, name: string, cause?: Cause): void =>
      target.addEventListener(
        name,
        () => void (cause ? this.#look(cause) : this.#sender.retryNow()),
        { signal },
      );
    for (const [name, cause] of Object.entries(CAUSES)) listen(this.#media, name, cause);
    listen(document, 'visibilitychange', 'tick');
    listen(window, 'pagehide', 'cut');
    listen(window, 'online');
  }

  #snapshot(): Snapshot {
    const media = this.#media;
    return {
      atMs: this.#environment.reading().monoMs,
      positionMs: media.currentTime * 1000,
      rate: media.playbackRate,
      ended: media.ended,
      isPlaying: !media.paused && !media.ended && !media.seeking && !this.#environment.hidden(),
    };
  }

  async #look(cause: Cause): Promise<void> {
    if (this.#stopped) return;
    const snapshot = this.#snapshot();
    // While the element seeks, its position is where it goes to and not what was played.
    const intervals = this.#cutter.observe(snapshot, this.#media.seeking ? 'jump' : cause);
    if (!intervals.length) return;
    // At an interruption the application is likely to show where the student stands.
    if (cause !== 'tick' || !snapshot.isPlaying) this.#sender.askFull = true;
    const { student: sub, module: cid } = this.#options;
    const ended = this.#sender.clock.moment(this.#environment.reading());
    // All are asked to be written before anything is waited for.
    await Promise.all(
      intervals.map(({ fromMs, toMs, rate }) => {
        const heartbeat: PendingHeartbeat = {
          queue: this.#queue,
          sub,
          cid,
          sid: this.session,
          sn: this.#sequence++,
          fromMs,
          toMs,
          rate,
          ended,
        };
        return this.#sender.add(heartbeat);
      }),
    );
  }
}

/** Reports what is played in `media` from now on. */
export function track(media: HTMLMediaElement, options: Options): Tracker {
  return new Tracker(media, options);
}
