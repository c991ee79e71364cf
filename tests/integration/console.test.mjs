// The web console in a browser, against the gateway: its views.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { runsOf } from './lib/console.mjs';
import { ConsoleScene, NASTY } from './lib/console-scene.mjs';
import { tokens } from './lib/gateway.mjs';
import { Scene } from './lib/scene.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';

/** What the export of the completions on this page saves. */
async function exported(page) {
  const [saved] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export as CSV' }).click(),
  ]);
  assert.equal(saved.suggestedFilename(), 'completions.csv');
  return fs.readFileSync(await saved.path(), 'utf8');
}

/** More than two pages of the list of students, and more than one response of the gateway, hold. */
const CROWD = 601;

describe('the views of the console', () => {
  let scenery;
  let gateway;
  let browser;
  let through;
  let skipper;
  before(async () => {
    scenery = await ConsoleScene.start();
    ({ gateway, browser, through, skipper } = scenery);
  });
  after(() => scenery?.stop());
  const page = () => browser.page;
  /** A module of CROWD students, once it was made. */
  let crowded;

  test('signing in: a wrong token is named, the right one becomes a cookie and is not stored', async () => {
    const response = await browser.goto('modules/nasty');
    const policy = response.headers()['content-security-policy'];
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
    await page().getByLabel('Access token').fill('wk_viewer_wrong');
    await page().getByRole('button', { name: 'Sign in' }).click();
    await page().getByRole('alert').getByText('not known').waitFor();
    await page().getByLabel('Access token').fill(tokens.admin);
    await page().keyboard.press('Enter');
    // And it is the place that was asked for, not the front page.
    await browser.heading(NASTY);
    await page().getByText('Administrator').waitFor();
    const [cookie] = await browser.context.cookies();
    assert.equal(cookie.name, '__Host-wk');
    assert.deepEqual(
      [cookie.httpOnly, cookie.secure, cookie.sameSite, cookie.path],
      [true, true, 'Strict', '/'],
    );
    const stored = await page().evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
    );
    assert.ok(!stored.includes(tokens.admin));
    await page().reload();
    await browser.heading(NASTY);
  });

  test('modules: HTML in a title is text, the search finds, the figures are there', async () => {
    await page().getByRole('navigation').getByText('Modules').click();
    await browser.heading('Modules');
    const row = page().locator('[data-module=nasty]');
    await row.getByText(NASTY, { exact: true }).waitFor();
    assert.equal(await page().locator('main img').count(), 0);
    await row.getByText(/^2$/).first().waitFor();
    await page().getByLabel('Search title or id').fill('zzz');
    await page().getByText('No module matches “zzz”.').waitFor();
    assert.match(page().url(), /q=zzz/);
    await page().getByRole('button', { name: 'Clear the search' }).click();
    await row.waitFor();
    assert.notEqual(await page().title(), '1');
  });

  test('modules: an admin adds one and edits it; mistakes are shown by field', async () => {
    await browser.goto();
    await page().getByRole('button', { name: 'New module' }).click();
    const dialog = page().getByRole('dialog');
    await dialog.getByLabel('Id', { exact: true }).fill('not good');
    await dialog.getByRole('button', { name: 'Save' }).click();
    assert.equal(await dialog.getByRole('alert').count(), 3);
    await dialog.getByLabel('Id', { exact: true }).fill('nasty');
    await dialog.getByLabel('Title').fill('Made here');
    await dialog.getByLabel('Duration').fill('1:30');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('There is a module with this id already.').waitFor();
    await dialog.getByLabel('Id', { exact: true }).fill('made-here');
    await dialog.getByLabel('Preview').fill('/preview/made-here.mp4');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await browser.heading('Made here');
    await page().getByText('Nobody has watched this yet').waitFor();
    await page().getByRole('button', { name: 'Edit' }).click();
    await dialog.getByLabel('Title').fill('Made and changed');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await browser.heading('Made and changed');
    const stored = (await gateway.viewer('GET', '/v1/modules/made-here')).json;
    assert.deepEqual(
      [stored.title, stored.duration_ms, stored.preview_url],
      ['Made and changed', 90_000, '/preview/made-here.mp4'],
    );
  });

  test('a module: what was skipped is a gap of pixels, in the right place', async () => {
    await browser.goto('modules/nasty');
    const row = page().locator(`[data-student="${skipper.student}"]`);
    await row.locator('canvas').waitFor();
    await row.getByText('Skips').waitFor();
    await row.getByText('50%').waitFor();
    const runs = (await runsOf(row.locator('canvas'))).filter(([, from, to]) => to - from > 0.01);
    assert.equal(runs.length, 4, JSON.stringify(runs));
    const [seen, gap, seenToo, rest] = runs;
    assert.equal(seen[0], seenToo[0]);
    assert.equal(gap[0], rest[0]);
    assert.notEqual(seen[0], gap[0]);
    for (const [run, from, to] of [
      [seen, 0, 0.25],
      [gap, 0.25, 0.5],
      [seenToo, 0.5, 0.75],
      [rest, 0.75, 1],
    ])
      assert.ok(
        Math.abs(run[1] - from) < 0.01 && Math.abs(run[2] - to) < 0.01,
        JSON.stringify(runs),
      );
    assert.match(
      await row.getByRole('img').getAttribute('aria-label'),
      /missing 0:15–0:30, 0:45–1:00/,
    );
    // Who needs something comes before who is done.
    const order = await page()
      .locator('[data-student]')
      .evaluateAll((all) => all.map((one) => one.dataset.student));
    assert.deepEqual(order, [skipper.student, through.student]);
    // The pointer shows the second.
    const box = await row.locator('canvas').boundingBox();
    await page().mouse.move(box.x + box.width * 0.4, box.y + 5);
    await row.getByText('0:24 · not seen').waitFor();
    await page().mouse.move(box.x + box.width * 0.6, box.y + 5);
    await row.getByText('0:36 · seen').waitFor();
  });

  test('a module: the heatmap by keyboard, as share and number, and as a table', async () => {
    await browser.goto('modules/nasty');
    const slider = page().getByRole('slider', { name: 'Position in the video' });
    await slider.focus();
    await page().keyboard.press('End');
    assert.match(await slider.getAttribute('aria-valuetext'), /^0:59: 1 viewers \(50%\), 1 plays$/);
    await page().keyboard.press('Home');
    assert.match(
      await slider.getAttribute('aria-valuetext'),
      /^0:00: 2 viewers \(100%\), 2 plays$/,
    );
    for (let press = 0; press < 2; ++press) await page().keyboard.press('PageUp');
    await page().keyboard.press('ArrowLeft');
    assert.match(await slider.getAttribute('aria-valuetext'), /^0:19: 1 viewers/);
    await page().getByText('Number', { exact: true }).click();
    const card = page().getByRole('region', { name: 'Engagement' }).first();
    await card.getByRole('button', { name: 'Show as table' }).click();
    const cells = await page()
      .getByRole('row', { name: /^0:19–0:20/ })
      .getByRole('cell')
      .allTextContents();
    assert.deepEqual(cells, ['1', '50%', '1', '0']);
  });

  test('a module: a picture that is asked for again stays as the reader has set it', async () => {
    const { module } = await Scene.make(gateway);
    const leaves = await Scene.make(gateway, { module });
    const stays = await Scene.make(gateway, { module });
    await browser.goto(`modules/${module}`);
    await page().locator('[data-stream=open]').waitFor();
    await leaves.credited(0, 10_000);
    await stays.credited(0, 10_000);
    await page().locator(`[data-recent="${stays.student}"]`).waitFor();
    await page().locator(`[data-recent="${leaves.student}"]`).waitFor();
    await page().getByText('Number', { exact: true }).click();
    const slider = page().getByRole('slider', { name: 'Position in the video' });
    await slider.focus();
    await page().keyboard.press('End');
    const element = await slider.elementHandle();
    const again = page().waitForResponse((response) => response.url().endsWith('/heatmap'));
    // The stream says `reset`, for somebody who is to be forgotten.
    assert.equal((await gateway.admin('DELETE', `/v1/students/${leaves.student}`)).status, 204);
    assert.equal((await again).status(), 200);
    for (const list of ['recent', 'student'])
      await page().locator(`[data-${list}="${leaves.student}"]`).waitFor({ state: 'detached' });
    await page().locator(`[data-student="${stays.student}"]`).waitFor();
    await page().keyboard.press('Home');
    assert.ok(
      await element.evaluate((shown) => shown.isConnected && document.activeElement === shown),
    );
    assert.ok(await page().getByLabel('Number', { exact: true }).isChecked());
  });

  test('a module: who was reset is shown as the new attempt', async () => {
    const scene = await Scene.make(gateway, { durationMs: 20_000 });
    await browser.goto(`modules/${scene.module}`);
    await page().locator('[data-stream=open]').waitFor();
    await scene.credited(0, 10_000);
    await scene.credited(10_000, 20_000);
    const row = page().locator(`[data-student="${scene.student}"]`);
    await row.getByText('100%').waitFor();
    assert.equal(await row.getByText('attempt').count(), 0);
    const reset = `/v1/progress/${scene.student}/${scene.module}/reset`;
    assert.equal((await gateway.admin('POST', reset, { reason: 'a test' })).status, 204);
    await row.getByText('0%', { exact: true }).waitFor();
    await row.getByText('2nd attempt').waitFor();
    await scene.credited(0, 5000);
    await row.getByText('25%').waitFor();
    await scene.credited(5000, 20_000);
    await browser.goto(`students/${scene.student}`);
    await page().locator(`[data-module="${scene.module}"]`).getByText('2nd attempt').waitFor();
    await browser.goto(`completions?student=${scene.student}`);
    // Each attempt has its completion, the newest first; the first attempt is not named.
    const named = page().getByRole('cell', { name: scene.module });
    await until('both completions are there', async () => (await named.count()) === 2);
    assert.deepEqual(await named.allTextContents(), [
      `${scene.module} 2nd attempt`,
      `${scene.module} `,
    ]);
    assert.deepEqual(await browser.violations(), []);
  });

  test('a module: a click on a time opens its preview there', async () => {
    await browser.goto('modules/made-here');
    const scene = await Scene.make(gateway, { module: 'made-here' });
    await page().locator('[data-stream=open]').waitFor();
    await scene.credited(0, 30_000);
    const slider = page().getByRole('slider', { name: 'Position in the video' });
    await slider.waitFor();
    const box = await slider.boundingBox();
    await page().mouse.click(box.x + box.width / 2, box.y + 120);
    const preview = page().getByRole('complementary', { name: 'Preview' });
    // No file is behind this address: that is shown, and the address can be opened.
    await preview.getByText('cannot be played here').waitFor();
    assert.match(
      await preview.getByRole('link').getAttribute('href'),
      /\/preview\/made-here\.mp4$/,
    );
    await preview.getByRole('button', { name: 'Close the preview' }).click();
    await preview.waitFor({ state: 'detached' });
  });

  test('a student: strips, refusals with their reasons, completions, devices', async () => {
    await browser.goto(`students/${skipper.student}`);
    await browser.heading(skipper.student);
    await page().locator('[data-module=nasty]').getByText('50%').waitFor();
    await page().getByRole('cell', { name: 'Implausible piece' }).waitFor();
    await page().getByText('No module is mastered yet.').waitFor();
    const device = page().locator(`[data-device="${skipper.device.kid}"]`);
    await device.getByText('active').waitFor();
    await device.getByRole('button', { name: 'Revoke' }).click();
    await page().getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await device.getByText('revoked').waitFor();
    assert.equal((await skipper.play(15_000, 20_000)).status, 403);
    await browser.goto(`students/${through.student}`);
    await page()
      .getByText(/Mastered .*20\d\d/)
      .waitFor();
  });

  test('a student is erased only after the id was typed', async () => {
    const scene = await Scene.make(gateway, { module: 'nasty' });
    await scene.credited(0, 10_000);
    await browser.goto(`students/${scene.student}`);
    await page().getByRole('button', { name: 'Erase…' }).click();
    const dialog = page().getByRole('dialog');
    const last = dialog.getByRole('button', { name: 'Erase for good' });
    assert.ok(await last.isDisabled());
    await dialog.getByLabel(/Type/).fill(`${scene.student}x`);
    assert.ok(await last.isDisabled());
    await dialog.getByLabel(/Type/).fill(scene.student);
    await last.click();
    await page().getByText('The student was erased').waitFor();
    assert.equal((await gateway.viewer('GET', `/v1/progress/${scene.student}/nasty`)).status, 404);
  });

  test('completions: the feed, a filter that is part of the address, and the export', async () => {
    await browser.goto('completions');
    await page().getByRole('cell', { name: through.student }).waitFor();
    await page().getByLabel('Student').fill('nobody');
    await page().getByRole('button', { name: 'Filter' }).click();
    await page().getByText('No completion matches this filter.').waitFor();
    assert.match(page().url(), /student=nobody/);
    await page().getByRole('button', { name: 'Clear the filter' }).click();
    await page().getByRole('cell', { name: through.student }).waitFor();
    assert.match(
      await exported(page()),
      new RegExp(`^sequence,student.*\\r\\n[^]*,${through.student},`),
    );
  });

  test('completions: more than one response of the gateway holds are all exported, each once', async () => {
    const { module } = await Scene.make(gateway, { durationMs: 5_000 });
    const students = [];
    while (students.length < CROWD)
      await Promise.all(
        Array.from({ length: Math.min(25, CROWD - students.length) }, async () => {
          const scene = await Scene.make(gateway, { module });
          students.push(scene.student);
          await scene.credited(0, 5_000);
        }),
      );
    await until('all are in the outbox', async () => {
      const { json } = await gateway.viewer('GET', `/v1/completions?module=${module}&limit=500`);
      return (
        json.next !== null &&
        (
          await gateway.viewer(
            'GET',
            `/v1/completions?module=${module}&limit=500&after=${json.next}`,
          )
        ).json.items.length ===
          CROWD - 500
      );
    });
    await browser.goto(`completions?module=${module}`);
    const lines = (await exported(page())).split('\r\n');
    assert.equal(lines.pop(), '');
    assert.match(lines.shift(), /^sequence,student,/);
    assert.deepEqual(lines.map((line) => line.split(',')[1]).sort(), students.sort());
    // On the page the newest come first, and older ones as far as somebody reads.
    const cells = page().locator('.completions-table tbody tr td:nth-child(2)');
    const listed = (
      await gateway.viewer('GET', `/v1/completions?module=${module}&order=desc&limit=500`)
    ).json.items;
    await until('the newest are there', async () => (await cells.count()) === 100);
    const more = page().getByRole('button', { name: 'Show more' });
    for (let shown = 200; shown <= CROWD; shown += 100) {
      await more.click();
      await until('older ones are there', async () => (await cells.count()) === shown);
    }
    await more.click();
    await until('all are there', async () => (await cells.count()) === CROWD);
    assert.deepEqual(
      (await cells.allTextContents()).slice(0, 500),
      listed.map(({ data }) => data.student),
    );
    await more.waitFor({ state: 'detached' });
    await page().getByText(`${CROWD} completions`).waitFor();
    crowded = module;
  });

  test('a module: a list whose order the gateway keeps no more begins again by itself', async () => {
    await browser.goto(`modules/${crowded}`);
    await page().getByText(`${CROWD} students`).first().waitFor();
    await page().locator('[data-student]').first().waitFor();
    const opened = Date.now();
    const orders = [];
    page().on(
      'response',
      (response) => response.url().includes('/students?') && orders.push(response.status()),
    );
    for (let at = 0; at < 8; ++at) {
      await gateway.putModule(`another-${at}`, 60_000);
      assert.equal(
        (await gateway.viewer('GET', `/v1/modules/another-${at}/students?order=attention`)).status,
        200,
      );
    }
    // A list that was begun just now is not begun again.
    await until('some time has passed', () => Date.now() - opened > 6_000);
    await page().evaluate(() => scrollTo(0, document.body.scrollHeight));
    await until('the gateway has said so', () => orders.includes(409));
    await page().evaluate(() => scrollTo(0, document.body.scrollHeight));
    await until(
      'the last ones are read',
      async () => {
        await page().evaluate(() => scrollTo(0, document.body.scrollHeight));
        const last = page().locator(`[aria-rowindex="${CROWD + 1}"][data-student]`);
        return (await last.count()) === 1;
      },
      { timeoutMs: 90_000 },
    );
    assert.equal(await page().getByText('This place in the list is not valid').count(), 0);
  });

  test('live: heartbeats and refusals are counted as they happen', async () => {
    await browser.goto('live');
    await page().locator('[data-stream=open]').waitFor();
    const scene = await Scene.make(gateway);
    await scene.credited(0, 10_000);
    assert.equal((await scene.play(0, 55_000)).status, 422);
    await page().getByText('Implausible piece').waitFor();
    await page().getByText(scene.module).first().waitFor();
    await page().locator('.u-wrap').waitFor();
    await page().getByRole('button', { name: 'Show as table' }).click();
    await page().getByRole('columnheader', { name: 'Credited' }).waitFor();
  });
});
