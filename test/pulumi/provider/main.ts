// A test double of Pulumi's `command` provider 1.2.1: a process that the real engine starts and speaks to, with the
// real one's semantics as far as the components lean on them. It is not the provider that people run.
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { log, output, type Resource } from '@pulumi/pulumi';
import { main, type Provider } from '@pulumi/pulumi/provider/index.js';
import { resetOptions } from '@pulumi/pulumi/runtime/settings.js';
import { type Log, runCommand } from './command.ts';
import { copyToRemote, needsCopy, sourceObstacle } from './copy.ts';
import { CONNECTION_DEFAULTS, connectionObstacle } from './ssh.ts';
import { inside, isObject, type Properties, properties, text, unwrapped } from './values.ts';

const COMMAND = [
  'create',
  'update',
  'delete',
  'stdin',
  'logging',
  'triggers',
  'environment',
  'addPreviousOutputInEnv',
];
const INPUTS: Readonly<Record<string, readonly string[]>> = {
  'command:local:Command': [...COMMAND, 'dir', 'interpreter'],
  'command:remote:Command': [...COMMAND, 'connection'],
  'command:remote:CopyToRemote': ['connection', 'remotePath', 'source', 'triggers'],
};

const typeOf = (urn: string): string => urn.split('::')[2]?.split('$').at(-1) ?? '';
const nameOf = (urn: string): string => urn.split('::').slice(3).join('::');
const kindOf = (urn: string): 'local' | 'remote' => (typeOf(urn).includes(':local:') ? 'local' : 'remote');
const isCopy = (urn: string): boolean => typeOf(urn) === 'command:remote:CopyToRemote';
const inputsOf = (urn: string): readonly string[] => {
  const inputs = INPUTS[typeOf(urn)];
  if (inputs === undefined) throw new Error(`this test double of the command provider has no ${typeOf(urn)}`);
  return inputs;
};
const hex = (): string => randomBytes(4).toString('hex');

/** The value that stands for what a preview does not know yet. */
const UNKNOWN = '04da6b54-80e4-46f7-96ec-b56ff0331ba9';

function logFor(urn: string): Log {
  const resource = { urn: output(urn) } as unknown as Resource;
  return {
    status: (line) => void log.info(line, resource, undefined, true),
    warning: (line) => void log.warn(line, resource),
    error: (line) => void log.error(line, resource),
  };
}

async function run(urn: string, command: unknown, props: Properties, olds: Properties): Promise<Properties> {
  if (typeof command !== 'string') return { stdout: olds['stdout'] ?? '', stderr: olds['stderr'] ?? '' };
  const plain = properties(olds);
  const previous = { stdout: text(plain['stdout']) ?? '', stderr: text(plain['stderr']) ?? '' };
  return { ...(await runCommand(kindOf(urn), command, properties(props), previous, logFor(urn))) };
}

const provider: Provider = {
  version: '1.2.1',

  async check(urn, _olds, news: Properties) {
    const known = inputsOf(urn);
    const failures = Object.keys(news)
      .filter((name) => !known.includes(name) && !name.startsWith('__'))
      .map((property) => ({ property, reason: `no input of ${typeOf(urn)} that this test double knows` }));
    const { connection, source } = properties(news);
    if (known.includes('connection') && connection !== UNKNOWN) {
      const reason = connectionObstacle(connection);
      if (reason !== undefined) failures.push({ property: 'connection', reason });
    }
    if (isCopy(urn) && source !== UNKNOWN) {
      const reason = sourceObstacle(source);
      if (reason !== undefined) failures.push({ property: 'source', reason });
    }
    const withDefaults = inside(news['connection'], (plain) =>
      isObject(plain) ? { ...CONNECTION_DEFAULTS, ...plain } : plain,
    );
    return { inputs: connection === undefined ? news : { ...news, connection: withDefaults }, failures };
  },

  async diff(_id, urn, olds: Properties, news: Properties) {
    const changed = inputsOf(urn).filter(
      (name) => !isDeepStrictEqual(unwrapped(olds[name]), unwrapped(news[name])),
    );
    return { changes: changed.length > 0, replaces: changed.filter((name) => name === 'triggers') };
  },

  async create(urn, inputs: Properties) {
    if (isCopy(urn)) {
      await copyToRemote(properties(inputs), logFor(urn));
      return { id: hex(), outs: inputs };
    }
    const outs = await run(urn, properties(inputs)['create'], inputs, {});
    return { id: `${nameOf(urn)}${hex()}`, outs: { ...inputs, ...outs } };
  },

  async update(_id, urn, olds: Properties, news: Properties) {
    const plain = properties(news);
    if (isCopy(urn)) {
      if (needsCopy(properties(olds), plain)) await copyToRemote(plain, logFor(urn));
      return { outs: news };
    }
    const outs = await run(urn, plain['update'] ?? plain['create'], news, olds);
    return { outs: { ...news, ...outs } };
  },

  async delete(_id, urn, props: Properties) {
    if (!isCopy(urn)) await run(urn, properties(props)['delete'], props, props);
  },
};

const engine = process.argv.slice(2).find((word) => /^[\d.]+:\d+$/.test(word));
if (engine !== undefined) resetOptions('', '', -1, engine, '', false, '');
await main(provider, process.argv.slice(2));
