// The stores a gateway is started with: embedded, or a private Redis and PostgreSQL.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runSync } from './command.mjs';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

export function temporaryDirectory(name) {
  return fs.mkdtempSync(path.join(os.tmpdir(), `watchkeeper-${name}-`));
}

function script(name) {
  return path.join(root, 'scripts', name);
}

/** WATCHKEEPER_STORES=embedded or =servers picks one; both otherwise. */
export const variants = (process.env.WATCHKEEPER_STORES ?? 'embedded,servers').split(',');

export class Stores {
  static start(variant) {
    const stores = new Stores();
    stores.variant = variant;
    stores.running = [];
    stores.settings = '';
    if (variant === 'embedded') return stores;
    if (variant !== 'servers') throw new Error(`unknown stores: ${variant}`);
    stores.directory = temporaryDirectory('stores');
    try {
      stores.redisUrl = stores.run('private-redis');
      stores.postgresUrl = stores.run('private-postgres');
    } catch (error) {
      stores.stop();
      throw error;
    }
    stores.settings = `hot = "${stores.redisUrl}"\nledger = "${stores.postgresUrl}"\n`;
    return stores;
  }

  run(name) {
    const directory = path.join(this.directory, name);
    fs.mkdirSync(directory, { recursive: true });
    const printed = runSync(script(name), ['start', directory], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.running.push([name, directory]);
    return printed.trim().split('\n').at(-1);
  }

  /** Starts one of them that was halted again, with what its folder has now. */
  resume(name) {
    this.run(name);
  }
  folderOf(name) {
    return path.join(this.directory, name);
  }

  /** Ends one of them, as a fault. */
  halt(name) {
    const at = this.running.findIndex(([running]) => running === name);
    const [, directory] = this.running.splice(at, 1)[0];
    runSync(script(name), ['stop', directory], { stdio: 'ignore' });
  }

  stop() {
    for (const [name, directory] of this.running.splice(0))
      runSync(script(name), ['stop', directory], { stdio: 'ignore' });
    if (this.directory) fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
