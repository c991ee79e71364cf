// What befalls the gateway itself.
import fs from 'node:fs';
import path from 'node:path';
import { writeCertificate } from '../../integration/lib/certificate.mjs';
import { stretch } from '../../integration/lib/machine.mjs';
import { until } from '../../integration/lib/wait.mjs';

/** Name → {what, world, faults: {short, full}, run(world, count)}. No `short`: not in the short form. */
export const gatewayScenarios = {
  'gateway-killed': {
    what: 'kill -9 at random moments',
    faults: { short: 3, full: 50 },
    async run(world, count) {
      for (let i = 0; i < count; ++i) {
        await world.moment(0, 1200);
        await world.killGateway();
        await world.flowing('after the kill');
      }
    },
  },

  'two-gateways': {
    what: 'one of two is killed, devices move between them',
    world: { gateways: 2 },
    faults: { short: 2, full: 20 },
    run: moveAndKill,
  },
  'three-gateways': {
    what: 'one of three is killed, devices move between them',
    world: { gateways: 3 },
    faults: { full: 20 },
    run: moveAndKill,
  },

  'sigterm-under-load': {
    what: 'SIGTERM while heartbeats come in: no response is lost, and it ends in time',
    faults: { short: 2, full: 10 },
    async run(world, count) {
      for (let i = 0; i < count; ++i) {
        await world.moment(100, 1000);
        world.fault();
        const begun = Date.now();
        const busy = stretch();
        const { code, signal } = await world.gateway.end('SIGTERM', 60_000);
        const tookMs = Date.now() - begun;
        if (code !== 0)
          throw new Error(
            `SIGTERM ended with ${code ?? signal}: ${world.gateway.said.slice(-2000)}`,
          );
        if (tookMs > 10_500 * busy) throw new Error(`SIGTERM took ${tookMs} ms`);
        if (!/"all_answered":true,"all_checkpointed":true/.test(world.gateway.said))
          throw new Error(
            `not everything was answered and written: ${world.gateway.said.slice(-500)}`,
          );
        await world.gateway.start();
        await world.flowing('after the restart');
      }
    },
  },

  'certificate-reloads': {
    what: 'SIGHUP with good and bad certificates while heartbeats come in',
    faults: { short: 2, full: 12 },
    async run(world, count) {
      const { gateway } = world;
      const file = (name) => path.join(gateway.directory, name);
      const make = () =>
        writeCertificate({ key: file('key.pem'), certificate: file('certificate.pem') });
      make();
      gateway.settings = `[tls]\ncertificate = "${file('certificate.pem')}"\nkey = "${file('key.pem')}"\n`;
      gateway.writeConfiguration();
      await gateway.end('SIGTERM');
      await gateway.start();
      await world.flowing('with a certificate from a file');
      for (let i = 0; i < count; ++i) {
        await world.moment(50, 400);
        world.fault();
        const bad = i % 2 === 1;
        if (bad)
          fs.writeFileSync(
            file('certificate.pem'),
            world.random.pick(['', 'no certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n']),
          );
        else make();
        const from = gateway.said.length;
        gateway.child.kill('SIGHUP');
        await until('the reload is in the log', () => {
          const text = gateway.said.slice(from);
          return bad ? /not reloaded/.test(text) : /"message":"reloaded"/.test(text);
        });
        if (!gateway.isUp) throw new Error('a reload ended the gateway');
        await world.flowing(bad ? 'after a bad certificate' : 'after a good certificate');
      }
      // Nothing was refused or lost on the way, but for the one restart before.
      make();
    },
  },

  'clock-steps': {
    what: "the gateway's clock jumps by up to an hour and back",
    world: { clocks: true },
    faults: { short: 2, full: 16 },
    async run(world, count) {
      const stepsS = [3600, -3600, 600, -600, 840, -60, 3000, 30];
      for (let i = 0; i < count; ++i) {
        await world.moment(100, 800);
        world.fault();
        const stepS = i < 2 ? stepsS[i] : world.random.pick(stepsS);
        fs.writeFileSync(world.gateway.clock, `${stepS < 0 ? '' : '+'}${stepS}\n`);
        await world.moment(500, 2500);
        if (i % 5 === 4) await world.killGateway();
        fs.writeFileSync(world.gateway.clock, '+0\n');
        // With the clock right again devices are believed again, whatever the other clock has left behind.
        await world.flowing('with the clock set right');
      }
    },
  },
};

async function moveAndKill(world, count) {
  for (let i = 0; i < count; ++i) {
    // Connections are cut, so that devices come to another gateway.
    for (let moves = world.random.between(1, 3); moves > 0; --moves) {
      await world.moment(100, 600);
      world.balancer.cut(() => world.random.next() < 0.5);
    }
    const killed = world.random.pick(world.gateways);
    await world.killGateway(killed, { again: false });
    await world.flowing('through the gateways that are left');
    await killed.start();
  }
}
