// Builds the one script of the preview page: node build.mjs OUT.js. What package.json overrides is named there because
// Grafana's components would load it and no panel of a dashboard needs it; it is not installed, and nothing stands for it.
import { readFileSync } from 'node:fs';
import { build } from 'esbuild';

const { overrides } = JSON.parse(readFileSync('package.json', 'utf8'));
const unused = new RegExp(`^(${Object.keys(overrides).join('|')})(/.*)?$`);

const NOTHING = `
const nothing = new Proxy(function () {}, {
  get: (self, key) => (key === '__esModule' ? false : key === 'prototype' ? self.prototype : nothing),
  apply: () => nothing,
});
module.exports = nothing;`;

const slim = {
  name: 'slim',
  setup(builder) {
    builder.onResolve({ filter: unused }, () => ({ path: 'nothing', namespace: 'nothing' }));
    builder.onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: NOTHING, loader: 'js' }));
    // A preview shows UTC, or the time of the reader's own machine: the table of all zones is not needed for either.
    builder.onLoad({ filter: /moment-timezone\/data\/packed\/latest\.json$/ }, () => ({
      contents: '{"version": "none", "zones": [], "links": [], "countries": []}',
      loader: 'json',
    }));
    builder.onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
      loader: 'js',
    }));
  },
};

const made = await build({
  entryPoints: ['src/main.jsx'],
  outfile: process.argv[2],
  bundle: true,
  format: 'esm',
  minify: true,
  metafile: true,
  legalComments: 'none',
  charset: 'utf8',
  target: 'es2022',
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"', 'process.env.JEST_WORKER_ID': 'undefined' },
  loader: { '.svg': 'dataurl' },
  plugins: [slim],
  logLevel: 'warning',
});
for (const [path, { bytes }] of Object.entries(made.metafile.outputs)) {
  console.log(`${path} ${bytes} bytes`);
}
