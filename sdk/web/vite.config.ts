import { defineConfig } from 'vitest/config';

export default defineConfig({
  // A loaded machine is slow, not wrong.
  test: { testTimeout: 60_000 },
  build: {
    target: 'es2022',
    lib: { entry: 'src/index.ts', formats: ['es'], fileName: () => 'watchkeeper.js' },
    sourcemap: true,
    // For ES modules Vite keeps white space; nothing here needs the annotations that it would spoil.
    rolldownOptions: { output: { minify: { compress: true, mangle: true, codegen: true } } },
  },
});
