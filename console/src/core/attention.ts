import { CLOSED_GAP_MS, lengthOf, type Range, subtract, unite } from './ranges';

export type Attention = 'too_fast' | 'skipping' | 'stalled' | 'nearly_done' | 'none';
export type State = 'IN_PROGRESS' | 'MASTERED';

export const TOO_FAST_MS = 5_000;
export const SKIPPED_GAP_MS = 5_000;
export const STALLED_AFTER_MS = 24 * 3_600_000;
export const NEARLY_DONE_PERCENT = 80;

const before = (ranges: readonly Range[], endMs: number): Range[] =>
  ranges.flatMap(([from, to]) => (from < endMs ? [[from, Math.min(to, endMs)] as const] : []));

/**
 * What a student needs, by the rules the gateway orders by. The gateway says it for lists in the
 * order of need; live changes and other lists are labelled here. `refused`: what did not count
 * because it was played too fast, as far as it is known.
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
  refused: readonly Range[] = [],
): Attention {
  if (progress.state === 'MASTERED') return 'none';
  // As domain/student_status.hpp has it; tests/vectors/attention.json holds both to the same results.
  const lost = subtract(unite([], refused, CLOSED_GAP_MS), progress.coverage);
  if (lengthOf(before(lost, progress.resumeMs)) > TOO_FAST_MS) return 'too_fast';
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
