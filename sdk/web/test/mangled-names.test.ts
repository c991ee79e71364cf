// Renaming a property that somebody else knows would break the module in its built form only.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { expect, test } from 'vitest';
import { MANGLED_NAMES } from '../mangled-names.js';

const source = (name: string): string =>
  readFileSync(new URL(`../src/${name}`, import.meta.url), 'utf8');

/** The members of an interface. */
function membersOf(file: string, name: string): string[] {
  const body = new RegExp(`interface ${name}[^{]*\\{([^]*?)\\n\\}`).exec(source(file))?.[1];
  expect(body, `${name} in ${file}`).toBeDefined();
  const members = [...body!.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(
    ([, member]) => member!,
  );
  expect(members.length).toBeGreaterThan(1);
  return members;
}

test('no mangled name is stored, sent to other tabs, or part of a token', () => {
  const seen = [
    ['buffer.ts', 'PendingHeartbeat'],
    ['store.ts', 'QueueState'],
    ['clock.ts', 'Reading'],
    ['clock.ts', 'Moment'],
    ['device.ts', 'DeviceKey'],
    ['device.ts', 'Enrolment'],
    ['token.ts', 'PublicJwk'],
    ['token.ts', 'TokenClaims'],
  ].flatMap(([file, name]) => membersOf(file!, name!));
  expect(MANGLED_NAMES.filter((name) => seen.includes(name))).toEqual([]);
});

test('no mangled name is seen by the application', () => {
  const types = [...source('types.ts').matchAll(/(\w+)\??:/g)].map(([, name]) => name);
  const methods = [
    ...source('tracker.ts').matchAll(/^ {2}(?:async |readonly |get )?(\w+)[:(<]/gm),
  ].map(([, name]) => name);
  expect(methods).toEqual(
    expect.arrayContaining(['enrolment', 'flush', 'ready', 'session', 'status', 'stop']),
  );
  expect(MANGLED_NAMES.filter((name) => types.includes(name) || methods.includes(name))).toEqual(
    [],
  );
});

test('no mangled name is one of the language or the browser, or of a response of the gateway', () => {
  const require = createRequire(import.meta.url);
  const platform = `@typescript/typescript-${process.platform}-${process.arch}/package.json`;
  const folder = path.join(
    path.dirname(createRequire(require.resolve('typescript/package.json')).resolve(platform)),
    'lib',
  );
  const files = readdirSync(folder).filter((name) =>
    /^lib\.(dom|es\d+|esnext)\b.*\.d\.ts$/.test(name),
  );
  expect(files).toContain('lib.dom.d.ts');
  const theirs = new Set(
    files.flatMap((name) =>
      [
        ...readFileSync(path.join(folder, name), 'utf8').matchAll(
          /^\s+(?:readonly |get |set )*(\w+)\??[:(<]/gm,
        ),
      ].map(([, member]) => member),
    ),
  );
  expect(theirs.has('currentTime') && theirs.has('subtle')).toBe(true);
  const known = [
    ...source('response.ts').matchAll(/body\['(\w+)'\]|result\['(\w+)'\]|(\w+): \w+,/g),
  ].flatMap(([, ...names]) => names);
  expect(known).toContain('server_time');
  expect(MANGLED_NAMES.filter((name) => theirs.has(name) || known.includes(name))).toEqual([]);
});
