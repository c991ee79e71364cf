import type { Range } from './ranges';

export type Attention = 'skipping' | 'stalled' | 'nearly_done' | 'none';
export type State = 'IN_PROGRESS' | 'MASTERED';

export const SKIPPED_GAP_MS = 5_000;
export const STALLED_AFTER_MS = 24 * 3_600_000;
export const NEARLY_DONE_PERCENT = 80;

/**
 * What a student needs, by the rules the gateway orders by. The gateway says it for lists in the
 * order of need; live changes and other lists are labelled here.
 */
export function attentionOf(
  progress: {
    state: State;
    coverage: readonly Range[];
    resumeMs: number;
    completionPercentage: number;
    updatedMs: number;
  },
  nowMs: number,
): Attention {
  if (progress.state === 'MASTERED') return 'none';
  // As domain/student_status.hpp has it; tests/vectors/attention.json holds both to the same results.
  let endMs = 0;
  for (const [fromMs, toMs] of progress.coverage) {
    if (fromMs >= progress.resumeMs) break;
    if (fromMs - endMs > SKIPPED_GAP_MS) return 'skipping';
    endMs = toMs;
  }
  if (nowMs - progress.updatedMs >= STALLED_AFTER_MS) return 'stalled';
  if (progress.completionPercentage >= NEARLY_DONE_PERCENT) return 'nearly_done';
  return 'none';
}
