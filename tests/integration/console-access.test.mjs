// The web console in a browser: roles, states, logins, accessibility, and a gateway that restarts.
import assert from 'node:assert/strict';
import { ConsoleScene, NASTY } from './lib/console-scene.mjs';
import { tokens } from './lib/gateway.mjs';
import { Scene } from './lib/scene.mjs';
import { after, before, describe, test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';

/** What the page itself gets, cookie and all: Playwright's own requests speak HTTP/1.1 only. */
const ask = (page, target, init = {}) =>
  page.evaluate(
    async ([target, init]) => {
      const response = await fetch(target, init);
      return {
        status: response.status,
        type: response.headers.get('content-type'),
        text: await response.text(),
      };
    },
    [target, init],
  );

describe('the console and who looks at it', () => {
  let scenery;
  let gateway;
  let browser;
  let through;
  let skipper;
  before(async () => {
    scenery = await ConsoleScene.start();
    ({ gateway, browser, through, skipper } = scenery);
    await browser.signIn('admin');
  });
  after(() => scenery?.stop());
  const page = () => browser.page;

  test('roles: each sees what is theirs, and the gateway holds to it', async () => {
    const viewer = await scenery.open('viewer', 'modules/nasty');
    try {
      await viewer.heading(NASTY);
      assert.equal(await viewer.page.getByRole('button', { name: 'Edit' }).count(), 0);
      await viewer.goto(`students/${through.student}`);
      await viewer.page.getByText('Devices are shown to administrators.').waitFor();
      assert.equal(await viewer.page.getByRole('button', { name: 'Erase…' }).count(), 0);
      await viewer.goto('machine');
      await viewer.page.getByText('This is not for your role').waitFor();
      const { csrf } = JSON.parse((await ask(viewer.page, '/v1/session')).text);
      const erase = await ask(viewer.page, `/v1/students/${through.student}`, {
        method: 'DELETE',
        headers: { 'x-watchkeeper-csrf': csrf },
      });
      assert.equal(erase.status, 403);
    } finally {
      await viewer.close();
    }
    // An admin's cookie without the csrf field changes nothing either.
    const forged = await ask(page(), '/v1/modules/nasty', {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: 'forged', duration_ms: 1000 }),
    });
    assert.equal(forged.status, 403);
    const operator = await scenery.open('operator');
    try {
      await operator.heading('Machine');
      await operator.page
        .getByRole('img', { name: /The path of a heartbeat.*Hot store/ })
        .waitFor();
      await operator.page.getByRole('cell', { name: /ms|µs/ }).first().waitFor();
      assert.equal(await operator.page.getByRole('navigation').getByRole('link').count(), 1);
      await operator.goto('modules/nasty');
      await operator.page.getByText('This is not for your role').waitFor();
    } finally {
      await operator.close();
    }
  });

  test('states: unknown addresses, modules and places in a list', async () => {
    await browser.goto('nowhere/at/all');
    await page().getByText('Nothing is here').waitFor();
    await browser.goto('modules/unknown');
    await page().getByText('There is no such module').waitFor();
    await browser.goto('modules/%3Cb%3Ebold%3C%2Fb%3E');
    await page().getByText('“<b>bold</b>”').waitFor();
    await browser.goto('completions?student=%3Cb%3E');
    await page().getByText('This place in the list is not valid').waitFor();
    await page().getByRole('button', { name: 'Start from the beginning' }).click();
    await page().locator('.completions-table tbody tr').first().waitFor();
  });

  test('a cookie that ends asks to sign in again and keeps the place', async () => {
    const viewer = await scenery.open('viewer', 'completions?module=nasty');
    try {
      await viewer.page.getByRole('cell', { name: through.student }).waitFor();
      await viewer.context.clearCookies();
      const dialog = viewer.page.getByRole('dialog', { name: 'Your login has ended' });
      await dialog.waitFor();
      await viewer.page.keyboard.press('Escape');
      assert.ok(await dialog.isVisible());
      await dialog.getByLabel('Access token').fill(tokens.viewer);
      await viewer.page.keyboard.press('Enter');
      await dialog.waitFor({ state: 'detached' });
      assert.match(viewer.page.url(), /completions\?module=nasty$/);
      await viewer.page.getByRole('cell', { name: through.student }).waitFor();
      await viewer.page.getByRole('button', { name: 'Sign out' }).click();
      await viewer.page.getByText('You are signed out.').waitFor();
      assert.deepEqual(await viewer.context.cookies(), []);
      await viewer.page.reload();
      await viewer.page.getByLabel('Access token').waitFor();
    } finally {
      await viewer.close();
    }
  });

  const kinds = {
    light: { colorScheme: 'light', viewport: { width: 1360, height: 900 } },
    dark: { colorScheme: 'dark', viewport: { width: 1360, height: 900 } },
    'on a phone': { colorScheme: 'light', viewport: { width: 375, height: 780 } },
  };
  for (const [kind, context] of Object.entries(kinds))
    test(`every view keeps to the rules of accessibility, ${kind}`, {
      timeout: 300_000,
    }, async () => {
      const places = {
        admin: [
          '',
          'modules/nasty',
          `students/${skipper.student}`,
          'live',
          'completions',
          'modules/unknown',
        ],
        operator: ['machine'],
      };
      for (const [role, all] of Object.entries(places)) {
        const another = await scenery.open(undefined, undefined, context);
        try {
          await another.goto();
          assert.deepEqual(await another.violations(), [], 'login');
          await another.signIn(role);
          for (const place of all) {
            await another.goto(place);
            await another.page.locator('h1, main h2').first().waitFor();
            await until(
              `${place} is loaded`,
              async () => (await another.page.locator('.loading, .student-waits').count()) === 0,
            );
            assert.deepEqual(await another.violations(), [], place);
            const wide = await another.page.evaluate(
              () => document.documentElement.scrollWidth - innerWidth,
            );
            assert.ok(wide <= 0, `${place}: ${wide} px wider than the window`);
          }
          assert.deepEqual(another.faults, []);
        } finally {
          await another.close();
        }
      }
    });

  test('the keyboard reaches everything, and the focus is seen', async () => {
    await browser.goto();
    await page().locator('[data-module=nasty]').waitFor();
    const reached = [];
    for (let press = 0; press < 30; ++press) {
      await page().keyboard.press('Tab');
      // Behind the last one the focus leaves the page.
      if (await page().evaluate(() => document.activeElement === document.body)) break;
      reached.push(
        await page().evaluate(() => {
          const element = document.activeElement;
          const ring = element.closest('.choice label') ?? element;
          const { outlineStyle, outlineWidth } = getComputedStyle(ring);
          return {
            name: element.getAttribute('aria-label') ?? element.textContent,
            seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1,
          };
        }),
      );
    }
    assert.ok(
      reached.every(({ seen }) => seen),
      JSON.stringify(reached),
    );
    assert.ok(
      reached.some(({ name }) => name === 'New module') &&
        reached.some(({ name }) => name === NASTY),
      JSON.stringify(reached),
    );
  });

  test('a gateway that restarts: said calmly, and live again by itself', async () => {
    await browser.goto('modules/nasty');
    await page().locator('[data-stream=open]').waitFor();
    await gateway.end();
    await page().locator('[data-stream=waiting]').waitFor();
    await page()
      .getByText(/Reconnecting/)
      .waitFor();
    // What was on screen stays there.
    await page().locator(`[data-student="${through.student}"]`).waitFor();
    await gateway.launch();
    await page().locator('[data-stream=open]').waitFor({ timeout: 30_000 });
    const scene = await Scene.make(gateway, { module: 'nasty' });
    await scene.credited(0, 10_000);
    await page().locator(`[data-recent="${scene.student}"]`).waitFor();
    assert.deepEqual(browser.faults, []);
  });
});
