// Fails when the built module is larger than what docs/sdk-web.md promises.
import fs from 'node:fs';
import zlib from 'node:zlib';

const maxBytes = 8 * 1024;
const file = new URL('../dist/watchkeeper.js', import.meta.url);
const sizeBytes = zlib.gzipSync(fs.readFileSync(file), { level: 9 }).length;
console.log(`watchkeeper.js: ${sizeBytes} bytes gzipped, at most ${maxBytes}`);
if (sizeBytes > maxBytes) {
  console.error('the module has grown over its limit');
  process.exit(1);
}
