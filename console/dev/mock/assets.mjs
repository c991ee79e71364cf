// The built console.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../dist');
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; media-src 'self' https:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const types = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

export function asset(pathname, response) {
  const file = path.join(dist, path.normalize(pathname.slice('/console/'.length)));
  const found =
    file.startsWith(dist) && fs.existsSync(file) && fs.statSync(file).isFile()
      ? file
      : path.join(dist, 'index.html');
  if (pathname.startsWith('/console/assets/') && found.endsWith('index.html'))
    return response.writeHead(404).end();
  response.writeHead(200, {
    'content-type': types[path.extname(found)],
    'content-security-policy': CSP,
    'cache-control': found.includes('/assets/')
      ? 'public, max-age=31536000, immutable'
      : 'no-cache',
  });
  response.end(fs.readFileSync(found));
}
