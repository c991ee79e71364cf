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
  // Gaps between two pieces; that a student began later is no gap of this kind.
  for (let at = 1; at < progress.coverage.length; ++at) {
    const from = progress.coverage[at - 1]![1];
    const to = progress.coverage[at]![0];
    if (to - from > SKIPPED_GAP_MS && progress.resume_ms >= to) return 'skipping';
  }
  if (now_ms - Date.parse(progress.updated_at) >= STALLED_AFTER_MS) return 'stalled';
  if (progress.completion_percentage >= NEARLY_DONE_PERCENT) return 'nearly_done';
  return 'none';
}
