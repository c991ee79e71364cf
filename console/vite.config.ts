import { defineConfig } from 'vitest/config';

// The gateway embeds what this makes and serves it under /console/ with a strict content security
// policy: nothing may end up inline, neither code nor style nor small pictures.
export default defineConfig({
  base: '/console/',
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    manifest: 'manifest.json',
    reportCompressedSize: false,
  },
  server: {
    port: 5173,
    // `npm run mock` serves the calls beside `npm run dev`; a real gateway does as well.
    proxy: {
      '/v1': {
        target: process.env['WATCHKEEPER_ORIGIN'] ?? 'https://127.0.0.1:8444',
        secure: false,
      },
      '/preview': {
        target: process.env['WATCHKEEPER_ORIGIN'] ?? 'https://127.0.0.1:8444',
        secure: false,
      },
    },
  },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
});
