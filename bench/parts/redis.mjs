import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { root, Stores } from '../../tests/integration/lib/stores.mjs';

export const title = "Redis, driven through the store's port";

export async function measure() {
  const stores = Stores.start('servers');
  try {
    const text = execFileSync(
      path.join(root, 'build/release/bench/redis_bench'),
      [stores.redisUrl],
      { encoding: 'utf8' },
    );
    return text
      .split('\n')
      .filter((line) => line.trim())
      .map((line) => ({ name: `\`${line.trim()}\``, figure: '', goal: '' }));
  } finally {
    stores.stop();
  }
}
