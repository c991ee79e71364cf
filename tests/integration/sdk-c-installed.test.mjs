// The C SDK as it is installed: what others build against.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { runSync } from './lib/command.mjs';
import { program } from './lib/gateway.mjs';
import { temporaryDirectory } from './lib/stores.mjs';
import { after, before, describe, test } from './lib/test.mjs';

describe('the C SDK as it is installed', { concurrency: 1 }, () => {
  const build = path.dirname(program);
  const source = path.resolve(import.meta.dirname, '../..');
  let directory;
  let environment;
  before(() => {
    directory = temporaryDirectory('sdk-c');
    runSync('cmake', ['--install', build, '--component', 'client', '--prefix', directory], {
      stdio: 'ignore',
    });
    const found = runSync('find', [directory, '-name', '*.pc'], { encoding: 'utf8' }).trim();
    // The prefix of the configuration is another than this directory.
    const text = fs
      .readFileSync(found, 'utf8')
      .replaceAll(/^prefix=.*$/gm, `prefix=${directory}`)
      .replace(/^libdir=.*$/m, `libdir=${path.dirname(path.dirname(found))}`)
      .replace(/^includedir=.*$/m, `includedir=${directory}/include`);
    fs.writeFileSync(found, text);
    environment = {
      ...process.env,
      PKG_CONFIG_PATH: path.dirname(found),
      LD_LIBRARY_PATH: path.dirname(path.dirname(found)),
    };
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  const flags = (...more) =>
    runSync('pkg-config', ['--cflags', '--libs', ...more, 'watchkeeper-client'], {
      encoding: 'utf8',
      env: environment,
    })
      .trim()
      .split(/\s+/);
  function identityOf(executable) {
    const key = path.join(directory, `${path.basename(executable)}.pem`);
    const identity = JSON.parse(
      runSync(executable, ['--identity', '--key', key], { encoding: 'utf8', env: environment }),
    );
    assert.match(identity.kid, /^[A-Za-z0-9_-]{43}$/);
    assert.match(
      runSync('openssl', ['pkey', '-in', key, '-noout', '-text'], { encoding: 'utf8' }),
      /prime256v1/,
    );
  }

  test('a C11 program builds against the shared library by pkg-config alone', () => {
    const out = path.join(directory, 'shared');
    runSync('cc', [
      '-std=c11',
      '-Wall',
      '-Wextra',
      '-Wpedantic',
      '-Werror',
      path.join(source, 'sdk/examples/watch.c'),
      '-o',
      out,
      ...flags(),
    ]);
    identityOf(out);
  });

  test('what the documentation shows compiles as it stands there', () => {
    const text = fs.readFileSync(path.join(source, 'docs/sdk-c.md'), 'utf8');
    const blocks = [...text.matchAll(/^```c\n(.*?)^```$/gms)].map(([, block]) => block);
    assert.ok(blocks.length >= 3);
    // What the host has: names that the text takes for granted.
    let program = `#include <watchkeeper.h>
      int platform_begin(void *user, wk_client *client, const wk_request *request);
      void platform_cancel(void *user, uint64_t id);\n`;
    blocks.forEach((block, i) => {
      const client = block.includes('wk_client *client =') ? '' : 'wk_client *client, ';
      program += block.startsWith('static')
        ? block
        : `void shown_${i}(${client}int64_t position_ms);\nvoid shown_${i}(${client}int64_t position_ms) {
             char text[256]; (void)text; (void)position_ms;\n${block}}\n`;
    });
    const file = path.join(directory, 'shown.c');
    fs.writeFileSync(file, program);
    runSync('cc', [
      '-std=c11',
      '-Wall',
      '-Wextra',
      '-Wpedantic',
      '-Werror',
      '-Wno-unused-function',
      '-c',
      file,
      '-o',
      path.join(directory, 'shown.o'),
      ...flags().filter((flag) => flag.startsWith('-I')),
    ]);
  });

  test('and against the static one', () => {
    const out = path.join(directory, 'static');
    const libdir = environment.LD_LIBRARY_PATH;
    const list = flags('--static').map((flag) =>
      flag === '-lwatchkeeper_client' ? path.join(libdir, 'libwatchkeeper_client.a') : flag,
    );
    runSync('cc', ['-std=c11', path.join(source, 'sdk/examples/watch.c'), '-o', out, ...list]);
    identityOf(out);
  });

  test('the C++ header is C++17 and owns what it opens', () => {
    const file = path.join(directory, 'app.cpp');
    fs.writeFileSync(
      file,
      `
      #include <watchkeeper.hpp>
      #include <cassert>
      int main(int, char** arguments) {
        auto options = watchkeeper_sdk::default_options();
        options.student = "ada";
        options.url = "https://localhost:1";
        try { watchkeeper_sdk::client none{options}; return 1; }
        catch (const watchkeeper_sdk::error& e) { assert(e.code() == WK_ERROR_KEY); }
        options.key_path = arguments[1];
        int failures = 0;
        watchkeeper_sdk::client one{options, {{}, {}, [&](wk_failure, const char*) { ++failures; }}};
        auto two = std::move(one);
        assert(two.open("m") && two.play(0) && !two.position(-7) && two.pause(400));
        while (failures == 0) two.wait(100);
        assert(two.status().buffered == 1 && two.identity().kid[42] != 0);
      }`,
    );
    const out = path.join(directory, 'app');
    runSync('c++', [
      '-std=c++17',
      '-Wall',
      '-Wextra',
      '-Wpedantic',
      '-Werror',
      file,
      '-o',
      out,
      ...flags(),
    ]);
    runSync(out, [path.join(directory, 'app.pem')], { env: environment });
  });

  test('the shared library shows the functions of the header and nothing else', () => {
    const library = path.join(environment.LD_LIBRARY_PATH, 'libwatchkeeper_client.so');
    const shown = runSync('nm', ['-D', '--defined-only', library], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => line.split(' ').at(-1).split('@')[0])
      .sort();
    const header = fs.readFileSync(path.join(directory, 'include/watchkeeper.h'), 'utf8');
    const declared = [...header.matchAll(/^WK_API [a-z_0-9 *]*?(wk_[a-z_]+)\(/gm)]
      .map(([, name]) => name)
      .sort();
    assert.ok(declared.length > 25);
    assert.deepEqual(shown, declared);
  });
});
