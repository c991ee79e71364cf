// Debian's Chromium, without a window, and the player page in it.
import { chromium } from 'playwright-core';
import { union } from './scene.mjs';
import { until, within } from './wait.mjs';

const executablePath = process.env.WATCHKEEPER_CHROMIUM ?? '/usr/bin/chromium';

/** Without a graphics card the processor paints, and there are several players on it. */
const small = { width: 360, height: 480 };

const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
];

/** Playwright limits its own waits, but not how long a page takes to evaluate something. */
export function limited(page) {
  const evaluate = page.evaluate.bind(page);
  page.evaluate = (work, argument) =>
    within(
      `the page evaluates ${String(work).replace(/\s+/g, ' ').slice(0, 80)}`,
      evaluate(work, argument),
      60_000,
    );
  page.setDefaultTimeout(60_000);
  return page;
}

/** `thing` of Playwright, whose `close` has a limit as well. */
function closing(what, thing) {
  const close = thing.close.bind(thing);
  thing.close = () => within(`${what} closes`, close(), 60_000);
  return thing;
}

export async function launchBrowser() {
  // Playwright gives it an empty user data directory, and removes that in the end.
  const launched = chromium.launch({
    executablePath,
    args: [...args, '--ignore-certificate-errors'],
  });
  return closing('the browser', await within('the browser starts', launched, 120_000));
}

/** A browser that keeps its profile in `folder`, and looks at certificates if it is to. */
export async function launchProfile(folder, { checkCertificates }) {
  const launched = chromium.launchPersistentContext(folder, {
    executablePath,
    viewport: small,
    ignoreHTTPSErrors: !checkCertificates,
    args: checkCertificates ? args : [...args, '--ignore-certificate-errors'],
  });
  return closing('the profile', await within('the profile opens', launched, 120_000));
}

/**
 * The parts of [from, to] that are not credited, by more than a player's precision. What the element has `skipped`
 * (PlayerPage.skipped) was not played, and is no hole.
 */
export function holes(credited, from, to, skipped = []) {
  const coverage = union([...credited, ...skipped.map(([a, b]) => [a - 400, b + 400])], 0);
  const out = [];
  let at = from;
  for (const [start, end] of coverage) {
    if (Math.min(start, to) - at > 300) out.push([at, Math.min(start, to)]);
    at = Math.max(at, end);
  }
  if (to - at > 300) out.push([at, to]);
  return out;
}

/** A browser profile with the player page of one student. */
export class PlayerPage {
  /** `origin` has the page, `gateway` takes the heartbeats; `query` is given to the page. */
  static async open(
    browser,
    { origin, gateway, student, module, query = {}, hash = '', options = {} },
  ) {
    const player = new PlayerPage();
    player.context = await browser.newContext({
      ignoreHTTPSErrors: true,
      viewport: small,
      ...options,
    });
    player.page = limited(await player.context.newPage());
    player.errors = [];
    player.page.on('pageerror', (error) => player.errors.push(String(error)));
    player.page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) player.errors.push(message.text());
    });
    player.student = student;
    player.module = module;
    const parameters = new URLSearchParams({ student, module, ...query });
    if (gateway) parameters.set('gateway', gateway);
    player.address = `${origin}/player/?${parameters}`;
    await player.load(player.address + hash);
    return player;
  }

  async load(address = this.address) {
    this.earlier = await this.skipped();
    await this.page.goto(address);
    await this.page.waitForFunction(
      () => globalThis.tracker && document.querySelector('video').readyState >= 3,
      null,
      { timeout: 60_000 },
    );
    // All that the tracker says, for the tests to look at, and what the element does meanwhile.
    await this.page.evaluate(() => {
      const video = document.querySelector('video');
      const now = () => ({ at: performance.now(), position: video.currentTime * 1000 });
      let last = now();
      let seeking = false;
      globalThis.skipped = [];
      const look = () => {
        const { at, position } = now();
        const aheadMs = position - last.position - (at - last.at) * video.playbackRate;
        const isBlind = at - last.at > 5_000; // longer than a tracker believes anything
        if ((aheadMs > 150 || isBlind) && !seeking && !video.seeking)
          globalThis.skipped.push([last.position, position]);
        seeking = video.seeking;
        last = { at, position };
      };
      setInterval(look, 50);
      for (const name of ['timeupdate', 'ratechange', 'waiting', 'playing', 'pause', 'seeked'])
        video.addEventListener(name, look);
      video.addEventListener('seeking', () => {
        seeking = true;
      });
      globalThis.heard = { progress: [], mastered: [], drop: [], failure: [] };
      for (const [name, list] of Object.entries(heard))
        tracker.on(name, (event) => list.push(event));
    });
  }

  /**
   * Media time that the element itself has skipped, as [from, to]: on a machine that is busy its position may stand
   * still and then move faster than the clock. No tracker may take that for played.
   */
  async skipped() {
    return [...(this.earlier ?? []), ...(await this.evaluate(() => globalThis.skipped ?? []))];
  }

  evaluate(work, argument) {
    return this.page.evaluate(work, argument);
  }
  heard() {
    return this.evaluate(() => globalThis.heard);
  }
  status() {
    return this.evaluate(() => tracker.status());
  }
  position() {
    return this.evaluate(() => document.querySelector('video').currentTime * 1000);
  }
  play(rate = 1) {
    return this.evaluate((playbackRate) => {
      const video = document.querySelector('video');
      video.playbackRate = playbackRate;
      return video.play();
    }, rate);
  }
  /** The whole video is in the browser: it plays on without its server. */
  loaded() {
    return until(
      'the video is loaded',
      () =>
        this.evaluate(() => {
          const { buffered, duration } = document.querySelector('video');
          return buffered.length === 1 && buffered.end(0) > duration - 0.5;
        }),
      { timeoutMs: 60_000, everyMs: 200 },
    );
  }
  pause() {
    return this.evaluate(() => document.querySelector('video').pause());
  }
  seek(positionMs) {
    return this.evaluate(
      (ms) =>
        new Promise((resolve) => {
          const video = document.querySelector('video');
          video.addEventListener('seeked', () => resolve(), { once: true });
          video.currentTime = ms / 1000;
        }),
      positionMs,
    );
  }

  /** Enrols the page's key for its student, as the learning platform's backend does. */
  async enrol(gateway) {
    const { kid, jwk } = await this.evaluate(() => tracker.enrolment());
    await gateway.enrol({ kid, jwk }, this.student);
    await this.evaluate(() => tracker.flush());
    return { kid, jwk };
  }

  reaches(positionMs, timeoutMs = 120_000) {
    return until(
      `the video is at ${positionMs} ms`,
      async () => (await this.position()) >= positionMs,
      { timeoutMs, everyMs: 200 },
    );
  }
  ends(timeoutMs = 120_000) {
    return until(
      'the video has ended',
      () => this.evaluate(() => document.querySelector('video').ended),
      { timeoutMs, everyMs: 200 },
    );
  }
  /** Everything that was played has a result. */
  async settled(timeoutMs = 90_000) {
    await this.evaluate(() => tracker.flush());
    await until('nothing waits any more', async () => (await this.status()).buffered === 0, {
      timeoutMs,
      everyMs: 200,
    });
  }
  text(id) {
    return this.page.locator(`#${id}`).innerText();
  }
  close() {
    return within('the page closes', this.context.close(), 60_000);
  }
}
