import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const backend = process.env.SUPABASE_URL ?? 'http://127.0.0.1:54321'
const backendPaths = [
  ...['/auth/v1', '/config.json', '/functions/v1', '/realtime/v1', '/rest/v1', '/storage/v1'],
]

export default defineConfig({
  // The page also works in a folder of a host.
  base: './',
  resolve: {
    // `@ai-sdk/react` names the version before: one of them is enough.
    dedupe: ['ai'],
    alias: {
      'colloquy/client': at('../client/index.ts'),
      'colloquy/database': at('../client/database.ts'),
      'zod/v3': at('zod-v3.ts'),
    },
  },
  build: {
    target: 'es2022',
    // The content security policy has no exception for what stands in the page itself.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // `npx vite web` shows each change at once, over the backend of `npm start`.
  server: {
    proxy: Object.fromEntries(backendPaths.map((path) => [path, { target: backend, ws: true }])),
  },
})
