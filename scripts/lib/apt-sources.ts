// Root file systems that we make come from where this machine gets its own packages: its mirrors, proxy and certificates.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface AptSources {
  /** The distribution's code name, `bookworm`. */
  readonly suite: string;
  /** Lines of sources.list and deb822 stanzas; each entry has one format only. */
  readonly entries: readonly string[];
}

/** What this machine's apt is told about its own distribution; other vendors' repositories are left out. */
export function readAptSources(etc = '/etc'): AptSources {
  const suite = /^VERSION_CODENAME=["']?([\w-]+)/m.exec(readFileSync(join(etc, 'os-release'), 'utf8'))?.[1];
  if (suite === undefined)
    throw new Error(`${etc}/os-release names no VERSION_CODENAME: only Debian and Ubuntu are known`);
  const suites = new Set([suite, `${suite}-updates`, `${suite}-security`, `${suite}/updates`]);
  const entries = sourceFiles(etc).flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    return file.endsWith('.sources') ? ownStanzas(text, suites) : ownLines(text, suites);
  });
  if (entries.length === 0)
    throw new Error(`${etc}/apt has no enabled source of ${suite} with the component main`);
  return { suite, entries };
}

/** The settings of this machine's apt without which its mirrors may not be reachable or accepted. */
export function readAptOptions(): readonly string[] {
  const dump = execFileSync('apt-config', ['dump'], { encoding: 'utf8' });
  const carried = /^Acquire::(https?|Check-Valid-Until|Check-Date|ForceIPv[46]|Retries)\b[^ ]* "[^"]+";$/i;
  return dump.split('\n').filter((line) => carried.test(line));
}

function sourceFiles(etc: string): string[] {
  const parts = join(etc, 'apt/sources.list.d');
  const names = existsSync(parts) ? readdirSync(parts).sort() : [];
  const files = names.filter((name) => /\.(list|sources)$/.test(name)).map((name) => join(parts, name));
  const main = join(etc, 'apt/sources.list');
  return existsSync(main) ? [main, ...files] : files;
}

function ownLines(text: string, suites: ReadonlySet<string>): string[] {
  return text.split('\n').filter((line) => {
    const words = line
      .replace(/#.*/, '')
      .replace(/\[[^\]]*\]/, '')
      .trim()
      .split(/\s+/);
    const [type, , suite, ...components] = words;
    return type === 'deb' && suite !== undefined && suites.has(suite) && components.includes('main');
  });
}

function ownStanzas(text: string, suites: ReadonlySet<string>): string[] {
  return text
    .split(/\n\s*\n/)
    .map((stanza) =>
      stanza
        .split('\n')
        .filter((line) => line.trim() !== '' && !line.startsWith('#'))
        .join('\n'),
    )
    .filter((stanza) => {
      const words = (field: string) =>
        (new RegExp(`^${field}:(.*)$`, 'im').exec(stanza)?.[1] ?? '').trim().split(/\s+/);
      return (
        words('Types').includes('deb') &&
        words('Suites').every((suite) => suites.has(suite)) &&
        words('Components').includes('main') &&
        !words('Enabled').includes('no')
      );
    });
}
