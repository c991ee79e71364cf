// Fails when the built module is larger than what docs/sdk-web.md promises.
import fs from 'node:fs';
import zlib from 'node:zlib';

const max_bytes = 8 * 1024;
const file = new URL('../dist/watchkeeper.js', import.meta.url);
const size_bytes = zlib.gzipSync(fs.readFileSync(file), { level: 9 }).length;
console.log(`watchkeeper.js: ${size_bytes} bytes gzipped, at most ${max_bytes}`);
if (size_bytes > max_bytes) {
  console.error('the module has grown over its limit');
  process.exit(1);
}
