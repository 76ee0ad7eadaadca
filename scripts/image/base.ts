import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '../../protocol/errors.ts';
import { readAptOptions, readAptSources } from '../lib/apt-sources.ts';

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'vm-agent');
const STALE_DAYS = 30;
/** Those that this run made: two images share a base. */
const fresh = new Set<string>();

/** Documentation and translations: nothing that runs. */
const EXCLUDED = ['man', 'doc', 'locale', 'info', 'lintian', 'bash-completion'].map(
  (name) => `/usr/share/${name}/*`,
);
/** Licences stay with what they are of. */
const INCLUDED = ['/usr/share/doc/*/copyright'];

export interface Base {
  /** A tar archive, not compressed. */
  readonly tar: string;
  /** The distribution's code name, `bookworm`. */
  readonly suite: string;
  readonly cached: boolean;
}

/**
 * A root file system of this machine's own distribution and sources: its essential packages, without apt, and `packages`.
 * Kept in the cache; `refresh` makes it anew, with what updates there are.
 * @throws AppError `step_failed`, with what mmdebstrap said
 */
export async function provideBase(options: {
  /** As Debian calls it: amd64, arm64. */
  arch: string;
  packages: readonly string[];
  /** Path of base.sh, which is run in it. */
  script: string;
  refresh: boolean;
  /** Seconds: no file of it is younger. */
  epoch: number;
  say(line: string): void;
}): Promise<Base> {
  const { arch, packages, script, say } = options;
  const { suite, entries } = readAptSources();
  const recipe = [arch, suite, entries, packages, readFileSync(script, 'utf8'), EXCLUDED, INCLUDED];
  const hash = createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16);
  const tar = join(CACHE, `image-base-${hash}.tar`);
  if (existsSync(tar) && (!options.refresh || fresh.has(tar))) {
    const days = Math.floor((Date.now() - statSync(tar).mtimeMs) / 86_400_000);
    if (days >= STALE_DAYS)
      say(`the base is ${days} days old: --refresh-base makes it anew, with its security updates`);
    return { tar, suite, cached: true };
  }
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'vm-agent-base-'));
  try {
    const made = join(CACHE, `.image-base-${process.pid}.tar`);
    const sources = entries.map((entry, index) => {
      const file = join(work, `source-${index}${/^\w+:/m.test(entry) ? '.sources' : '.list'}`);
      writeFileSync(file, `${entry}\n`);
      return file;
    });
    const argv = [
      '--variant=essential',
      '--format=tar',
      `--architectures=${arch}`,
      `--include=${packages.join(',')}`,
      ...EXCLUDED.map((path) => `--dpkgopt=path-exclude=${path}`),
      ...INCLUDED.map((path) => `--dpkgopt=path-include=${path}`),
      ...readAptOptions().map((line) => `--aptopt=${line}`),
      `--customize-hook=chroot "$1" sh <'${script.replaceAll("'", "'\\''")}'`,
      // Its own names, which an engine puts in place itself, and ways to packages that it has no apt for.
      '--customize-hook=rm -rf "$1/etc/hostname" "$1/etc/resolv.conf" "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.d" "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"',
      suite,
      made,
      ...sources,
    ];
    await runLoudly('mmdebstrap', argv, { SOURCE_DATE_EPOCH: String(options.epoch) });
    renameSync(made, tar);
    fresh.add(tar);
    return { tar, suite, cached: false };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @throws AppError `step_failed`, with the last lines of what it printed */
async function runLoudly(program: string, args: readonly string[], env: Record<string, string>) {
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-8000);
  });
  const [code] = await once(child, 'close');
  if (code === 0) return;
  const lines = said.trim().split('\n');
  const foreign = /executed natively|qemu/.test(said);
  throw new AppError('step_failed', {
    detail: `${program} ended with ${code}:\n${lines.slice(-8).join('\n')}`,
    hint: foreign
      ? 'Packages of another processor are set up by emulation: apt-get install qemu-user-static binfmt-support'
      : 'It takes packages from this machine’s own apt sources: see whether `apt-get update` works.',
  });
}
