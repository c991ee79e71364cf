#!/usr/bin/env node
// Takes the pictures of docs/console/ from the real gateway while a fleet plays to it: every view, light,
// dark and on a phone. WATCHKEEPER_PROGRAM: the gateway (default: build/release/watchkeeper).
//
// usage: console/dev/pictures.mjs DIRECTORY [view ...]
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Gateway, program, tokens } from '../../tests/integration/lib/gateway.mjs';
import { Scene } from '../../tests/integration/lib/scene.mjs';
import { event, until } from '../../tests/integration/lib/wait.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const [directory, ...views] = process.argv.slice(2);
if (!directory) {
  console.error('usage: console/dev/pictures.mjs DIRECTORY [view ...]');
  process.exit(2);
}
const modules = [
  ['fire-safety-1', 'Fire safety, part 1', 600_000],
  ['first-aid', 'First aid at work', 420_000],
  ['ladders', 'Ladders and steps', 180_000],
];
/** The exit code. */
const ended = async (what, child) => (await event(`${what} ends`, child, 'exit', 600_000))[0];
const gateway = await Gateway.start({ store: 'checkpoint_interval_s = 2' });
const playing = [];
try {
  for (const [id, title, durationMs] of modules)
    await gateway.admin('PUT', `/v1/modules/${id}`, { title, duration_ms: durationMs });
  const fleet = (module, ...more) => {
    const child = spawn(
      program,
      [
        'fleet',
        '--url',
        gateway.origin,
        '--insecure',
        '--admin-token',
        tokens.admin,
        '--quiet',
        '--no-create-modules',
        '--module',
        module,
        '--connections',
        '8',
        '--interval',
        '4',
        '--playback-rate',
        '2',
        ...more,
      ],
      { stdio: 'ignore' },
    );
    playing.push(child);
    return ended('the fleet', child);
  };
  // Those who were there before: they begin at several places, some of them skip.
  await Promise.all([
    fleet(
      'fire-safety-1',
      '--student-prefix',
      'ada.',
      '--devices',
      '90',
      '--skip-share',
      '0.15',
      '--duration',
      '40',
    ),
    fleet(
      'fire-safety-1',
      '--student-prefix',
      'ben.',
      '--devices',
      '40',
      '--start',
      '120',
      '--duration',
      '30',
    ),
    fleet(
      'fire-safety-1',
      '--student-prefix',
      'eve.',
      '--devices',
      '25',
      '--start',
      '330',
      '--duration',
      '40',
    ),
    fleet('first-aid', '--student-prefix', 'kim.', '--devices', '60', '--duration', '40'),
    fleet('ladders', '--student-prefix', 'lee.', '--devices', '30', '--duration', '40'),
  ]);
  // And one who has done all that a student can do.
  const scene = await Scene.make(gateway, { module: 'ladders' });
  for (let at = 0; at < 120_000; at += 30_000) await scene.credited(at, at + 30_000);
  await scene.play(0, 55_000);
  await gateway.send(await scene.token(0, 1000, { sn: 0 }));
  void fleet(
    'fire-safety-1',
    '--student-prefix',
    'zoe.',
    '--devices',
    '120',
    '--skip-share',
    '0.1',
    '--duration',
    '300',
  );
  void fleet(
    'first-aid',
    '--student-prefix',
    'max.',
    '--devices',
    '60',
    '--start',
    '60',
    '--duration',
    '300',
  );
  await until(
    'the students are in the ledger',
    async () =>
      (await gateway.viewer('GET', '/v1/modules/fire-safety-1/students?limit=1')).json.total > 200,
    { timeoutMs: 60_000, everyMs: 500 },
  );
  const taking = spawn(
    process.execPath,
    [path.join(here, 'screenshots.mjs'), gateway.origin, directory, ...views],
    { stdio: 'inherit', env: { ...process.env, WATCHKEEPER_STUDENT: scene.student } },
  );
  process.exitCode = await ended('the taking of pictures', taking);
} finally {
  for (const child of playing) child.kill('SIGKILL');
  await gateway.stop();
}
