// Draws a profile as a flame graph: width is time, the stack grows upwards, colour is whose code it is.
// use: perf script -i FILE --no-inline | node bench/flame-graph.mjs TITLE > flame.svg
import readline from 'node:readline';
import { pathToFileURL } from 'node:url';

const width = 1200;
const rowHeight = 17;
const top = 58;
const margin = 10;
const leastShare = 0.002; // narrower frames would be lines without a name
const characterWidth = 6.6;

/** Whose code a frame is, by the file that it was mapped from; the first that matches. */
const origins = [
  ['kernel', /kernel|vmlinux|^\[guest/, '#b8bcc4'],
  ['watchkeeper', /watchkeeper$/, '#f2a65a'],
  ['OpenSSL', /libssl|libcrypto/, '#8fb8de'],
  ['nghttp2', /libnghttp2/, '#a5d6a7'],
  ['CAF', /libcaf/, '#ce93d8'],
  ['Redis and PostgreSQL clients', /libhiredis|libpq/, '#ef9a9a'],
  ['mimalloc', /libmimalloc/, '#fff176'],
  ['C and C++ libraries', /libc[.-]|libstdc|libm[.-]|libgcc|ld-linux|vdso/, '#ffe0b2'],
  ['others', /./, '#e0e0e0'],
];

const originOf = (file) => origins.find(([, pattern]) => pattern.test(file))[0];
const threadColour = '#d7ccc8';

/** A C++ name without its parameters and template arguments, which take more room than they tell. */
export function shortName(symbol) {
  let depth = 0;
  let name = '';
  const plain = symbol
    .replace(/\+0x[0-9a-f]+$/, '')
    .replaceAll('(anonymous namespace)', 'anon')
    .replaceAll('operator()', 'operator⟮⟯')
    .replaceAll('operator<', 'operator‹')
    .replaceAll('->', '→');
  for (const character of plain) {
    if (character === '<' || character === '(') depth++;
    if (depth === 0) name += character;
    if ((character === '>' || character === ')') && depth > 0) depth--;
  }
  name = name.replaceAll('⟮⟯', '()').replaceAll('‹', '<').replaceAll('→', '->').trim();
  // "void f" of a template's instance: the type that is returned comes first.
  name = name.replace(/\s+(const|\[clone [^\]]*\])$/g, '').replace(/^.*\s(?=\S+$)/, '');
  return name === '' ? symbol : name.replaceAll('watchkeeper::', '');
}

/** The stack, outermost first, without what every thread begins with, and the kernel as one frame a call. */
export function tidied(frames) {
  const outermost = frames.findLastIndex(({ name }) =>
    /^(clone3?|start_thread|std::thread::_State_impl|_start|__libc_start_main.*)/.test(name),
  );
  const kept = [];
  let system = [];
  const endKernel = () => {
    if (system.length === 0) return;
    const call = system.map(({ name }) => /^__(?:x64|do)_sys_(\w+)$/.exec(name)?.[1]).find(Boolean);
    kept.push({
      name: call ?? (system.some(({ name }) => /sysvec|irq/.test(name)) ? 'interrupt' : 'kernel'),
      origin: 'kernel',
    });
    system = [];
  };
  for (const frame of frames.slice(outermost + 1)) {
    if (frame.origin === 'kernel') {
      system.push(frame);
      continue;
    }
    endKernel();
    // A function that calls itself, or one library's functions without names, are one frame.
    if (kept.at(-1)?.name !== frame.name || kept.at(-1)?.origin !== frame.origin) kept.push(frame);
  }
  endKernel();
  return kept;
}

/** Adds up the samples of `perf script`, line by line, into a tree {name, origin, weight, children}. */
export async function readSamples(lines) {
  const root = { name: 'all', origin: 'thread', weight: 0, children: new Map() };
  let thread = '';
  let frames = [];
  const add = () => {
    if (thread === '') return;
    let node = root;
    node.weight++;
    for (const { name, origin } of [
      { name: thread, origin: 'thread' },
      ...tidied(frames.reverse()),
    ]) {
      let child = node.children.get(`${origin} ${name}`);
      if (!child) {
        child = { name, origin, weight: 0, children: new Map() };
        node.children.set(`${origin} ${name}`, child);
      }
      child.weight++;
      node = child;
    }
  };
  for await (const line of lines) {
    const frame = /^\s+[0-9a-f]+ (.*) \((.*)\)$/.exec(line);
    if (frame) {
      const origin = originOf(frame[2].replace(/ \(deleted\)$/, ''));
      frames.push({ name: frame[1] === '[unknown]' ? origin : shortName(frame[1]), origin });
    } else if (line.trim() === '') {
      add();
      thread = '';
      frames = [];
    } else if (!line.startsWith('#')) {
      thread =
        /^\s*(.*?)\s+\d+(\/\d+)?\s+.*:\s*$/
          .exec(line)?.[1]
          .replace(/[\d/:-]+$/, '')
          .replace('caf.multiplexer', 'CAF worker') ?? '';
      frames = [];
    }
  }
  add();
  return root;
}

const escapeXml = (text) =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

/** The picture, an SVG. `title` says what was profiled. */
export function draw(root, title) {
  const total = root.weight;
  const scale = (width - 2 * margin) / total;
  const boxes = [];
  let deepest = 0;
  const place = (node, depth, begin) => {
    deepest = Math.max(deepest, depth);
    boxes.push({ node, depth, begin });
    let at = begin;
    for (const child of [...node.children.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (child.weight >= leastShare * total) place(child, depth + 1, at);
      at += child.weight;
    }
  };
  place(root, 0, 0);
  const used = new Set(boxes.map(({ node }) => node.origin));
  const height = top + (deepest + 1) * rowHeight + 2 * margin;
  const colour = (origin) => origins.find(([name]) => name === origin)?.[2] ?? threadColour;
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    '<style>text{font:11px "DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#1b1b1b}.ink{fill:#24292f}',
    '.title{font:bold 14px "DejaVu Sans",Helvetica,Arial,sans-serif}.key{font:11px "DejaVu Sans",Helvetica,Arial,sans-serif}',
    'rect.paper{fill:#fff}rect.box{stroke:#fff;stroke-width:.6}</style>',
    `<rect class="paper" width="${width}" height="${height}"/>`,
    `<text class="title ink" x="${margin}" y="20">${escapeXml(title)}</text>`,
  ];
  let x = margin;
  for (const [name, , paint] of origins) {
    if (!used.has(name)) continue;
    svg.push(
      `<rect x="${x}" y="32" width="11" height="11" fill="${paint}"/><text class="key ink" x="${x + 15}" y="42">${name}</text>`,
    );
    x += 15 + name.length * 6.2 + 14;
  }
  for (const { node, depth, begin } of boxes) {
    const left = margin + begin * scale;
    const wide = node.weight * scale;
    const y = top + (deepest - depth) * rowHeight;
    const room = Math.floor((wide - 4) / characterWidth);
    const label =
      node.name.length <= room ? node.name : room < 4 ? '' : `${node.name.slice(0, room - 1)}…`;
    const share = ((100 * node.weight) / total).toFixed(1);
    svg.push(
      `<g><title>${escapeXml(node.name)}: ${share} %, ${node.origin}</title>` +
        `<rect class="box" x="${left.toFixed(1)}" y="${y}" width="${wide.toFixed(1)}" height="${rowHeight - 1}" fill="${colour(node.origin)}"/>` +
        (label
          ? `<text x="${(left + 3).toFixed(1)}" y="${y + 12}">${escapeXml(label)}</text>`
          : '') +
        '</g>',
    );
  }
  svg.push('</svg>');
  return `${svg.join('\n')}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = await readSamples(readline.createInterface({ input: process.stdin }));
  if (root.weight === 0) {
    console.error('flame-graph: no sample on standard input; it reads what `perf script` prints');
    process.exit(1);
  }
  process.stdout.write(draw(root, process.argv[2] ?? 'Where the time goes'));
}
