import { expect, test } from 'vitest';
import { DrawingQueue, FRAME_BUDGET_MS } from '../src/core/drawing';

/** A queue with a clock and frames of its own; each job takes 2 ms. */
function queue() {
  let nowMs = 0;
  const frames: (() => void)[] = [];
  const drawn: string[] = [];
  const made = new DrawingQueue(
    (run) => frames.push(run),
    () => nowMs,
  );
  const keys = new Map<string, object>();
  const keyOf = (name: string) => keys.get(name) ?? keys.set(name, {}).get(name)!;
  return {
    drawn,
    frames,
    draw: (name: string, what = name) =>
      made.draw(keyOf(name), () => {
        nowMs += 2;
        drawn.push(what);
      }),
    drop: (name: string) => made.drop(keyOf(name)),
    frame: () => frames.shift()?.(),
  };
}

const perFrame = FRAME_BUDGET_MS / 2;

test('what fits into a frame is drawn at once', () => {
  const q = queue();
  for (let at = 0; at < perFrame; ++at) q.draw(`${at}`);
  expect(q.drawn.length).toBe(perFrame);
});

test('the rest follows in order, a budget a frame, and then there are no frames any more', () => {
  const q = queue();
  for (let at = 0; at < 3 * perFrame; ++at) q.draw(`${at}`);
  expect(q.drawn.length).toBe(perFrame);
  q.frame();
  expect(q.drawn.length).toBe(2 * perFrame);
  q.frame();
  expect(q.drawn).toEqual(Array.from({ length: 3 * perFrame }, (_, at) => `${at}`));
  q.frame();
  expect(q.frames.length).toBe(0);
});

test('what is drawn anew while it waits is drawn once, and what is gone is not', () => {
  const q = queue();
  for (let at = 0; at < perFrame; ++at) q.draw(`${at}`);
  q.draw('late', 'old');
  q.draw('gone');
  q.draw('late', 'new');
  q.drop('gone');
  q.frame();
  expect(q.drawn.slice(perFrame)).toEqual(['new']);
});
