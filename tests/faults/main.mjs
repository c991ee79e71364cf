// Runs fault scenarios and prints a line for each. See `run` beside this file, or --help.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { within } from '../integration/lib/wait.mjs';
import { Random } from './lib/random.mjs';
import { Stores } from './lib/stores.mjs';
import { World } from './lib/world.mjs';
import { scenarios } from './scenarios/index.mjs';

/** Of one scenario, with all of its faults: longer than its players play. */
const scenarioMsMax = 900_000;

const usage = `usage: tests/faults/run [options] [scenario ...]

Injects faults into a real gateway, Redis and PostgreSQL while simulated players send heartbeats, and
checks afterwards that what was acknowledged is there, and nothing else.

  --full         as many faults as scripts/fault-soak has (default: the short form)
  --faults N     so many faults in each scenario
  --repeat N     runs each scenario N times, with seeds that follow each other (default 1)
  --seed N       of the moments and choices (default 1, so that a run is like the last one)
  --minutes N    begins no further scenario after so long
  --keep         leaves the directory of a scenario that failed
  --list         names the scenarios

Without names: all of the form. Exit codes: 0 no violations, 1 violations or a scenario that failed,
2 wrong usage.`;

const { values, positionals } = (() => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        full: { type: 'boolean' },
        faults: { type: 'string' },
        repeat: { type: 'string', default: '1' },
        seed: { type: 'string' },
        minutes: { type: 'string' },
        keep: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    fail(error.message);
  }
})();

function fail(text) {
  console.error(`${text}\n\n${usage}`);
  process.exit(2);
}
function number(name, low) {
  if (values[name] === undefined) return undefined;
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < low)
    fail(`--${name} takes a number from ${low} on, not ${values[name]}`);
  return value;
}
if (values.help) {
  console.log(usage);
  process.exit(0);
}
if (values.list) {
  for (const [name, { what, faults }] of Object.entries(scenarios))
    console.log(`${name.padEnd(30)} ${faults.short ? 'short' : '     '}  ${what}`);
  process.exit(0);
}
for (const name of positionals)
  if (!scenarios[name]) fail(`there is no scenario '${name}'; --list names them`);
const form = values.full ? 'full' : 'short';
const names =
  positionals.length > 0
    ? positionals
    : Object.keys(scenarios).filter((name) => scenarios[name].faults[form]);
const firstSeed = number('seed', 0) ?? 1;
const repeat = number('repeat', 1);
const end =
  number('minutes', 1) === undefined ? Infinity : Date.now() + number('minutes', 1) * 60_000;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'watchkeeper-faults-'));
fs.chmodSync(directory, 0o755);
const stores = new Stores(directory);
const totals = { scenarios: 0, failed: 0, faults: 0, sent: 0, acknowledged: 0, violations: 0 };
let stopping = false;
const stopped = new Promise((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
      stopping = true;
      reject(new Error(`ended by ${signal}`));
    });
});
stopped.catch(() => {}); // whichever scenario runs hears of it

let current; // what an error of these tests themselves must not leave behind
process.on('uncaughtException', async (error) => {
  console.error(error);
  await current?.close().catch(() => {});
  await stores.stop();
  process.exit(1);
});

/** What happens in a scenario, from the first fault to the result. */
async function throughout(scenario, world, count) {
  await scenario.run(world, count);
  await world.fix();
  await scenario.after?.(world);
  await world.settle();
  return world.verify();
}

/** One scenario with one seed, from an empty database to the result. */
async function runOnce(name, seed, turn) {
  const scenario = scenarios[name];
  const begun = Date.now();
  const count = number('faults', 1) ?? scenario.faults[form] ?? scenario.faults.full;
  let world;
  let violations = [];
  let failure = null;
  const make = async () => {
    const servers = await stores.take(scenario.needs);
    await World.make(
      servers,
      path.join(directory, `world-${turn}`),
      `world_${turn}`,
      new Random(seed, name),
      scenario.world,
      (made) => {
        world = made;
        current = made;
      },
    );
  };
  try {
    const whole = make().then(() => throughout(scenario, world, count));
    violations = await Promise.race([
      within(`the end of the scenario ${name}`, whole, scenarioMsMax),
      stopped,
    ]);
  } catch (error) {
    failure = error;
  }
  await (world && within('everything of the scenario ends', world.close(), 120_000));
  const bad = failure !== null || violations.length > 0;
  const counts = world?.record?.counts ?? { sent: 0, acknowledged: 0 };
  ++totals.scenarios;
  totals.failed += bad ? 1 : 0;
  totals.faults += world?.faults ?? 0;
  totals.sent += counts.sent;
  totals.acknowledged += counts.acknowledged;
  totals.violations += violations.length;
  console.log(
    `${bad ? 'FAIL' : 'ok  '} ${name.padEnd(28)} faults ${String(world?.faults ?? 0).padStart(3)}  ` +
      `sent ${String(counts.sent).padStart(6)}  acknowledged ${String(counts.acknowledged).padStart(6)}  ` +
      `credited pairs ${String(world?.pairs ?? 0).padStart(5)}  mastered ${String(world?.mastered ?? 0).padStart(4)}  ` +
      `looks ${String(world?.watch?.looks ?? 0).padStart(5)}  violations ${violations.length}  ` +
      `${((Date.now() - begun) / 1000).toFixed(0)} s  seed ${seed}`,
  );
  if (!bad) {
    fs.rmSync(path.join(directory, `world-${turn}`), { recursive: true, force: true });
    await stores.drop(`world_${turn}`).catch(() => {});
    return;
  }
  for (const { rule, pair, text } of violations.slice(0, 20))
    console.log(`     ${rule} ${pair}: ${text}`);
  if (violations.length > 20) console.log(`     … and ${violations.length - 20} more`);
  if (failure) console.log(`     ${failure.stack.replaceAll('\n', '\n     ')}`);
  for (const gateway of world?.gateways ?? []) {
    console.log(`     the last lines of ${gateway.name}:`);
    for (const line of gateway.log.trimEnd().split('\n').slice(-12)) console.log(`     | ${line}`);
    fs.writeFileSync(path.join(gateway.directory, 'log'), gateway.log);
  }
  if (world?.record)
    console.log(
      `     responses: ${JSON.stringify(counts)} ${JSON.stringify([...world.record.problems])}`,
    );
  console.log(`     again: tests/faults/run --seed ${seed} --faults ${count} ${name}`);
  // What failed may have left the servers in any state.
  await stores.discard();
}

let turn = 0;
try {
  for (let i = 0; i < repeat; ++i)
    for (const name of names) {
      if (stopping || Date.now() >= end) break;
      await runOnce(name, firstSeed + i, ++turn);
    }
} finally {
  await stores.stop();
  if (totals.failed > 0 && values.keep) console.log(`what was left: ${directory}`);
  else fs.rmSync(directory, { recursive: true, force: true });
}
console.log(
  `${totals.faults} faults in ${totals.scenarios} scenarios; ${totals.sent} heartbeats sent, ` +
    `${totals.acknowledged} acknowledged; ${totals.violations} violations` +
    (stopping ? '; ended early' : ''),
);
console.log(`${totals.scenarios - totals.failed} passed, ${totals.failed} failed`);
process.exit(totals.failed > 0 || totals.scenarios === 0 ? 1 : 0);
