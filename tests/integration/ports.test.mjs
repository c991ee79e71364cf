// The ports that the tests give to their gateways.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import net from 'node:net';
import { promisify } from 'node:util';
import { ownPort } from './lib/ports.mjs';
import { describe, test } from './lib/test.mjs';
import { event, Hopeless, until } from './lib/wait.mjs';

describe('ports of tests', () => {
  test('two processes never get the same port, and the kernel gives it to nobody', async () => {
    const script = `import { ownPort } from './lib/ports.mjs';
      const ports = [];
      for (let i = 0; i < 100; ++i) ports.push(await ownPort());
      console.log(JSON.stringify(ports));
      process.stdin.resume();
      process.stdin.once('end', () => process.exit());`;
    const children = [1, 2, 3].map(() =>
      promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]),
    );
    // They hold their ports until their input ends, so all of them hold theirs at the same time.
    const outputs = await Promise.all(
      children.map(({ child }) => event('the ports', child.stdout, 'data')),
    );
    const ports = outputs.flatMap(([text]) => JSON.parse(text));
    for (let i = 0; i < 100; ++i) ports.push(await ownPort());
    for (const { child } of children) child.stdin.end();
    await Promise.all(children);
    assert.equal(ports.length, 400);
    assert.equal(new Set(ports).size, 400);
    const ephemeral = net.createServer();
    await event('a listener', ephemeral.listen(0, '127.0.0.1'), 'listening');
    assert.ok(Math.max(...ports) < ephemeral.address().port);
    ephemeral.close();
  });

  test('a wait ends at once when what it waits for can no longer come', async () => {
    let asked = 0;
    await assert.rejects(
      until('the program is ready', () => {
        ++asked;
        throw new Hopeless('it ended with 1');
      }),
      { message: 'the program is ready: it ended with 1' },
    );
    assert.equal(asked, 1);
  });
});
