import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { root } from '../../tests/integration/lib/stores.mjs';
import { row } from '../lib/measure.mjs';

export const title = 'Cryptographic operations, one thread, the fastest of several rounds';

/** One member of the document a row; what ends in `_bytes` is memory, all else µs of CPU time. */
export async function measure() {
  const document = JSON.parse(
    execFileSync(path.join(root, 'build/release/bench/verify_bench'), ['--json'], {
      encoding: 'utf8',
    }),
  );
  return Object.entries(document)
    .filter(([, value]) => typeof value === 'number')
    .map(([name, value]) =>
      row(`\`${name}\``, name.endsWith('_bytes') ? `${value} bytes` : `${value.toFixed(1)} µs`),
    );
}
