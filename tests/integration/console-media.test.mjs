// The web console in a browser: the preview of a video, and a live view while Redis is away.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { runSync } from './lib/command.mjs';
import { Browser } from './lib/console.mjs';
import { Gateway } from './lib/gateway.mjs';
import { Scene } from './lib/scene.mjs';
import { root, temporaryDirectory, variants } from './lib/stores.mjs';
import { test } from './lib/test.mjs';
import { until } from './lib/wait.mjs';

/** The video of the demonstration, in one file. */
function makeVideo(folder) {
  runSync(path.join(root, 'scripts', 'make-demo-video'), [folder, '20'], { stdio: 'inherit' });
  const [from, to] = ['demo.m3u8', 'demo.mp4'].map((name) => path.join(folder, name));
  runSync(
    'ffmpeg',
    ['-loglevel', 'error', '-nostdin', '-i', from, '-c', 'copy', '-movflags', '+faststart', to],
    { stdio: 'inherit' },
  );
}

const playsBetween = (video, fromS, toS) =>
  until(`it plays at ${fromS} s`, () =>
    video.evaluate(
      (element, [from, to]) =>
        !element.paused &&
        element.readyState >= 2 &&
        element.currentTime > from &&
        element.currentTime < to,
      [fromS, toS],
    ),
  );

/** The number of colours in the picture of the video. */
const coloursOf = (video) =>
  video.evaluate((element) => {
    const canvas = new OffscreenCanvas(32, 18).getContext('2d');
    canvas.drawImage(element, 0, 0, 32, 18);
    const { data } = canvas.getImageData(0, 0, 32, 18);
    return new Set(
      Array.from({ length: data.length / 4 }, (_, at) => data.slice(4 * at, 4 * at + 3).join()),
    ).size;
  });

test('a click on the heatmap plays the video there', async () => {
  const folder = temporaryDirectory('video');
  makeVideo(folder);
  const gateway = await Gateway.start({
    store: 'checkpoint_interval_s = 1',
    settings: `[[static]]\npath = "/video/"\nfolder = "${folder}"\n`,
  });
  let browser;
  try {
    const scene = await Scene.make(gateway, {
      durationMs: 20_000,
      more: { preview_url: '/video/demo.mp4' },
    });
    await scene.credited(0, 10_000);
    await until(
      'the student is in the list',
      async () =>
        (await gateway.viewer('GET', `/v1/modules/${scene.module}/students?order=attention`)).json
          .total === 1,
    );
    browser = await Browser.open(gateway.origin);
    const { page } = browser;
    await browser.signIn('viewer', `modules/${scene.module}`);
    const slider = page.getByRole('slider', { name: 'Position in the video' });
    await slider.waitFor();
    const { x, y, width } = await slider.boundingBox();
    const video = page.getByRole('complementary', { name: 'Preview' }).locator('video');
    const plays = (fromS, toS) => playsBetween(video, fromS, toS);
    await page.mouse.click(x + width * 0.25, y + 120);
    await plays(4.5, 8);
    // And while it plays, somewhere else: forwards, and back.
    await page.mouse.click(x + width * 0.75, y + 120);
    await plays(14.5, 18);
    await page.mouse.click(x + width * 0.05, y + 120);
    await plays(0.7, 5);
    // What is on it is the video: the pattern has colours, an empty one has none.
    const colours = await coloursOf(video);
    assert.ok(colours > 20, `${colours} colours`);
    // From a student's strip as well.
    const strip = page.locator(`[data-student="${scene.student}"] canvas`);
    const box = await strip.boundingBox();
    await page.mouse.click(box.x + box.width * 0.5, box.y + 5);
    await plays(9.5, 13);
    assert.deepEqual(browser.faults, []);
  } finally {
    await browser?.close();
    await gateway.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  }
});

test('Redis away during a live view: said calmly, live all the same, and back by itself', {
  skip: !variants.includes('servers'),
}, async () => {
  const gateway = await Gateway.start({ variant: 'servers', store: 'checkpoint_interval_s = 1' });
  const browsers = [];
  try {
    const scene = await Scene.make(gateway, { durationMs: 600_000 });
    await scene.credited(0, 10_000);
    const viewer = await Browser.open(gateway.origin);
    browsers.push(viewer);
    await viewer.signIn('viewer', `modules/${scene.module}`);
    await viewer.page.locator('[data-stream=open]').waitFor();
    const operator = await Browser.open(gateway.origin);
    browsers.push(operator);
    await operator.signIn('operator');
    await operator.heading('Machine');
    const onScreen = (toMs) =>
      viewer.page
        .locator(`[data-recent="${scene.student}"][data-to-ms="${toMs}"]`)
        .first()
        .waitFor();
    await scene.credited(10_000, 15_000);
    await onScreen(15_000);

    gateway.stores.halt('private-redis');
    await until(
      'the ledger takes it',
      async () => {
        const response = await scene.play(15_000, 20_000, { sn: 2 });
        // The budget is what came in since the last credit: the rest is earned when it is there.
        return response.status === 200 && response.json.results[0].seconds_watched === 20;
      },
      { everyMs: 300 },
    );
    await operator.page.getByText('degraded: the ledger acknowledges').waitFor();
    await onScreen(20_000);
    assert.equal(await viewer.page.locator('[data-stream=open]').count(), 1);
    assert.equal(await viewer.page.getByRole('alert').count(), 0);
    await viewer.page.locator(`[data-student="${scene.student}"]`).waitFor();

    gateway.stores.run('private-redis');
    await operator.page
      .getByText('degraded: the ledger acknowledges')
      .waitFor({ state: 'detached', timeout: 30_000 });
    await until(
      'the channel is there again',
      async () => (await gateway.operator('GET', '/v1/stats?filter=live')).json.live.channel.up,
      { timeoutMs: 30_000 },
    );
    await scene.credited(20_000, 25_000);
    await onScreen(25_000);
    for (const browser of browsers) assert.deepEqual(browser.faults, []);
  } finally {
    for (const browser of browsers) await browser.close();
    await gateway.stop();
  }
});
