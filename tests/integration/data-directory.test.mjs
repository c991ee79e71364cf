// One process at a time has the data directory, and with it the embedded stores.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { run } from './lib/command.mjs';
import { Gateway, program } from './lib/gateway.mjs';
import { ownPort } from './lib/ports.mjs';
import { Scene } from './lib/scene.mjs';
import { after, before, describe, test } from './lib/test.mjs';

/** Runs the program on the data directory of `gateway`; {code, text}. */
async function beside(gateway, command) {
  // Addresses of its own: nothing but the directory is in its way.
  const environment = {
    ...process.env,
    WATCHKEEPER_LISTEN: `127.0.0.1:${await ownPort()}`,
    WATCHKEEPER_H2C_LISTEN: `127.0.0.1:${await ownPort()}`,
  };
  const options = { env: environment, timeout: 30_000 }; // `run` would not end by itself
  return run(program, ['--config', gateway.file, command], options).then(
    ({ stdout, stderr }) => ({ code: 0, text: stdout + stderr }),
    ({ code, stdout, stderr }) => ({ code, text: stdout + stderr }),
  );
}

describe('a data directory that a gateway uses', () => {
  let gateway;
  let data;
  before(async () => {
    gateway = await Gateway.start();
    data = path.join(gateway.directory, 'data');
  });
  after(() => gateway?.remove());

  const namesHolder = (text) => {
    assert.match(text, new RegExp(`data/lock is locked by process ${gateway.child.pid};`));
    assert.match(text, /each gateway needs a directory of its own/);
  };

  test('is not opened by a second gateway', async () => {
    const file = path.join(data, 'erasures');
    const scene = await Scene.make(gateway);
    await scene.credited(0, 10_000);
    assert.equal((await gateway.admin('DELETE', `/v1/students/${scene.student}`)).status, 204);
    const log = fs.readFileSync(file, 'utf8');
    assert.match(log, new RegExp(scene.student));
    const { ino, mtimeMs } = fs.statSync(file);
    const { code, text } = await beside(gateway, 'run');
    assert.equal(code, 1, text);
    namesHolder(text);
    assert.equal(fs.readFileSync(file, 'utf8'), log);
    assert.deepEqual([fs.statSync(file).ino, fs.statSync(file).mtimeMs], [ino, mtimeMs]);
    assert.equal((await gateway.viewer('GET', '/v1/modules')).status, 200);
  });

  test('is not migrated', async () => {
    const { code, text } = await beside(gateway, 'migrate');
    assert.equal(code, 1, text);
    namesHolder(text);
  });

  test('may be checked', async () => {
    const { code, text } = await beside(gateway, 'check');
    assert.equal(code, 0, text);
    assert.match(text, /✓ store\.hot/);
    assert.doesNotMatch(text, /locked/);
  });

  test('is free once the gateway was killed', async () => {
    await gateway.end('SIGKILL');
    const { code, text } = await beside(gateway, 'migrate');
    assert.equal(code, 0, text);
    assert.match(text, /which is the latest; nothing to do/);
    await gateway.launch();
    assert.equal((await gateway.viewer('GET', '/v1/modules')).status, 200);
  });
});
