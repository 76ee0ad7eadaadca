import { AppError } from '../../protocol/errors.ts';

/** What an image is made of and how it starts, as its Containerfile says. */
export interface Recipe {
  /** Debian packages beside the essential ones. */
  readonly packages: readonly string[];
  /** Files of dist/, in order: `from` as it stands there, `to` a path in the image, a folder where it ends in `/`. */
  readonly copies: readonly { readonly from: readonly string[]; readonly to: string }[];
  /** Where the unpacked Node runtime goes. */
  readonly runtime: string;
  readonly config: ImageConfig;
}

/** The part of the image's configuration that a Containerfile sets. */
export interface ImageConfig {
  readonly user: { readonly uid: number; readonly gid: number };
  readonly workdir: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  /** `8080/tcp`. */
  readonly ports: readonly string[];
  readonly stopSignal: string;
}

/**
 * Reads the last stage of a Containerfile. What RUN does is not interpreted: base.ts does the same for the one base
 * that it makes. Anything that is not known here is refused, so that nothing gets lost between the two ways to build.
 * @throws AppError `config_invalid`
 */
export function readContainerfile(text: string, args: Readonly<Record<string, string>>): Recipe {
  const variables: Record<string, string> = {};
  const fill = (word: string) => word.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => variables[name] ?? '');
  const found = {
    copies: [] as { from: string[]; to: string }[],
    runtime: '',
    user: '',
    workdir: '/',
    entrypoint: [] as string[],
    cmd: [] as string[],
    env: {} as Record<string, string>,
    labels: {} as Record<string, string>,
    volumes: [] as string[],
    ports: [] as string[],
    stopSignal: 'SIGTERM',
  };
  const stages = stagesOf(text);
  for (const { word, rest } of [...(stages[0] ?? []), ...(stages.at(-1) ?? [])]) {
    switch (word) {
      case 'ARG': {
        const [name = '', value = ''] = keyAndValue(rest);
        variables[name] = args[name] ?? (rest.includes('=') ? value : (variables[name] ?? ''));
        break;
      }
      case 'COPY': {
        const words = rest.split(/\s+/);
        const to = words.pop() ?? '';
        if (words[0]?.startsWith('--from=')) found.runtime = to;
        else found.copies.push({ from: words, to });
        break;
      }
      case 'ENV':
        Object.assign(found.env, pairs(fill(rest)));
        break;
      case 'LABEL':
        Object.assign(found.labels, pairs(fill(rest)));
        break;
      case 'USER':
        found.user = rest;
        break;
      case 'WORKDIR':
        found.workdir = rest;
        break;
      case 'STOPSIGNAL':
        found.stopSignal = rest;
        break;
      case 'EXPOSE':
        found.ports.push(...rest.split(/\s+/));
        break;
      case 'VOLUME':
        found.volumes.push(...list(word, rest));
        break;
      case 'ENTRYPOINT':
        found.entrypoint = list(word, rest);
        break;
      case 'CMD':
        found.cmd = list(word, rest);
        break;
      case 'RUN':
        break;
      default:
        throw invalid(`${word} is not known here`);
    }
  }
  const { copies, runtime, user, ...config } = found;
  const [, uid, gid] = /^(\d+):(\d+)$/.exec(user) ?? [];
  if (uid === undefined || gid === undefined) throw invalid('USER must be UID:GID, in numbers');
  if (runtime === '' || config.entrypoint.length === 0)
    throw invalid('COPY --from of the runtime, or ENTRYPOINT, is missing');
  const packages = (variables['PACKAGES'] ?? '').split(/\s+/).filter(Boolean);
  return { packages, copies, runtime, config: { ...config, user: { uid: Number(uid), gid: Number(gid) } } };
}

/** The instructions before the first FROM, and those of each stage; comments gone, continued lines joined. */
function stagesOf(text: string): { word: string; rest: string }[][] {
  const stages: { word: string; rest: string }[][] = [[]];
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/\\\n\s*/g, ' ');
  for (const line of lines.split('\n').filter((each) => each.trim() !== '')) {
    const [, word = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line.trim()) ?? [];
    if (word === 'FROM') stages.push([]);
    else stages.at(-1)?.push({ word, rest });
  }
  return stages;
}

const keyAndValue = (text: string): [string, string] => {
  const [, key = text, value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  return [key, value.replace(/^"(.*)"$/s, '$1')];
};

/** `a=1 b="two words"`. */
const pairs = (text: string): Record<string, string> =>
  Object.fromEntries([...text.matchAll(/[^\s=]+=(?:"[^"]*"|\S*)/g)].map(([pair]) => keyAndValue(pair)));

function list(word: string, text: string): string[] {
  try {
    const parsed: unknown = JSON.parse(text);
    if (Array.isArray(parsed) && parsed.every((each) => typeof each === 'string')) return parsed;
  } catch {
    // Said below, as for a list of anything else.
  }
  throw invalid(`${word} must be a JSON list of strings`);
}

const invalid = (what: string): AppError =>
  new AppError('config_invalid', {
    detail: `The Containerfile cannot be used: ${what}.`,
    hint: 'Correct it, or teach scripts/image/containerfile.ts about it.',
  });
