/**
 * Properties of this module's own objects, which get short names in the build. Nobody else may see one:
 * neither the browser, nor the application, nor the network, nor the database and the tabs, where another
 * build may be at the other end. test/mangled-names.test.ts looks for that.
 */
export const MANGLED_NAMES = [
  'accepted', 'appendClaim', 'askedMs', 'atMs', 'backoff', 'baseMs', 'busy', 'bySession', 'change', 'claim', 'claims',
  'clearTimer', 'dropped', 'exclusively', 'getOrPut', 'heard', 'hurry', 'isPlaying', 'kept', 'learn', 'longestMs', 'mac', 'maxHeartbeats', 'maxMs', 'missed', 'moment',
  'newId', 'nowMs', 'offer', 'offsetMs', 'positionMs', 'reading', 'serverTimeOf', 'setTimer', 'signingInput',
  'takeOver', 'tellChange', 'timeoutMs', 'transact', 'verdicts', 'waitLeftMs', 'wantFull', 'wanted', 'worked',
];
