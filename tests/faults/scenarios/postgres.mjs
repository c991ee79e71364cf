// What befalls PostgreSQL, the ledger.
import { spawn } from 'node:child_process';
import { event, until } from '../../integration/lib/wait.mjs';
import { noticed, recovered } from './redis.mjs';

/** With the ledger away heartbeats go on: the hot store alone makes them durable. */
function rounds(breakIt, fixIt) {
  return async (world, count) => {
    for (let i = 0; i < count; ++i) {
      await world.moment(100, 1500);
      world.fault();
      await breakIt(world);
      await world.flowing('without the ledger', 45_000);
      await world.moment(500, 2500);
      await fixIt(world);
      await world.flowing('with the ledger back', 45_000);
    }
  };
}

const otherDatabase = 'postgres';

export const postgresScenarios = {
  'postgres-killed': {
    what: 'PostgreSQL is killed and recovers',
    faults: { short: 1, full: 10 },
    run: rounds(
      (world) => world.postgres.kill(),
      (world) => world.postgres.start(),
    ),
  },
  'postgres-restarted': {
    what: 'PostgreSQL is stopped and started',
    faults: { full: 8 },
    run: rounds(
      (world) => world.postgres.stop(),
      (world) => world.postgres.start(),
    ),
  },
  'postgres-paused': {
    what: 'PostgreSQL is stopped (SIGSTOP) and goes on',
    faults: { short: 1, full: 8 },
    run: rounds(
      async (world) => world.postgres.pause(),
      async (world) => world.postgres.resume(),
    ),
  },
  'postgres-refuses-connections': {
    what: 'connections to the database are ended and refused',
    faults: { full: 8 },
    run: rounds(
      async (world) => {
        await world.postgres.query(
          `ALTER DATABASE ${world.database} ALLOW_CONNECTIONS false`,
          otherDatabase,
        );
        await world.postgres.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${world.database}'`,
          otherDatabase,
        );
      },
      (world) =>
        world.postgres.query(
          `ALTER DATABASE ${world.database} ALLOW_CONNECTIONS true`,
          otherDatabase,
        ),
    ),
  },
  'postgres-rows-locked': {
    what: 'every row of the progress is locked for longer than a statement may take',
    faults: { short: 1, full: 5 },
    async run(world, count) {
      for (let i = 0; i < count; ++i) {
        await world.moment(100, 1500);
        await until(
          'every player has a row to be locked',
          async () =>
            Number(
              await world.postgres.query(
                'SELECT count(DISTINCT student_id) FROM progress',
                world.database,
              ),
            ) >= world.options.devices,
          { timeoutMs: 30_000, everyMs: 200 },
        );
        world.fault();
        const holder = spawn(
          'psql',
          ['-h', world.postgres.folder, '-U', 'watchkeeper', '-d', world.database, '-XAtq'],
          { stdio: ['pipe', 'pipe', 'inherit'] },
        );
        try {
          let said = '';
          holder.stdout.on('data', (piece) => (said += piece));
          holder.stdin.write("BEGIN; SELECT 1 FROM progress FOR UPDATE; SELECT 'locked';\n");
          await until('the rows are locked', () => said.includes('locked'));
          await world.moment(6000, 8000);
          await world.flowing('while the rows are locked');
          const ended = event('psql ends', holder, 'exit');
          holder.stdin.end('ROLLBACK;\n');
          await ended;
        } finally {
          holder.kill('SIGKILL');
        }
        await world.flowing('with the rows free');
      }
    },
  },
  'postgres-disk-full': {
    what: 'the disk of PostgreSQL is full, and has room again',
    faults: { full: 3 },
    needs: 'small disk',
    run: rounds(
      (world) => world.servers.fillDisk(),
      (world) => world.servers.freeDisk(),
    ),
  },
  'both-down': {
    what: 'both stores are killed: nothing is acknowledged, and nothing is lost',
    faults: { short: 1, full: 10 },
    async run(world, count) {
      for (let i = 0; i < count; ++i) {
        await world.moment(100, 1500);
        world.fault();
        await Promise.all([world.redis.kill(), world.postgres.kill()]);
        await until('nothing is acknowledged', () => world.silent(800), { timeoutMs: 45_000 });
        const { status } = await world.gateway.readiness();
        if (status !== 503)
          await until('not ready', async () => (await world.gateway.readiness()).status === 503);
        // Either may be back first.
        const order =
          world.random.next() < 0.5 ? [world.redis, world.postgres] : [world.postgres, world.redis];
        await order[0].start();
        await world.flowing('with one store back', 45_000);
        await order[1].start();
        await recovered(world);
        await world.flowing('with both stores back');
      }
    },
  },
  'redis-then-postgres': {
    what: 'Redis goes, then PostgreSQL while the gateway lives on it, then both come back',
    faults: { full: 6 },
    async run(world, count) {
      for (let i = 0; i < count; ++i) {
        await world.moment(100, 1500);
        world.fault();
        await world.redis.kill();
        await noticed(world);
        await world.flowing('through the ledger');
        await world.postgres.kill();
        await until('nothing is acknowledged', () => world.silent(800), { timeoutMs: 45_000 });
        await world.redis.start();
        await recovered(world);
        await world.flowing('with Redis alone', 45_000);
        await world.postgres.start();
        await world.flowing('with both stores back');
      }
    },
  },
};
