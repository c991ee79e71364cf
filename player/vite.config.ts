import { defineConfig } from 'vite';

// Relative addresses: the page works under any path.
export default defineConfig({
  base: './',
  build: { target: 'es2022', chunkSizeWarningLimit: 600, modulePreload: { polyfill: false } },
});
