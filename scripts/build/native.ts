import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE, ROOT } from '../lib/root.ts';
import { fetchedPackage } from './runtime.ts';

const PREFIX = '@lydell/node-pty-';

/** The platforms whose native part of a terminal package.json pins. */
const PLATFORMS = Object.keys(PACKAGE.optionalDependencies)
  .filter((name) => name.startsWith(PREFIX))
  .map((name) => name.slice(PREFIX.length));

/**
 * `<dist>/native/<platform>/pty.node`, which stays beside the bundle: code of the machine cannot go into it. It needs no
 * particular version of Node. Answers the platforms that are missing.
 */
export async function copyNative(dist: string, options: { all: boolean }): Promise<string[]> {
  const missing: string[] = [];
  for (const platform of PLATFORMS) {
    const folder = join(dist, 'native', platform);
    const installed = join(ROOT, 'node_modules', `${PREFIX}${platform}`, 'pty.node');
    if (!existsSync(installed) && !options.all) {
      missing.push(platform);
      continue;
    }
    mkdirSync(folder, { recursive: true });
    const to = join(folder, 'pty.node');
    if (existsSync(installed)) copyFileSync(installed, to);
    else writeFileSync(to, (await fetchedPackage(`${PREFIX}${platform}`))('pty.node'));
  }
  // The packages of the platforms carry no text of their licence.
  copyFileSync(join(ROOT, 'scripts/build/node-pty-LICENSE.txt'), join(dist, 'native', 'LICENSE'));
  return missing;
}
