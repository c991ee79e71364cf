// A browser with the console in it, for its tests.
import axe from 'axe-core';
import { launchBrowser, limited } from './browser.mjs';
import { tokens } from './gateway.mjs';
import { within } from './wait.mjs';

export class Browser {
  /** `context`: viewport, colorScheme and so on. Everything of it goes with `close`. */
  static async open(origin, context = {}) {
    const browser = new Browser();
    browser.origin = origin;
    browser.program = await launchBrowser();
    browser.context = await browser.program.newContext({
      ignoreHTTPSErrors: true,
      locale: 'en-GB',
      timezoneId: 'Europe/Berlin',
      reducedMotion: 'reduce',
      viewport: { width: 1360, height: 900 },
      ...context,
    });
    browser.page = limited(await browser.context.newPage());
    // What the page says is wrong, but for the refusals that a test provokes on purpose.
    browser.faults = [];
    browser.page.on('pageerror', (error) => browser.faults.push(String(error)));
    browser.page.on('console', (message) => {
      if (message.type() === 'error' && !/Failed to load resource|net::ERR_/.test(message.text()))
        browser.faults.push(message.text());
    });
    return browser;
  }

  goto(place = '') {
    return this.page.goto(`${this.origin}/console/${place}`);
  }

  /** Through the form, as a person does. */
  async signIn(role, place = '') {
    await this.goto(place);
    await this.page.getByLabel('Access token').fill(tokens[role]);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
    await this.page.getByRole('navigation').waitFor();
  }

  /** The h1 of the view once it is there. */
  async heading(text) {
    await this.page.getByRole('heading', { level: 1, name: text, exact: true }).waitFor();
  }

  /** Violations of WCAG A and AA and of axe's best practices, as text. */
  async violations() {
    const cdp = await this.context.newCDPSession(this.page);
    // The page's policy allows no foreign script, and it stays in force: axe runs beside it.
    const { executionContextId } = await cdp.send('Page.createIsolatedWorld', {
      frameId: (await cdp.send('Page.getFrameTree')).frameTree.frame.id,
      worldName: 'axe',
    });
    const evaluate = async (expression) => {
      const response = cdp.send('Runtime.evaluate', {
        expression,
        contextId: executionContextId,
        awaitPromise: true,
        returnByValue: true,
      });
      const { result, exceptionDetails } = await within('axe looks at the page', response, 120_000);
      if (exceptionDetails)
        throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    await evaluate(`${axe.source}; 0`);
    const found = await evaluate(
      'axe.run(document).then(({ violations }) => violations.flatMap(({ id, nodes }) =>' +
        ' nodes.map(({ html, failureSummary }) => id + ": " + html.slice(0, 200) + " " + failureSummary)))',
    );
    await cdp.detach();
    return found;
  }

  async close() {
    await this.program.close();
  }
}

/**
 * Which colours a canvas has along its middle: [[colour, from, to] …] with from and to as parts of
 * its width, 0 to 1.
 */
export function runsOf(canvas) {
  return canvas.evaluate((element) => {
    const { data } = element
      .getContext('2d')
      .getImageData(0, Math.floor(element.height / 3), element.width, 1);
    const runs = [];
    for (let x = 0; x < element.width; ++x) {
      const colour = [...data.slice(x * 4, x * 4 + 3)].join(',');
      const last = runs.at(-1);
      if (last?.[0] === colour) last[2] = (x + 1) / element.width;
      else runs.push([colour, x / element.width, (x + 1) / element.width]);
    }
    return runs;
  });
}
