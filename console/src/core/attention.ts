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
    resume_ms: number;
    completion_percentage: number;
    updated_at: string;
  },
  now_ms: number,
): Attention {
  if (progress.state === 'MASTERED') return 'none';
  // As domain/attention.hpp has it; tests/vectors/attention.json holds both to the same answers.
  let end_ms = 0;
  for (const [from_ms, to_ms] of progress.coverage) {
    if (from_ms >= progress.resume_ms) break;
    if (from_ms - end_ms > SKIPPED_GAP_MS) return 'skipping';
    end_ms = to_ms;
  }
  if (now_ms - Date.parse(progress.updated_at) >= STALLED_AFTER_MS) return 'stalled';
  if (progress.completion_percentage >= NEARLY_DONE_PERCENT) return 'nearly_done';
  return 'none';
}
