#!/usr/bin/env node
// Takes the pictures of docs/console/ from a console that runs.
//
// usage: console/dev/screenshots.mjs ORIGIN DIRECTORY [view …]
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const { chromium } = createRequire(path.join(here, '../../tests/integration/package.json'))(
  'playwright-core',
);
const [origin, directory, ...only] = process.argv.slice(2);
const student = process.env.WATCHKEEPER_STUDENT ?? 'ada.1000';
const views = [
  ['sign-in', undefined, ''],
  ['modules', 'admin', ''],
  ['module', 'admin', 'modules/fire-safety-1'],
  ['student', 'admin', `students/${student}`],
  ['live', 'viewer', 'live'],
  ['machine', 'operator', 'machine'],
  ['completions', 'viewer', 'completions'],
];
const kinds = [
  ['light', { width: 1360, height: 900 }, 'light'],
  ['dark', { width: 1360, height: 900 }, 'dark'],
  ['phone', { width: 375, height: 780 }, 'light'],
];

const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'console-pictures-'));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
fs.mkdirSync(directory, { recursive: true });
try {
  for (const [kind, viewport, colorScheme] of kinds)
    for (const [name, role, place] of views) {
      if (only.length > 0 && !only.includes(name)) continue;
      const context = await browser.newContext({
        viewport,
        colorScheme,
        ignoreHTTPSErrors: true,
        deviceScaleFactor: kind === 'phone' ? 2 : 1,
      });
      const page = await context.newPage();
      page.on(
        'console',
        (message) =>
          message.type() === 'error' &&
          !/status of 401/.test(message.text()) &&
          console.error(`${name} ${kind}: ${message.text()}`),
      );
      page.on('pageerror', (error) => console.error(`${name} ${kind}: ${error}`));
      await page.goto(`${origin}/console/${place}`);
      if (role) {
        await page.getByLabel('Access token').fill(`${role}-secret`);
        await page.getByRole('button', { name: 'Sign in' }).click();
        await page.getByRole('navigation').waitFor();
      }
      await page.locator('h1').first().waitFor();
      await page.waitForFunction(
        () => document.fonts.status === 'loaded' && !document.querySelector('.loading'),
      );
      // Figures and curves need a few seconds of data.
      if (['live', 'machine', 'module'].includes(name))
        await page.waitForTimeout(name === 'module' ? 2500 : 9000);
      else await page.waitForTimeout(400);
      // A window as high as the view, within reason, so that what sticks to it stays where it belongs.
      if (kind !== 'phone') {
        const height = await page.evaluate(() => document.documentElement.scrollHeight);
        await page.setViewportSize({
          width: viewport.width,
          height: Math.min(Math.max(height, viewport.height), 1500),
        });
        await page.waitForTimeout(600);
      }
      await page.screenshot({ path: path.join(directory, `${name}-${kind}.png`) });
      await context.close();
    }
} finally {
  await browser.close();
  fs.rmSync(profile, { recursive: true, force: true });
}
