/** Reports what was really watched in a <video> to a watchkeeper gateway. See docs/sdk-web.md. */

export type { Enrolment } from './device.js';
export type { PublicJwk } from './token.js';
export { enrolment, type Tracker, track } from './tracker.js';
export type {
  DropEvent,
  Events,
  MasteryState,
  ModuleProgress,
  Options,
  ProblemEvent,
  ProgressEvent,
  Status,
} from './types.js';
