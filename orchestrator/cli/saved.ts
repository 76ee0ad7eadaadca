import { type Command, InvalidArgumentError } from 'commander';
import { jobWithCommandsSchema } from '../../protocol/rest-jobs.ts';
import {
  type CreateSavedCommandRequest,
  type SavedCommand,
  savedCommandListSchema,
  savedCommandSchema,
} from '../../protocol/rest-schedules.ts';
import { sayWhatWaits } from './approval-notice.ts';
import { durationArgument, selectorArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { readRows } from './pages.ts';
import { printJson, table, write } from './print.ts';
import { nameArgument } from './schedules.ts';

const PATH = '/saved-commands';
const at = (id: string) => `${PATH}/${encodeURIComponent(id)}`;

type Parameter = NonNullable<CreateSavedCommandRequest['parameters']>[number];

/** `NAME`, `NAME=default`, or `NAME=one|two` for a choice. */
function parameterArgument(text: string, before: Parameter[] = []): Parameter[] {
  const [, name = '', value] = /^([A-Za-z_]\w{0,31})(?:=(.*))?$/s.exec(text) ?? [];
  if (name === '') throw new InvalidArgumentError('Write NAME, NAME=default or NAME=one|two.');
  const choices = value?.includes('|') ? value.split('|') : undefined;
  return [...before, { name, ...(choices ? { choices } : value === undefined ? {} : { default: value }) }];
}

/** `NAME=VALUE`, as the words after a saved command’s name. */
function valuesOf(words: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const word of words) {
    const eq = word.indexOf('=');
    if (eq <= 0) throw new InvalidArgumentError(`"${word}" is no parameter: write NAME=VALUE.`);
    values[word.slice(0, eq)] = word.slice(eq + 1);
  }
  return values;
}

const parametersText = ({ parameters }: SavedCommand): string =>
  parameters
    .map(({ name, default: value, choices }) =>
      choices ? `${name}=${choices.join('|')}` : value === undefined ? name : `${name}=${value}`,
    )
    .join(' ');

async function list(deps: CliDeps, flags: ClientFlags): Promise<void> {
  const items = await readRows(await clientFor(deps, flags), PATH, savedCommandListSchema);
  if (flags.json) return printJson(deps.stdout, { items });
  const rows = items.map((each) => [
    each.name,
    parametersText(each) || '-',
    each.selector || '-',
    each.description || (each.command.split('\n', 1)[0] ?? ''),
  ]);
  await write(deps.stdout, table(['NAME', 'PARAMETERS', 'WHERE', 'WHAT'], rows));
}

interface AddFlags extends ClientFlags {
  parameter?: Parameter[];
  selector?: string;
  timeout?: number;
  description?: string;
}

async function add(deps: CliDeps, name: string, words: readonly string[], flags: AddFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const body: CreateSavedCommandRequest = {
    name,
    command: words.join(' '),
    parameters: flags.parameter ?? [],
    ...(flags.selector === undefined ? {} : { selector: flags.selector }),
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
    ...(flags.description === undefined ? {} : { description: flags.description }),
  };
  const saved = await client.call({ method: 'POST', path: PATH, body, answer: savedCommandSchema });
  if (flags.json) return printJson(deps.stdout, saved);
  await write(
    deps.stdout,
    `${`${name} is saved; run it: vm-orchestrator saved run ${name} ${parametersText(saved)}`.trimEnd()}\n`,
  );
}

async function run(
  deps: CliDeps,
  id: string,
  words: readonly string[],
  flags: ClientFlags & { selector?: string },
): Promise<void> {
  const client = await clientFor(deps, flags);
  const body = {
    parameters: valuesOf(words),
    ...(flags.selector === undefined ? {} : { selector: flags.selector }),
  };
  const job = await client.call({
    method: 'POST',
    path: `${at(id)}/run`,
    body,
    answer: jobWithCommandsSchema,
  });
  if (flags.json) return printJson(deps.stdout, job);
  await write(
    deps.stdout,
    `${job.id} on ${job.commands.length} machine(s); vm-orchestrator jobs output ${job.id}\n`,
  );
  await sayWhatWaits(deps, client, job);
}

/** `vm-orchestrator saved …`: commands that are kept under a name. */
export function register(program: Command, deps: CliDeps): void {
  const saved = program
    .command('saved')
    // What follows the name of a subcommand that takes a command line is that command’s own.
    .enablePositionalOptions()
    .description('commands kept under a name, with parameters');
  const finish = (command: Command, example = '') =>
    withClientFlags(command).addHelpText(
      'after',
      `${CLIENT_HELP}${example === '' ? '' : `\n\nExample:\n  ${example}`}`,
    );
  finish(saved.command('list', { isDefault: true }).description('list the saved commands')).action(
    (flags: ClientFlags) => reporting(deps, flags, () => list(deps, flags)),
  );
  finish(
    saved
      .command('add')
      .description('save a command; {{NAME}} in it stands for a parameter')
      .argument('<name>', 'a name of its own', nameArgument)
      .argument('<command...>', 'joined by spaces; run by /bin/sh -c')
      .option(
        '--parameter <name[=default]>',
        'NAME, NAME=default or NAME=one|two; may be repeated',
        parameterArgument,
      )
      .option('--selector <selector>', 'where it runs unless told otherwise', selectorArgument)
      .option(
        '--timeout <time>',
        'how long it may run (default: 5m)',
        durationArgument('--timeout', { most: '7d' }),
      )
      .option('--description <text>', 'what it is for')
      .passThroughOptions(),
    "vm-orchestrator saved add restart --parameter service -- 'systemctl restart {{service}}'",
  ).action((name: string, words: string[], flags: AddFlags) =>
    reporting(deps, flags, () => add(deps, name, words, flags)),
  );
  finish(
    saved
      .command('run')
      .description('run a saved command')
      .argument('<name>', 'its name or id')
      .argument('[values...]', 'NAME=VALUE for each parameter; each becomes one word of the shell')
      .option('--selector <selector>', 'where, instead of what is saved', selectorArgument),
    'vm-orchestrator saved run restart service=nginx --selector env=prod',
  ).action((id: string, words: string[], flags: ClientFlags & { selector?: string }) =>
    reporting(deps, flags, () => run(deps, id, words, flags)),
  );
  finish(
    saved.command('remove').description('remove a saved command').argument('<name>', 'its name or id'),
  ).action((id: string, flags: ClientFlags) =>
    reporting(deps, flags, async () => {
      const client = await clientFor(deps, flags);
      await client.call({ method: 'DELETE', path: at(id), answer: undefined });
      if (flags.json) return printJson(deps.stdout, { name: id, removed: true });
      await write(deps.stdout, `${id} is removed\n`);
    }),
  );
}
