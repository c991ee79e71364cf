import { h } from 'preact';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { CompletionEvent, ProgressDocument } from '../src/core/api';
import { rowOf } from '../src/core/students';
import { StudentRow } from '../src/parts/student-rows';
import { t } from '../src/text/en';
import { Completions } from '../src/views/completions';
import { Completions as StudentCompletions } from '../src/views/student/completions';
import { Progress } from '../src/views/student/progress';
import { Page } from './lib/page';

vi.mock('../src/core/place', () => ({ amend: () => {} }));
vi.mock('../src/parts/strip', () => ({ Strip: () => null, missingText: () => '' }));

const at = '2026-03-01T11:59:00Z';
const document = (over: Partial<ProgressDocument> = {}): ProgressDocument => ({
  student: 'ann',
  module: 'm',
  seconds_watched: 10,
  completion_percentage: 16.66,
  state: 'IN_PROGRESS',
  coverage: [[0, 10_000]],
  playtime_ms: 10_000,
  resume_ms: 10_000,
  updated_at: at,
  mastered_at: null,
  ...over,
});
const completion = (module: string, attempt: number): CompletionEvent => ({
  id: `${module} ${attempt}`,
  time: at,
  data: {
    student: 'ann',
    module,
    seconds_watched: 60,
    completion_percentage: 100,
    mastered_at: at,
    threshold: 95,
    attempt,
  },
});

describe('the attempt is shown once there was a reset', () => {
  let page: Page;
  /** The text of each element of the name, as a screen reader reads it. */
  const texts = (name: string) => page.body.all(name).map((one) => one.textContent.trim());
  const hasCompletions = (...items: CompletionEvent[]) =>
    vi.stubGlobal('fetch', async (path: string) => {
      expect(path).toMatch(/^\/v1\/completions\?/);
      return { ok: true, json: async () => ({ items, next: null, newest: '9' }) };
    });
  beforeEach(() => {
    vi.useFakeTimers();
    page = new Page();
  });
  afterEach(async () => {
    await page.close();
    vi.useRealTimers();
  });

  test('in the modules of a student', async () => {
    await page.show(
      h(Progress, {
        items: [
          document({ module: 'first' }),
          document({ module: 'again', attempt: 2 }),
          document({ module: 'often', attempt: 11, state: 'MASTERED', mastered_at: at }),
        ],
        modules: new Map(),
        refusals: [],
      }),
    );
    const heads = page.body.all('div', 'module-strip-head');
    expect(
      heads.map((head) => [
        head.all('a')[0]?.textContent,
        head.all('small', 'attempt')[0]?.textContent,
      ]),
    ).toEqual([
      ['first', ''],
      ['again', '2nd attempt'],
      ['often', '11th attempt'],
    ]);
    expect(heads[1]?.all('small')[0]?.attributes.get('title')).toBe(t.attemptHint);
  });
  test('beside a student of a module', async () => {
    const show = (attempt: number) =>
      page.show(
        h(StudentRow, {
          row: rowOf(document({ attempt }), Date.parse(at)),
          index: 0,
          durationMs: 60_000,
          width: 100,
          table: false,
          nowMs: Date.parse(at),
          onPlay: undefined,
        }),
      );
    const header = () =>
      page.body.all('span').find((one) => one.attributes.get('role') === 'rowheader');
    await show(1);
    expect(header()?.textContent).toBe('ann');
    await show(2);
    expect(header()?.all('small')[0]?.textContent).toBe('2nd attempt');
  });
  test('in the completions of a student, once for each attempt', async () => {
    hasCompletions(completion('m', 1), completion('m', 2));
    await page.show(h(StudentCompletions, { student: 'ann', modules: new Map() }));
    await page.pass(0);
    expect(texts('small')).toEqual(['', '2nd attempt']);
  });
  test('in the view of all completions, beside the module', async () => {
    vi.stubGlobal('requestAnimationFrame', (run: () => void) => setTimeout(run));
    hasCompletions(completion('first', 1), completion('again', 3));
    await page.show(h(Completions, { id: '', search: new URLSearchParams() }));
    await page.pass(0);
    const modules = page.body
      .all('td')
      .filter((cell) => cell.attributes.get('data-label') === t.completions.module);
    expect(modules.map((cell) => cell.textContent.trim())).toEqual(['first', 'again 3rd attempt']);
  });
});
