import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { root } from '../../tests/integration/lib/stores.mjs';

export const title = 'A shard with more and more pairs, stores not included';

export async function measure() {
  const text = execFileSync(
    path.join(root, 'build/release/bench/pairs_bench'),
    ['10000', '100000', '1000000', '5000000'],
    { encoding: 'utf8' },
  );
  return text
    .split('\n')
    .filter((line) => line.trim())
    .map((line) => ({ name: `\`${line.trim()}\``, figure: '', goal: '' }));
}
