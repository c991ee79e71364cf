import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Attention, attentionOf } from '../src/core/attention';
import type { Range } from '../src/core/ranges';

interface Case {
  what: string;
  coverage: Range[];
  resume_ms: number;
  ago_ms: number;
  mastered: boolean;
  refused?: Range[];
  attention: Attention;
}
const vectors = JSON.parse(
  readFileSync(new URL('../../tests/vectors/attention.json', import.meta.url), 'utf8'),
) as {
  now_ms: number;
  duration_ms: number;
  cases: Case[];
};

describe('what a student needs, as the gateway says it', () => {
  test.each(vectors.cases)(
    '$what',
    ({ coverage, resume_ms: resumeMs, ago_ms: agoMs, mastered, refused, attention }) => {
      const coveredMs = coverage.reduce((sum, [from, to]) => sum + to - from, 0);
      const progress = {
        state: mastered ? ('MASTERED' as const) : ('IN_PROGRESS' as const),
        coverage,
        resumeMs,
        completionPercentage: Math.floor((coveredMs * 10_000) / vectors.duration_ms) / 100,
        updatedMs: vectors.now_ms - agoMs,
      };
      expect(attentionOf(progress, vectors.now_ms, refused)).toBe(attention);
    },
  );
});
