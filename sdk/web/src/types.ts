/** What an application sees. */

export type MasteryState = 'IN_PROGRESS' | 'MASTERED';

/** How far the student is in a module, as the gateway last said. */
export interface ModuleProgress {
  module: string;
  /** Whole seconds of different media time that were seen. */
  secondsWatched: number;
  /** 0 to 100, two decimals. */
  completionPercentage: number;
  state: MasteryState;
  /** Where playback last ended: the position to resume at. */
  resumeMs: number;
}

/** `progress`: the gateway returned the result of a heartbeat, with progress. */
export interface ProgressEvent extends ModuleProgress {
  session: string;
  sequence: number;
  /** The interval of the heartbeat, milliseconds of media time. */
  fromMs: number;
  toMs: number;
  /** `limited`: only the beginning of the interval counted. `duplicate`: the heartbeat had been credited before. */
  status: 'credited' | 'limited' | 'duplicate';
  creditedMs: number;
}

/** `drop`: heartbeats that the gateway will never credit. */
export interface DropEvent {
  count: number;
  /** `buffer-full`, or the name of the gateway's problem. */
  reason: string;
  heartbeats: { module: string; session: string; sequence: number; fromMs: number; toMs: number }[];
}

/** `failure`: something went wrong. A `drop` follows if heartbeats are lost. */
export interface FailureEvent {
  /**
   * The gateway's name for it, or one of this module's own: `unreachable` (no connection, or no
   * response in time), `redirect`, `bad-response` (not the gateway's), `storage` (memory is used instead),
   * `no-key` (the browser makes no keys; the page is not https://, most likely), `internal` (something
   * else in this module failed; `detail` has what).
   */
  name: string;
  /** The HTTP status, 0 when there was none. */
  status: number;
  detail: string;
  /** `now`: sent again at once; `later`: still buffered; `enrol`: buffered until `flush()`; `never`: a `drop` follows. */
  retry: 'now' | 'later' | 'enrol' | 'never';
}

/** `status`: `state`, `buffered` or `storage` has changed. */
export interface Status {
  /**
   * `idle`: nothing is waiting. `sending`. `waiting`: something failed, there will be another try.
   * `not-enrolled`: buffered until `flush()`. `stopped`.
   */
  state: 'idle' | 'sending' | 'waiting' | 'not-enrolled' | 'stopped';
  /** Heartbeats without a result. */
  buffered: number;
  /** Milliseconds until the next try, 0 when none is planned. */
  nextTryMs: number;
  /** `memory`: what is buffered, and the key, do not outlive the page. */
  storage: 'indexeddb' | 'memory';
  /** The gateway's clock less the device's, milliseconds; 0 while it is unknown. */
  clockOffsetMs: number;
  /** What this tracker has sent and received in bodies, without header fields and TLS. */
  traffic: { requests: number; heartbeats: number; bytesUp: number; bytesDown: number };
}

export interface Events {
  progress: ProgressEvent;
  /** The module has reached MASTERED; once. */
  mastered: ModuleProgress;
  drop: DropEvent;
  failure: FailureEvent;
  status: Status;
}

export interface Options {
  /** Where the gateway is: `https://gateway.example`. */
  gateway: string;
  student: string;
  module: string;
  /** Media time of one heartbeat, 1 000 ms to `maxIntervalMs`; 10 000 unless given, or `maxIntervalMs` if that is less. */
  heartbeatMs?: number;
  /** The longest interval that buffered heartbeats are joined to, 1 000 to 30 000 ms; 30 000 unless given. */
  maxIntervalMs?: number;
  /**
   * One response in this many contains the progress, 1 to 1 000; 2 unless given. The others are empty and cause
   * no event `progress`. docs/sdk-web.md says when the SDK always asks for progress.
   */
  fullResponseEvery?: number;
  /** Whether to agree on a session key if the gateway supports session keys; true unless given. */
  sessionKeys?: boolean;
}
