import { builtinModules } from 'node:module';
import { dirname } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * Node's own modules by `require`. An `import` of a built-in reads every export to make its namespace, and reading
 * `WebSocket` of node:http loads all of undici: 35 ms and 13 MB that nothing here uses.
 */
const builtinsByRequire: Plugin = {
  name: 'builtins-by-require',
  setup(build) {
    const builtin = new Set(builtinModules);
    build.onResolve({ filter: /^[a-z_:/0-9]+$/ }, ({ path, kind }) =>
      kind === 'import-statement' && (path.startsWith('node:') || builtin.has(path))
        ? { path, namespace: 'builtin', sideEffects: false }
        : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)})`,
      loader: 'js',
    }));
  },
};

/** zod names its messages in fifty languages, reachable from its one export; only English is spoken: 290 KB and 3 MB less. */
const oneLocale: Plugin = {
  name: 'one-locale',
  setup(build) {
    build.onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, ({ path }) => ({
      contents: "export { default as en } from './en.js';",
      loader: 'js',
      resolveDir: dirname(path),
    }));
  },
};

/** What keeps the programs small and quick to start. */
export const leanPlugins: readonly Plugin[] = [builtinsByRequire, oneLocale];
