import { readFileSync } from 'node:fs';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Where the hub of `npm run dev` listens; the dev server hands API calls on to it. */
const hub = env['UNDERPASS_HUB'] ?? 'http://127.0.0.1:8080';

/** KaTeX names each font three times; every browser that runs our code reads woff2. */
function onlyWoff2(): Plugin {
  return {
    name: 'only-woff2',
    enforce: 'pre',
    transform(code, id) {
      if (!id.includes('katex') || !id.split('?')[0]?.endsWith('.css')) return null;
      return code.replaceAll(/,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\(["'][a-z]+["']\)/g, '');
    },
  };
}

/** Puts the script that sets the theme before the first paint into the head, as a hashed file of its own. */
function firstTheme(): Plugin {
  const path = '/src/first-theme.js';
  let reference: string | null = null;
  return {
    name: 'first-theme',
    // After the page itself has been written into the bundle.
    enforce: 'post',
    buildStart() {
      if (this.environment.config.command !== 'build') return;
      const source = readFileSync(new URL(`.${path}`, import.meta.url), 'utf8');
      reference = this.emitFile({ type: 'asset', name: 'first-theme.js', source });
    },
    generateBundle(_options, bundle) {
      const page = bundle['index.html'];
      if (reference === null || page?.type !== 'asset') return;
      const html = typeof page.source === 'string' ? page.source : new TextDecoder().decode(page.source);
      page.source = html.replace('src="/first-theme"', `src="/${this.getFileName(reference)}"`);
    },
    transformIndexHtml(_html, context) {
      const src = context.server === undefined ? '/first-theme' : path;
      return [{ tag: 'script', attrs: { src }, injectTo: 'head-prepend' }];
    },
  };
}

export default defineConfig({
  plugins: [onlyWoff2(), firstTheme()],
  build: {
    outDir: fileURLToPath(new URL('../src/underpass/hub/static', import.meta.url)),
    emptyOutDir: true,
    target: ['chrome111', 'firefox115', 'safari16.4'],
    // The Content-Security-Policy allows pictures from data:, but fonts and scripts only from files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    port: 5173,
    proxy: Object.fromEntries(['/api', '/v1', '/manual'].map((path) => [path, { target: hub }])),
  },
  test: {
    include: ['src/**/*.test.{ts,tsx}'],
    environment: 'jsdom',
    maxWorkers: 2,
    // A machine that is busy with other work is no failure.
    testTimeout: 30_000,
  },
});
