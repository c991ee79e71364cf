// Runs the parts of the benchmark and writes their figures as Markdown. Use: scripts/bench.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../tests/integration/lib/stores.mjs';

const parts = [
  'crypto',
  'capacity',
  'session-keys',
  'redis',
  'pairs',
  'connections',
  'reconnect',
  'paced',
  'burst',
  'backlog',
  'live',
  'growth',
  'cores',
  'overload',
  'attacks',
  'retention',
  'soak',
];

let options;
try {
  options = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: 'string' },
      devices: { type: 'string', default: '10000' },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  for (const name of options.positionals)
    if (!parts.includes(name))
      throw new Error(`there is no part '${name}'; there are ${parts.join(', ')}`);
  if (!/^[1-9]\d{0,5}$/.test(options.values.devices))
    throw new Error('--devices takes a whole number up to 999,999');
} catch (error) {
  console.error(`scripts/bench: ${error.message}`);
  process.exit(2);
}
if (options.values.help) {
  execFileSync(
    'sed',
    ['-n', '2,/^set /{/^set /d;s/^# \\{0,1\\}//;p}', path.join(root, 'scripts/bench')],
    { stdio: 'inherit' },
  );
  process.exit(0);
}
if (options.values.list) {
  for (const name of parts)
    console.log(`${name.padEnd(14)}${(await import(`./parts/${name}.mjs`)).title}`);
  process.exit(0);
}

const git = (...words) => execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim();
const commit =
  git('rev-parse', '--short', 'HEAD') +
  (git('status', '--porcelain', '-uno') ? ', with changes' : '');
const today = new Date().toISOString().slice(0, 10);
const file =
  options.values.out ?? path.join(root, 'bench/results', `${today}-${commit.split(',')[0]}.md`);
const wanted =
  options.positionals.length > 0
    ? options.positionals
    : parts.filter((name) => !['retention', 'soak'].includes(name));
const cpu = os.cpus();

const lines = [
  `# ${today}, commit ${commit}`,
  '',
  `${cpu.length} × ${cpu[0].model.trim()}, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.release()}. The load, the gateway,`,
  'Redis and PostgreSQL share it; the machine may be shared with others, so compare ratios of one run.',
  '',
];
const say = (...more) => {
  lines.push(...more);
  console.log(more.join('\n'));
};
console.log(lines.join('\n'));

let failed = false;
for (const name of wanted) {
  const part = await import(`./parts/${name}.mjs`);
  say(`## ${part.title}`, '', `\`scripts/bench --devices ${options.values.devices} ${name}\``, '');
  try {
    const rows = await part.measure({ devices: Number(options.values.devices) });
    say('| figure | measured | goal | reached |', '|---|---|---|---|');
    for (const { name: figure, figure: value, goal, reached } of rows)
      say(
        `| ${figure} | ${value} | ${goal} | ${reached === undefined ? '' : reached ? 'yes' : '**no**'} |`,
      );
  } catch (error) {
    failed = true;
    say(`Failed: ${error.message}`);
  }
  say('');
}
fs.writeFileSync(file, lines.join('\n'));
console.log(`written to ${path.relative(root, file)}`);
process.exitCode = failed ? 1 : 0;
