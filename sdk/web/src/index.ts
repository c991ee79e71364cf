/** Reports what was really watched in a <video> to a watchkeeper gateway. See docs/sdk-web.md. */

export type { Enrolment } from './device.js';
export type { PublicJwk } from './token.js';
export { enrolment, type Tracker, track } from './tracker.js';
export type {
  DropEvent,
  Events,
  FailureEvent,
  MasteryState,
  ModuleProgress,
  Options,
  ProgressEvent,
  Status,
} from './types.js';
