// What befalls Redis, the hot store.
import { until } from '../../integration/lib/wait.mjs';

const degraded = async (gateway) => (await gateway.readiness()).degraded;

/** The gateway notices that its hot store is away, and goes on through the ledger. */
export async function noticed(world, gateway = world.gateway) {
  await until(`${gateway.name} goes on without its hot store`, () => degraded(gateway), {
    timeoutMs: 30_000,
  });
}
export async function recovered(world, gateway = world.gateway) {
  await until(`${gateway.name} has its hot store back`, async () => !(await degraded(gateway)), {
    timeoutMs: 45_000,
  });
}

/** Rounds of: break it, heartbeats go on through the ledger, fix it, heartbeats go on. */
function rounds(breakIt, fixIt, { each = async () => {} } = {}) {
  return async (world, count) => {
    for (let i = 0; i < count; ++i) {
      await world.moment(100, 1500);
      world.fault();
      await breakIt(world);
      await noticed(world);
      await world.flowing('without the hot store');
      await each(world, i);
      await world.moment(0, 1200);
      await fixIt(world);
      await recovered(world);
      await world.flowing('with the hot store back');
    }
  };
}

export const redisScenarios = {
  'redis-killed': {
    what: 'Redis is killed and started again with its log',
    faults: { short: 2, full: 15 },
    run: rounds(
      (world) => world.redis.kill(),
      (world) => world.redis.start(),
    ),
  },
  'redis-killed-gateway-killed': {
    what: 'Redis is killed, the gateway too, both come back',
    faults: { full: 10 },
    run: rounds(
      (world) => world.redis.kill(),
      (world) => world.redis.start(),
      {
        async each(world) {
          // The new process knows only what the ledger has until Redis is back: nothing is lost, but
          // not all can be shown.
          world.mayShowLess = () => true;
          world.redisMayLag = true;
          await world.killGateway();
          await world.flowing('through the ledger, after the kill');
        },
      },
    ),
    after: showsAll,
  },
  'redis-emptied': {
    what: 'Redis is killed and comes back empty',
    faults: { short: 2, full: 15 },
    async run(world, count) {
      world.redisEmptied = true;
      await rounds(
        (w) => w.redis.kill(),
        (w) => w.redis.startEmpty(),
      )(world, count);
    },
  },
  'redis-flushed': {
    what: 'FLUSHALL while heartbeats come in',
    faults: { full: 20 },
    async run(world, count) {
      world.redisEmptied = true;
      for (let i = 0; i < count; ++i) {
        await world.moment(300, 2500);
        world.fault();
        await world.redis.command('FLUSHALL');
        await world.flowing('after FLUSHALL');
      }
    },
  },
  'redis-paused': {
    what: 'Redis is stopped (SIGSTOP) and goes on',
    faults: { short: 1, full: 10 },
    run: rounds(
      (world) => world.redis.pause(),
      (world) => world.redis.resume(),
    ),
  },
  'redis-out-of-memory': {
    what: 'Redis refuses writes: maxmemory',
    faults: { short: 1, full: 8 },
    // One byte: whatever Redis holds by then is more.
    run: rounds(
      (world) => world.settings(world.redis, ['maxmemory', '1']),
      (world) => world.settings(world.redis, ['maxmemory', '0']),
    ),
  },
  'redis-without-log': {
    what: "Redis' log is turned off: it acknowledges less than is required",
    faults: { short: 1, full: 8 },
    run: rounds(
      (world) => world.settings(world.redis, ['appendonly', 'no']),
      (world) => world.settings(world.redis, ['appendonly', 'yes']),
    ),
  },
  'redis-read-only': {
    what: 'Redis becomes a read-only replica, and a master again',
    faults: { short: 1, full: 8 },
    run: rounds(
      (world) => world.redis.command('REPLICAOF', '127.0.0.1', '1'),
      (world) => world.redis.command('REPLICAOF', 'NO', 'ONE'),
    ),
  },
  'redis-without-replicas': {
    what: 'Redis refuses writes: min-replicas-to-write',
    faults: { full: 8 },
    run: rounds(
      (world) => world.settings(world.redis, ['min-replicas-to-write', '1']),
      (world) => world.settings(world.redis, ['min-replicas-to-write', '0']),
    ),
  },
  'redis-slow': {
    what: 'Redis replies late, sometimes later than is waited for',
    faults: { full: 8 },
    async run(world, count) {
      for (let i = 0; i < count; ++i) {
        await world.moment(100, 1000);
        world.fault();
        // Each way. At 700 a round trip is within the time limit of a call, but a heartbeat takes longer
        // than the players wait: nothing flows, and nothing may be lost. At 2500 Redis counts as away.
        const delayMs = i < 2 ? [700, 2500][i] : world.random.pick([50, 200, 700, 2500]);
        world.redisProxy[0].delayMs = delayMs;
        if (delayMs === 700) await world.moment(3000, 6000);
        else await world.flowing('while Redis is slow', 60_000);
        world.redisProxy[0].delayMs = 0;
        await recovered(world);
        await world.flowing('with Redis fast again', 45_000);
      }
    },
  },
};

async function showsAll(world) {
  world.mayShowLess = undefined;
}
