// The servers that scenarios share: each begins with an empty Redis and a database of its own.
import fs from 'node:fs';
import path from 'node:path';
import { run } from '../../integration/lib/command.mjs';
import { PostgresServer, RedisServer } from './servers.mjs';

const smallDiskMb = 160;

export class Stores {
  constructor(directory) {
    this.directory = directory;
    this.generation = 0;
  }

  /** `needs`: "small disk" puts PostgreSQL on a file system that can be filled. */
  async take(needs) {
    if (this.taken && this.taken.needs !== needs) await this.discard();
    if (this.taken) return this.taken;
    const home = path.join(this.directory, `stores-${++this.generation}`);
    fs.mkdirSync(home, { recursive: true });
    const taken = { needs };
    this.taken = taken;
    taken.redis = await RedisServer.start(path.join(home, 'redis'));
    const disk = path.join(home, 'postgres');
    if (needs === 'small disk') {
      fs.mkdirSync(disk);
      await run('mount', ['-t', 'tmpfs', '-o', `size=${smallDiskMb}m,mode=0755`, 'tmpfs', disk]);
      taken.disk = disk;
      const filler = path.join(disk, 'filler');
      taken.fillDisk = async () => {
        // Until nothing fits any more; what the server has open may still grow by its last page.
        const descriptor = fs.openSync(filler, 'w');
        try {
          for (const piece = Buffer.alloc(1 << 16); ; ) fs.writeSync(descriptor, piece);
        } catch (error) {
          if (error.code !== 'ENOSPC') throw error;
        } finally {
          fs.closeSync(descriptor);
        }
      };
      taken.freeDisk = async () => {
        fs.rmSync(filler, { force: true });
        // Without room for its log the server ends itself.
        await taken.postgres.start();
      };
      // Little log, so that the disk is full soon.
      taken.postgres = await PostgresServer.start(
        path.join(disk, 'server'),
        '-c max_wal_size=64MB -c min_wal_size=32MB',
      );
    } else {
      taken.postgres = await PostgresServer.start(disk);
    }
    return taken;
  }
  async drop(database) {
    await this.taken?.postgres.query(
      `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`,
      'postgres',
    );
  }

  /** Ends the servers, in whatever state they are. */
  async discard() {
    const taken = this.taken;
    this.taken = undefined;
    if (!taken) return;
    await taken.freeDisk?.().catch(() => {});
    for (const server of [taken.redis, taken.postgres]) await server?.stop().catch(() => {});
    if (taken.disk)
      await run('umount', [taken.disk]).catch((error) => console.error(error.message));
  }
  async stop() {
    await this.discard();
  }
}
