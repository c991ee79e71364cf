import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Emitter } from '../src/emitter.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a listener that throws stops neither the others nor whoever emits, and its mistake is seen', () => {
  const emitter = new Emitter<{ beat: number }>();
  const heard: number[] = [];
  emitter.on('beat', () => {
    throw new Error('the mistake of the application');
  });
  const end = emitter.on('beat', (n) => heard.push(n));
  emitter.emit('beat', 1);
  expect(heard).toEqual([1]);
  expect(() => vi.runAllTimers()).toThrow('the mistake of the application');
  end();
  emitter.emit('beat', 2);
  expect(heard).toEqual([1]);
});
