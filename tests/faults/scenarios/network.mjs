// What befalls the network between the gateway, its stores and its devices.
import { until } from '../../integration/lib/wait.mjs';
import { contains } from '../lib/intervals.mjs';
import { recovered } from './redis.mjs';

/** Responses to the devices are lost until that of a credited heartbeat was among them and `lasts` is over. */
async function loseResponses(world, lasts) {
  world.fault();
  world.balancer.set('mute');
  const { sent } = world.record.read().counts;
  await until(
    'a heartbeat is credited whose response is lost',
    async () => {
      for (const { pair, interval } of world.record.read().withoutResultAfter(sent)) {
        const state = await world.gateway.progress(pair);
        if (state && contains(state.coverage, interval)) return true;
      }
      return false;
    },
    { timeoutMs: 30_000 },
  );
  await lasts();
  world.balancer.set('pass');
  await world.flowing('with responses again', 45_000);
}

export const networkScenarios = {
  'network-cut': {
    what: 'connections to the stores and from the devices are reset at random moments',
    faults: { short: 6, full: 60 },
    async run(world, count) {
      const proxies = [
        world.redisProxy[0],
        world.redisProxy[0],
        world.postgresProxy[0],
        world.balancer,
      ];
      for (let i = 0; i < count; ++i) {
        await world.moment(20, 700);
        world.fault();
        world.random.pick(proxies).cut();
        if (i % 6 === 5) await world.flowing('after the cuts');
      }
    },
  },
  'network-mute': {
    what: 'requests reach the stores, their replies are lost',
    faults: { short: 1, full: 12 },
    async run(world, count) {
      for (let i = 0; i < count; ++i) {
        await world.moment(100, 1000);
        world.fault();
        const proxy = world.random.pick([
          world.redisProxy[0],
          world.redisProxy[0],
          world.postgresProxy[0],
        ]);
        proxy.set('mute');
        await world.moment(500, 4000);
        proxy.set('pass');
        await recovered(world);
        await world.flowing('with responses again', 45_000);
      }
    },
  },
  'network-half-open': {
    what: 'the cable to a store is pulled: no piece arrives, nobody notices',
    faults: { full: 12 },
    async run(world, count) {
      for (let i = 0; i < count; ++i) {
        await world.moment(100, 1000);
        world.fault();
        const both = [world.redisProxy[0], world.postgresProxy[0]];
        const pulled = world.random.pick([[both[0]], [both[1]], both]);
        for (const proxy of pulled) proxy.set('hold');
        await world.moment(500, 4000);
        for (const proxy of pulled) proxy.set('pass');
        await recovered(world);
        await world.flowing('with the cable in again', 45_000);
      }
    },
  },
  'responses-lost': {
    what: 'heartbeats reach the gateway, responses do not reach the devices',
    faults: { short: 1, full: 12 },
    async run(world, count) {
      for (let i = 0; i < count; ++i) {
        await world.moment(100, 1000);
        await loseResponses(world, () => world.moment(300, 2500));
      }
      // A player keeps five heartbeats: after a long fault it may have dropped those whose responses were
      // lost. After one that ends at once it has them all, and sends them again when its pause is over.
      const sentAgain = () => world.record.read().counts.duplicate > 0;
      for (let more = 0; !sentAgain(); ++more) {
        if (more === 5) throw new Error('no heartbeat that was credited is sent again');
        await loseResponses(world, () => {});
        await until('a heartbeat is sent again', sentAgain, { everyMs: 20 }).catch(() => {});
      }
    },
  },
  'split-gateways': {
    what: 'of two gateways one is cut off from Redis: one credits there, one in the ledger',
    world: { gateways: 2 },
    faults: { short: 1, full: 8 },
    async run(world, count) {
      // The one that is cut off cannot show what the other has credited since the last checkpoint.
      let cut = null;
      world.mayShowLess = (gateway) => gateway === cut;
      for (let i = 0; i < count; ++i) {
        await world.moment(100, 1000);
        world.fault();
        const which = world.random.between(0, 1);
        cut = world.gateways[which];
        world.redisProxy[which].set('refuse');
        // A heartbeat that fails shows it. All may be with the other one: then they are made to move.
        await until(
          'it is degraded',
          async () => {
            if ((await cut.readiness()).degraded) return true;
            if (world.connectionsTo(cut) === 0) world.balancer.cut();
            return false;
          },
          { timeoutMs: 45_000, everyMs: 100 },
        );
        for (let moves = 3; moves > 0; --moves) {
          world.balancer.cut(() => world.random.next() < 0.5);
          await world.moment(200, 800);
        }
        await world.flowing('through both');
        const dies = world.random.next() < 0.5;
        // What a gateway wrote to the ledger while it had no Redis, and did not live to hand over, Redis
        // learns when the pair is played again.
        world.redisMayLag ||= dies;
        if (dies) await world.killGateway(cut, { again: false });
        world.redisProxy[which].set('pass');
        if (dies) await cut.start();
        await recovered(world, cut);
        await world.flowing('with both at Redis again');
        cut = null;
      }
    },
  },
};
