import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { unpackTar } from 'modern-tar';
import { PACKAGE, ROOT } from '../lib/root.ts';
import { archive } from './archive.ts';

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'vm-agent');

/** The platforms whose Node package.json pins. */
export const PINNED_PLATFORMS = Object.keys(PACKAGE.optionalDependencies)
  .filter((name) => name.startsWith('node-'))
  .map((name) => name.slice('node-'.length));

/** The installed runtime of `platform` (`linux-x64`) as a tar.gz, or undefined where npm did not install it. */
export async function installedRuntime(platform: string): Promise<Buffer | undefined> {
  const folder = join(ROOT, 'node_modules', `node-${platform}`);
  if (!existsSync(join(folder, 'bin/node'))) return undefined;
  const node = readFileSync(join(folder, 'bin/node'));
  return cached(platform, createHash('sha256').update(node).digest('hex'), async () =>
    pack(node, readFileSync(join(folder, 'LICENSE'))),
  );
}

/** The runtime of a platform that is not this machine's, fetched by npm and checked against the lockfile. */
export async function fetchedRuntime(platform: string): Promise<Buffer> {
  const name = `node-${platform}`;
  return cached(platform, createHash('sha256').update(integrityOf(name)).digest('hex'), async () => {
    const file = await fetchedPackage(name);
    return pack(file('bin/node'), file('LICENSE'));
  });
}

function integrityOf(name: string): string {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  const integrity: unknown = lock.packages[`node_modules/${name}`]?.integrity;
  if (typeof integrity === 'string') return integrity;
  throw new Error(`package-lock.json has no integrity for ${name}`);
}

/** The files of an optional dependency that npm does not install on this machine. */
export async function fetchedPackage(name: string): Promise<(path: string) => Uint8Array> {
  const integrity = integrityOf(name);
  const folder = mkdtempSync(join(tmpdir(), 'vm-agent-package-'));
  try {
    const spec = `${name}@${PACKAGE.optionalDependencies[name]}`;
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder, spec], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [tgz = ''] = readdirSync(folder);
    const tarball = readFileSync(join(folder, tgz));
    const actual = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
    if (actual !== integrity) throw new Error(`${spec}: got ${actual}, package-lock.json says ${integrity}`);
    const entries = await unpackTar(gunzipSync(tarball));
    return (path) => {
      const data = entries.find(({ header }) => header.name === `package/${path}`)?.data;
      if (!data) throw new Error(`${spec} holds no ${path}`);
      return data;
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pack(node: Uint8Array, license: Uint8Array): Promise<Buffer> {
  return archive([
    { name: 'node', body: node, executable: true },
    { name: 'LICENSE', body: license },
  ]);
}

/** Packing 120 MB takes seconds and always gives the same bytes, so the result is kept between builds. */
async function cached(platform: string, inputSha256: string, make: () => Promise<Buffer>): Promise<Buffer> {
  const version = PACKAGE.optionalDependencies[`node-${platform}`];
  const path = join(CACHE, `runtime-${version}-${platform}-${inputSha256.slice(0, 16)}.tar.gz`);
  if (existsSync(path)) return readFileSync(path);
  const made = await make();
  try {
    mkdirSync(CACHE, { recursive: true });
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, made);
    renameSync(temporary, path);
  } catch (error) {
    console.warn(`  not kept for the next build: ${error instanceof Error ? error.message : String(error)}`);
  }
  return made;
}
