// What the main thread of a page did, by Chromium's own tracing.
import { within } from './wait.mjs';

/** The same amount of work each time, whatever the machine does; its task says how fast the machine is now. */
function measure(mark) {
  performance.mark(mark);
  let sum = 0;
  for (let i = 0; i < 4_000_000; ++i) sum += Math.sqrt(i);
  return sum;
}

/**
 * Runs `work(mark)` and gives what the page's main thread ended between `mark('begin')` and `mark('end')`:
 * {tasks, measures}, each with `atMs` (when it began), `wallMs` (how long it lasted, the time of all others on the machine
 * included) and `processorMs` (how long it ran). `mark('measure')` runs the same work each time; it is a
 * measure, and no task. Needs both marks. No other trace of the browser may be running.
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
    await work((name) =>
      page.evaluate(
        name === 'measure' ? measure : (full) => void performance.mark(full),
        `${prefix}${name}`,
      ),
    );
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
  const ofPage = events.filter(({ pid, tid }) => pid === begin.pid && tid === begin.tid);
  const measured = ofPage.filter(({ name }) => name === `${prefix}measure`);
  const found = ofPage
    .filter(
      ({ name, ph, ts }) => name === 'RunTask' && ph === 'X' && ts >= begin.ts && ts <= end.ts,
    )
    // Chromium leaves the time out where the clock of the thread could not be read; then nothing is given away.
    .map(({ ts, dur, tdur }) => ({
      atMs: ts / 1000,
      wallMs: dur / 1000,
      processorMs: (tdur ?? dur) / 1000,
      isMeasure: measured.some((mark) => mark.ts >= ts && mark.ts <= ts + dur),
    }));
  return {
    tasks: found.filter(({ isMeasure }) => !isMeasure),
    measures: found.filter(({ isMeasure }) => isMeasure),
  };
}
