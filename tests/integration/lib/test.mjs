// node:test with a limit on every test and every hook. What is not over in time fails and names what it
// waits for. Each test file takes `test`, `describe`, `before` and `after` from here.
import fs from 'node:fs';
import * as runner from 'node:test';
import { openWaits } from './wait.mjs';

export { describe } from 'node:test';

const limitMs = 180_000;

/** lib/run-files.mjs reads there which tests began, and how they ended; nothing is written without it. */
const progress = process.env.WATCHKEEPER_TEST_PROGRESS;
// At once, so that it is there even if the next thing the test does is to block the process.
const note = (line) => progress && fs.appendFileSync(progress, `${JSON.stringify(line)}\n`);
process.on('SIGUSR2', () => note({ waits: openWaits() }));

/** file:line of the caller of `test`. */
function place() {
  const caller = new Error().stack
    .split('\n')
    .find((line, i) => i > 0 && !line.includes('/lib/test.mjs'));
  return /([^/]+:\d+):\d+\)?$/.exec(caller ?? '')?.[1] ?? 'unknown place';
}

/** `work`, which fails when it takes longer than `timeoutMs`. `kind`: test or hook. */
function limited(kind, what, work, timeoutMs) {
  return async function limitedWork(...args) {
    note({ begin: what, kind });
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => {
        const waits = openWaits();
        reject(
          new Error(
            `${what}: not over after ${timeoutMs} ms; ` +
              (waits.length > 0
                ? `it waits for: ${waits.join('; ')}`
                : 'it waits for something without a name'),
          ),
        );
      }, timeoutMs);
    });
    try {
      const result = await Promise.race([work.apply(this, args), late]);
      note({ end: what, kind });
      return result;
    } catch (error) {
      note({ end: what, kind, error: String(error?.message ?? error) });
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };
}

/** test(name, [options,] work); `options.timeout` in milliseconds, three minutes without it. */
export function test(name, options, work) {
  if (typeof options === 'function') return test(name, {}, options);
  const { timeout = limitMs, ...others } = options;
  return runner.test(name, others, limited('test', `${place()} '${name}'`, work, timeout));
}

const hook =
  (register, kind) =>
  (work, { timeout = limitMs, ...others } = {}) =>
    register(limited('hook', `${place()} ${kind}()`, work, timeout), others);
export const before = hook(runner.before, 'before');
export const after = hook(runner.after, 'after');
