// What the main thread of a page did, by Chromium's own tracing.
import { within } from './wait.mjs';

/**
 * Runs `work(mark)` and gives the tasks that the page's main thread ended between `mark('begin')` and
 * `mark('end')`, each with `wallMs` (how long it lasted, the time of all others on the machine included)
 * and `processorMs` (how long it ran). Needs both marks. No other trace of the browser may be under way.
 */
export async function tasksOf({ program, page }, work) {
  const cdp = await program.newBrowserCDPSession();
  const events = [];
  cdp.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  const complete = new Promise((resolve) => cdp.once('Tracing.tracingComplete', resolve));
  await cdp.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: {
      includedCategories: ['disabled-by-default-devtools.timeline', 'blink.user_timing'],
      excludedCategories: ['*'],
    },
  });
  const prefix = `main-thread-${Math.random()}-`;
  try {
    await work((name) => page.evaluate((full) => void performance.mark(full), `${prefix}${name}`));
  } finally {
    await cdp.send('Tracing.end');
  }
  const { dataLossOccurred } = await within('the trace is complete', complete, 60_000);
  await cdp.detach();
  if (dataLossOccurred) throw new Error('the trace has lost something');
  const [begin, end] = ['begin', 'end'].map((name) =>
    events.find((event) => event.name === `${prefix}${name}`),
  );
  if (!begin || !end) throw new Error('the trace does not have both marks');
  // A mark is made by the page's own thread, and there are other renderers.
  return (
    events
      .filter(
        ({ name, ph, pid, tid, ts }) =>
          name === 'RunTask' &&
          ph === 'X' &&
          pid === begin.pid &&
          tid === begin.tid &&
          ts >= begin.ts &&
          ts <= end.ts,
      )
      // Chromium leaves the time out where the clock of the thread could not be read; then nothing is given away.
      .map(({ dur, tdur }) => ({ wallMs: dur / 1000, processorMs: (tdur ?? dur) / 1000 }))
  );
}
