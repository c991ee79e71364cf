import { defineConfig } from 'vitest/config';
import { MANGLED_NAMES } from './mangled-names.js';

export default defineConfig({
  // A loaded machine is slow, not wrong.
  test: { testTimeout: 60_000 },
  build: {
    target: 'es2022',
    lib: { entry: 'src/index.ts', formats: ['es'], fileName: () => 'watchkeeper.js' },
    sourcemap: true,
    rolldownOptions: {
      optimization: { inlineConst: { mode: 'all', pass: 3 } },
      output: {
        // For ES modules Vite keeps white space, for the sake of annotations; nothing here needs those.
        comments: { annotation: false },
        minify: {
          compress: true,
          mangle: true,
          codegen: true,
          mangleProps: { include: new RegExp(`^(${MANGLED_NAMES.join('|')})$`) },
        },
      },
    },
  },
});
