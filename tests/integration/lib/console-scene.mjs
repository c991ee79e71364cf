// The gateway and the students that the tests of the console look at.
import assert from 'node:assert/strict';
import { Browser } from './console.mjs';
import { Gateway } from './gateway.mjs';
import { Scene } from './scene.mjs';
import { until } from './wait.mjs';

/** A title that would do harm if it were taken for HTML. */
export const NASTY = '<img src=x onerror="document.title=1"> & <b>"Fire"</b>';

/** `through` has watched all of the module `nasty`, 60 s; `skipper` a quarter, and another after a gap. */
export class ConsoleScene {
  static async start() {
    const scene = new ConsoleScene();
    const gateway = await Gateway.start({ store: 'checkpoint_interval_s = 1' });
    scene.gateway = gateway;
    await gateway.admin('PUT', '/v1/modules/nasty', { title: NASTY, duration_ms: 60_000 });
    scene.through = await Scene.make(gateway, { module: 'nasty' });
    for (let at = 0; at < 60_000; at += 10_000) await scene.through.credited(at, at + 10_000);
    scene.skipper = await Scene.make(gateway, { module: 'nasty' });
    await scene.skipper.credited(0, 15_000);
    await scene.skipper.credited(30_000, 45_000);
    const refused = await scene.skipper.play(0, 55_000);
    assert.equal(refused.status, 422, refused.text);
    await until(
      'both are in the ledger',
      async () =>
        (await gateway.viewer('GET', '/v1/modules/nasty/students')).json.items.length === 2,
      { timeoutMs: 90_000, everyMs: 250 },
    );
    scene.browser = await Browser.open(gateway.origin);
    return scene;
  }

  /** Another browser, signed in as `role` if there is one. */
  async open(role, place, context) {
    const another = await Browser.open(this.gateway.origin, context);
    if (role) await another.signIn(role, place);
    return another;
  }

  async stop() {
    await this.browser?.close();
    await this.gateway?.stop();
  }
}
