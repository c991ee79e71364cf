// The console under load: how soon a heartbeat is on screen, and ten thousand students in a module.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { Browser } from './lib/console.mjs';
import { Gateway, program, tokens } from './lib/gateway.mjs';
import { mean, median, stretch } from './lib/machine.mjs';
import { tasksOf } from './lib/main-thread.mjs';
import { Scene } from './lib/scene.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { event, until } from './lib/wait.mjs';

const STUDENTS = 10_000;
/**
 * The rest of the machine may hold up any task, also by time that a virtual machine counts as the task's own. What
 * the page does by itself it does in every pass, and at the same place: each part of the way has to be without a hitch
 * in one of the passes.
 */
const PASSES_MAX = 4;
const PARTS = 15;
/** Longest task of the page, in processor time; one that takes longer is seen as a hitch. */
const TASK_MAX_MS = 100;
/** What a measure of lib/main-thread.mjs takes on the machine that this limit is meant for. */
const MEASURE_MS = 11;

/** `watchkeeper fleet` with these arguments, to its end. */
async function fleet(gateway, ...args) {
  const child = spawn(
    program,
    [
      'fleet',
      '--url',
      gateway.origin,
      '--insecure',
      '--admin-token',
      tokens.admin,
      '--quiet',
      ...args,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let printed = '';
  for (const output of [child.stdout, child.stderr])
    output.on('data', (chunk) => (printed += chunk));
  try {
    const [code] = await event('the fleet has played', child, 'exit', 240_000);
    assert.equal(code, 0, printed);
  } finally {
    child.kill('SIGKILL');
  }
}

const quantile = (values, q) =>
  values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(q * values.length) - 1)];

describe('the console under load', () => {
  let gateway;
  let browser;
  before(async () => {
    gateway = await Gateway.start({ store: 'checkpoint_interval_s = 1' });
    browser = await Browser.open(gateway.origin);
    await browser.signIn('viewer');
  });
  after(async () => {
    await browser?.close();
    await gateway?.stop();
  });

  test('a heartbeat is on screen within a second of its response', async () => {
    const scenes = [await Scene.make(gateway, { durationMs: 600_000 })];
    const { module } = scenes[0];
    while (scenes.length < 5) scenes.push(await Scene.make(gateway, { module }));
    await browser.goto(`modules/${module}`);
    await browser.page.locator('[data-stream=open]').waitFor();
    await browser.page.evaluate(() => {
      globalThis.arrived = {};
      new MutationObserver(() => {
        for (const row of document.querySelectorAll('[data-recent]'))
          globalThis.arrived[`${row.dataset.recent} ${row.dataset.toMs}`] ??= Date.now();
      }).observe(document.body, { childList: true, subtree: true, attributes: true });
    });
    const answered = {};
    const stretches = [];
    for (let at = 0; at < 6; ++at)
      for (const scene of scenes) {
        await scene.credited(at * 7_000, (at + 1) * 7_000);
        answered[`${scene.student} ${(at + 1) * 7_000}`] = Date.now();
        stretches.push(stretch());
        // Spread over the stream's own rhythm, so that no heartbeat is coalesced with another.
        await until(
          'it is on screen',
          () =>
            browser.page.evaluate(
              (key) => globalThis.arrived[key] !== undefined,
              `${scene.student} ${(at + 1) * 7_000}`,
            ),
          { timeoutMs: 30_000 },
        );
      }
    const arrived = await browser.page.evaluate(() => globalThis.arrived);
    const delays = Object.entries(answered).map(([key, at]) => Math.max(0, arrived[key] - at));
    const p95 = quantile(delays, 0.95);
    const busy = mean(stretches);
    console.log(
      `console: from response to screen p50 ${quantile(delays, 0.5)} ms, p95 ${p95} ms, of ${delays.length}; ` +
        `processor wanted ${busy.toFixed(1)} times`,
    );
    assert.ok(
      p95 <= 1000 * busy,
      `p95 ${p95} ms, with the processor wanted ${busy.toFixed(1)} times`,
    );
    // And the heatmap has them as well.
    const slider = browser.page.getByRole('slider', { name: 'Position in the video' });
    await slider.focus();
    await browser.page.keyboard.press('Home');
    await until('the heatmap counts five', async () =>
      /: 5 viewers/.test(await slider.getAttribute('aria-valuetext')),
    );
  });

  test('ten thousand students: the first strip within a second, and scrolling without a hitch', {
    timeout: 600_000,
  }, async () => {
    await fleet(
      gateway,
      '--devices',
      String(STUDENTS),
      '--connections',
      '50',
      '--burst',
      '--module',
      'crowd',
    );
    await until(
      'all are in the ledger',
      async () =>
        (await gateway.viewer('GET', '/v1/modules/crowd/students?order=attention&limit=1')).json
          .total === STUDENTS,
      { timeoutMs: 120_000, everyMs: 500 },
    );
    const { page } = browser;
    const passes = [];
    while (passes.length < PASSES_MAX) {
      const pass = await openAndScroll(browser);
      passes.push(pass);
      assert.ok(pass.rows < 100, `${pass.rows} rows`);
      assert.ok(pass.tasks > 300, `only ${pass.tasks} tasks were seen while scrolling`);
      if (passes.some(isSoon) && hitches(passes).length === 0) break;
    }
    assert.ok(passes.some(isSoon), `the first strip is late in each of ${JSON.stringify(passes)}`);
    assert.deepEqual(
      hitches(passes),
      [],
      `a task is too long in each of ${JSON.stringify(passes)}`,
    );
    assert.deepEqual(browser.faults, []);
    await page.close();
  });
});

const isSoon = ({ firstMs, busy }) => firstMs < 1000 * busy;
/** The parts of the way on which every pass has a task that is too long. */
const hitches = (passes) =>
  Array.from({ length: PARTS }, (_, part) => part).filter((part) =>
    passes.every(
      ({ longestMs, measureMs }) =>
        longestMs[part] > TASK_MAX_MS * Math.max(1, measureMs / MEASURE_MS),
    ),
  );

/** Opens the module from the list of modules and scrolls through all of its students. */
async function openAndScroll(browser) {
  const { page } = browser;
  await browser.goto();
  const link = page.locator('[data-module=crowd] a');
  await link.waitFor();
  // On screen is a strip when it is drawn, not when its place is there.
  const firstMs = await link.evaluate(async (element) => {
    const started = performance.now();
    element.click();
    for (;;) {
      const canvas = document.querySelector('[data-student] canvas');
      if (
        canvas &&
        canvas.width > 0 &&
        canvas.getContext('2d').getImageData(0, 0, 1, 1).data[3] > 0
      )
        break;
      await new Promise(requestAnimationFrame);
    }
    return performance.now() - started;
  });
  await page.getByText('10,000 students').first().waitFor();
  const list = page.locator('.virtual');
  const { y, height } = await list.boundingBox();
  const { tasks, measures } = await scrollThrough(browser, y, height);
  const rows = await page.locator('[data-student]').count();
  const longest = (time, of = tasks) => Math.round(Math.max(0, ...of.map((task) => task[time])));
  /** Which part a task belongs to; what comes after the last measure, to the last. */
  const partOf = ({ atMs }) =>
    Math.min(measures.filter((each) => each.atMs < atMs).length, PARTS - 1);
  const found = {
    firstMs: Math.round(firstMs),
    longestMs: Array.from({ length: PARTS }, (_, part) =>
      longest(
        'processorMs',
        tasks.filter((task) => partOf(task) === part),
      ),
    ),
    measureMs: Math.round(median(measures.map(({ processorMs }) => processorMs))),
    busy: Math.max(1, median(measures.map(({ wallMs, processorMs }) => wallMs / processorMs))),
    tasks: tasks.length,
    rows,
  };
  console.log(
    `console: first strip after ${found.firstMs} ms, longest task while scrolling ${longest('processorMs')} ms of the` +
      ` processor, ${longest('wallMs')} ms in all (of ${tasks.length} tasks; a measure takes ${found.measureMs} ms),` +
      ` processor wanted ${found.busy.toFixed(1)} times, ${rows} rows in the document`,
  );
  return found;
}

/** What the page does while somebody scrolls through the list of this place and height, as by tasksOf. */
function scrollThrough(browser, y, height) {
  const { page } = browser;
  return tasksOf(browser, async (mark) => {
    await mark('begin');
    // As somebody at the wheel does it: down through all of them, while pages are read.
    for (let part = 0; part < PARTS; ++part) {
      await page.evaluate(
        async ([top, whole, from]) => {
          for (let step = from; step <= from + 10; ++step) {
            scrollTo(0, top + (whole * step) / 150);
            await new Promise(requestAnimationFrame);
            await new Promise(requestAnimationFrame);
          }
        },
        [y, height, part * 10],
      );
      await mark('measure');
    }
    await until(
      'the last ones are read',
      () =>
        page.evaluate(
          (count) =>
            document.querySelector(`[aria-rowindex="${count + 1}"][data-student]`) !== null,
          STUDENTS,
        ),
      { timeoutMs: 30_000 },
    );
    await mark('end');
  });
}
