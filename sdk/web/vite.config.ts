import { defineConfig } from 'vite';

export default defineConfig({
  build: {
    target: 'es2022',
    lib: { entry: 'src/index.ts', formats: ['es'], fileName: () => 'watchkeeper.js' },
    sourcemap: true,
    // For ES modules Vite keeps white space; nothing here needs the annotations that it would spoil.
    rolldownOptions: { output: { minify: { compress: true, mangle: true, codegen: true } } },
  },
});
