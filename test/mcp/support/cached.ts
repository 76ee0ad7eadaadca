import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'vm-agent');
const PEERS = join(import.meta.dirname, '../peers');

/** A folder that is made once for its content: whoever comes second finds it, and a broken attempt leaves nothing. */
async function cached(
  name: string,
  content: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 16);
  const folder = join(CACHE, `${name}-${hash}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const draft = mkdtempSync(join(CACHE, `${name}-`));
  try {
    await make(draft);
    if (!existsSync(folder)) renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}

/** `node_modules` with the programs of test/mcp/peers, as its lock says. */
export async function peerModules(): Promise<string> {
  const lock = readFileSync(join(PEERS, 'package-lock.json'), 'utf8');
  const folder = await cached('mcp-peers', lock, async (draft) => {
    for (const name of ['package.json', 'package-lock.json', '.npmrc'])
      cpSync(join(PEERS, name), join(draft, name));
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: draft });
  });
  return join(folder, 'node_modules');
}

/**
 * A Python with these packages. A virtual environment holds absolute paths, so it is made where it stays.
 * Undefined where there is no python3 that can make one.
 */
export async function pythonWith(requirements: readonly string[]): Promise<string | undefined> {
  try {
    await run('python3', ['-c', 'import venv, ensurepip']);
  } catch {
    return undefined;
  }
  const { stdout: version } = await run('python3', ['--version']);
  const text = `${version}${requirements.join('\n')}`;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const folder = join(CACHE, `mcp-python-${hash}`);
  const done = join(folder, 'complete');
  if (!existsSync(done)) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(CACHE, { recursive: true });
    await run('python3', ['-m', 'venv', folder]);
    await run(join(folder, 'bin/pip'), [
      'install',
      '--quiet',
      '--disable-pip-version-check',
      ...requirements,
    ]);
    mkdirSync(done);
  }
  return join(folder, 'bin/python');
}
