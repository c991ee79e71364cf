// Holds the build to its promises: what the first view takes, and nothing inline in the page.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';

const FIRST_VIEW_BYTES_MAX = 60_000;
const dist = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const manifestFile = path.join(dist, 'manifest.json');
const manifest = JSON.parse(fs.readFileSync(manifestFile, 'utf8'));
const problems = [];

const size = (file) => {
  const bytes = fs.readFileSync(path.join(dist, file));
  return /\.woff2$/.test(file) ? bytes.length : zlib.gzipSync(bytes, { level: 9 }).length;
};

// What a chunk takes: itself, what it imports at once, their style sheets and what those name.
function filesOf(name, files = new Set()) {
  const chunk = manifest[name];
  if (!chunk || files.has(chunk.file)) return files;
  files.add(chunk.file);
  for (const file of [...(chunk.css ?? []), ...(chunk.assets ?? [])]) files.add(file);
  for (const other of chunk.imports ?? []) filesOf(other, files);
  return files;
}

const first = filesOf('index.html');
filesOf('src/views/modules.tsx', first);
// The font is named by the style sheet and fetched with the first view.
for (const file of fs.readdirSync(path.join(dist, 'assets')))
  if (/\.woff2$/.test(file)) first.add(`assets/${file}`);
first.add('index.html');
const total = [...first].reduce((sum, file) => sum + size(file), 0);
if ([...first].some((file) => /curve-plot/.test(file)))
  problems.push('uPlot is part of the first view');
if (total > FIRST_VIEW_BYTES_MAX)
  problems.push(
    `the first view takes ${total} bytes gzipped; ${FIRST_VIEW_BYTES_MAX} are the limit`,
  );

const html = fs.readFileSync(path.join(dist, 'index.html'), 'utf8');
if (/<style|\sstyle=|\son[a-z]+=/i.test(html))
  problems.push('index.html has inline style or handlers');
for (const [, attributes, body] of html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g))
  if (!/\ssrc="\/console\/assets\//.test(attributes) || body.trim() !== '')
    problems.push('index.html has an inline script');
for (const [, address] of html.matchAll(/\s(?:src|href)="([^"]+)"/g))
  if (!address.startsWith('/console/assets/')) problems.push(`index.html refers to ${address}`);
for (const file of fs.readdirSync(path.join(dist, 'assets')))
  if (!/-[A-Za-z0-9_-]{8}\.[a-z0-9]+$/.test(file)) problems.push(`${file} has no hash in its name`);

for (const problem of problems) console.error(`console build: ${problem}`);
if (problems.length > 0) process.exit(1);
// The manifest was for this check; what is left is what the gateway serves.
fs.rmSync(manifestFile);
console.log(
  `console build: the first view takes ${total} bytes gzipped, of ${FIRST_VIEW_BYTES_MAX}`,
);
