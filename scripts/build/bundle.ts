import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { PACKAGE, ROOT } from '../lib/root.ts';
import { leanPlugins } from './lean.ts';
import { PAGES, PROGRAMS } from './targets.ts';
import { xtermStyles } from './xterm.ts';

// Parts of the dependencies are CommonJS and call `require` for Node's own modules; an ESM file has none.
const REQUIRE =
  "import{createRequire as __vmAgentRequire}from'node:module';const require=__vmAgentRequire(import.meta.url);";

/**
 * Bundles the programs (those in `only`, or all) into `outFolder`. Names are kept, so that a stack trace from a VM
 * can be read; a dynamic import stays one, evaluated when it is first reached.
 */
export async function bundlePrograms(
  outFolder: string,
  only: readonly string[],
  version: string = PACKAGE.version,
): Promise<Metafile[]> {
  const chosen = PROGRAMS.filter(({ name }) => !only.length || only.includes(name));
  return Promise.all(
    chosen.map(async ({ name, entry, external = [] }) => {
      const { metafile } = await build({
        absWorkingDir: ROOT,
        entryPoints: [entry],
        outfile: join(outFolder, `${name}.mjs`),
        bundle: true,
        external: [...external],
        platform: 'node',
        format: 'esm',
        target: 'node24',
        banner: { js: REQUIRE },
        plugins: [...leanPlugins],
        define: { VM_AGENT_VERSION: JSON.stringify(version) },
        minifySyntax: true,
        minifyWhitespace: true,
        legalComments: 'none',
        metafile: true,
        logLevel: 'warning',
      });
      return metafile;
    }),
  );
}

/** Bundles what runs in the browser. */
export async function bundlePages(outFolder: string): Promise<Metafile[]> {
  return Promise.all(
    PAGES.map(async ({ out, entry }) => {
      const { metafile } = await build({
        absWorkingDir: ROOT,
        entryPoints: [entry],
        outfile: join(outFolder, out),
        bundle: true,
        platform: 'browser',
        format: 'esm',
        target: 'es2022',
        plugins: [xtermStyles],
        define: { VM_AGENT_VERSION: JSON.stringify(PACKAGE.version) },
        minify: true,
        legalComments: 'none',
        metafile: true,
        logLevel: 'warning',
      });
      return metafile;
    }),
  );
}
