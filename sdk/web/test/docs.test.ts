// What docs/sdk-web.md shows must be as the types are.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../../..');

test('the lines that the documentation shows pass the type checker', () => {
  const text = fs.readFileSync(path.join(root, 'docs/sdk-web.md'), 'utf8');
  const [, shown] = /^```ts\n(.*?)^```$/ms.exec(text)!;
  const folder = fs.mkdtempSync(path.join(root, 'node_modules', '.shown-'));
  try {
    // What the page has of its own.
    const page =
      'declare function showPercentage(percentage: number): void;\ndeclare function showBadge(): void;\n';
    fs.writeFileSync(
      path.join(folder, 'page.ts'),
      shown!.replace('@watchkeeper/web', '../../sdk/web/src/index.js') + page,
    );
    fs.writeFileSync(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../sdk/web/tsconfig.json',
        include: ['page.ts'],
        compilerOptions: { noEmit: true },
      }),
    );
    execFileSync(path.join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' });
  } catch (error) {
    expect((error as { stdout?: string }).stdout ?? String(error)).toBe('');
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
