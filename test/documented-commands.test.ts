import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addCommands as addAgentCommands } from '../cli/commands.ts';
import type { CliContext } from '../cli/context.ts';
import type { CliDeps } from '../orchestrator/cli/deps.ts';
import { addCommands } from '../orchestrator/cli.ts';
import { ROOT } from '../scripts/lib/root.ts';

// What the documents tell people to type must be what the programs take: each command line of theirs is held against
// the commands, arguments and options that the programs declare. Values are placeholders there, and not looked at.

const documents = globSync(['README.md', 'docs/*.md', 'infra/**/README.md'], {
  cwd: ROOT,
  exclude: ['**/node_modules/**'],
}).sort();

/** Nothing of what they get is touched before a command runs. */
function programs(): ReadonlyMap<string, Command> {
  const orchestrator = new Command('vm-orchestrator').version('0');
  addCommands(orchestrator, { env: {} } as CliDeps);
  orchestrator.command('completion').argument('<shell>');
  const agent = new Command('vm-agent').version('0').enablePositionalOptions();
  addAgentCommands(agent, { process, hostname: '', homedir: '', moduleDir: '', version: '0' } as CliContext);
  return new Map([
    ['vm-orchestrator', orchestrator],
    ['vm-agent', agent],
  ]);
}
const PROGRAMS = programs();

/** What may stand before a program on a command line. */
const BEFORE = String.raw`(?:export \w+=|sudo (?:-u \S+ )?|npx |systemd-run --collect |exec |\S*/)*`;
const CALL = new RegExp(String.raw`^\s*${BEFORE}((?:vm-orchestrator|vm-agent)(?:\s.*)?)$`);

/** The simple commands of a line of shell: of its pipes, lists and substitutions. */
function simpleCommands(line: string): string[] {
  const inner = [...line.matchAll(/[$<]\(([^()]*)\)/g)].map(([, text = '']) => text);
  const outer = line.replace(/[$<]\([^()]*\)/g, 'X');
  return [outer, ...inner].flatMap((text) => text.split(/\s(?:\||&&|\|\|)\s|;/));
}

/** The calls of our programs in a document, in its blocks and code spans, without comments and redirections. */
function commandLines(text: string): string[] {
  const blocks = [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  const spans = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
  return [...blocks, ...spans]
    .flatMap((code) => code.replace(/\s*\\\n\s*/g, ' ').split('\n'))
    .map((line) => line.replace(/(?:^|\s)#\s.*$/, ''))
    .flatMap(simpleCommands)
    .flatMap((command) => CALL.exec(command)?.[1] ?? [])
    .map((call) => call.replace(/\s\d?[<>].*$/, '').trim());
}

const words = (line: string): string[] => line.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];

/** What is wrong with a command line; undefined: the program would take it. */
function wrong(line: string): string | undefined {
  const [name = '', ...rest] = words(line);
  let command = PROGRAMS.get(name);
  if (command === undefined) return `no program ${name}`;
  if (rest.length === 0) return undefined;
  let given = 0;
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at] ?? '';
    if (word === '--') break;
    // Left out, or said in words.
    if (/^\[?(…|\.\.\.)\]?$/.test(word)) continue;
    const subcommand: Command | undefined =
      given === 0 ? command.commands.find((one) => one.name() === word) : undefined;
    if (subcommand !== undefined) {
      command = subcommand;
    } else if (word.startsWith('-') && word !== '-') {
      const [flag = ''] = word.split('=');
      const option = [command, defaultOf(command)]
        .flatMap((one) => one?.options ?? [])
        .find(({ long, short }) => long === flag || short === flag);
      if (option === undefined && !['--help', '--version', '-h'].includes(flag))
        return `${flag} is no option of it`;
      if (option?.required === true && !word.includes('=')) at += 1;
    } else given += 1;
  }
  const last = defaultOf(command) ?? command;
  if (given > 0 && command.commands.length > 0 && last.registeredArguments.length === 0)
    return 'no such subcommand';
  const { registeredArguments: taken } = last;
  return given > taken.length && taken.at(-1)?.variadic !== true
    ? `it takes ${taken.length} arguments`
    : undefined;
}

/** The subcommand that is meant when none is said. */
function defaultOf(command: Command): Command | undefined {
  const name = (command as unknown as { _defaultCommandName: string | null })._defaultCommandName;
  return name === null ? undefined : command.commands.find((one) => one.name() === name);
}

describe('the commands in the documents', () => {
  it.each(documents)('%s: the programs take each of them', (document) => {
    const lines = commandLines(readFileSync(join(ROOT, document), 'utf8'));
    const found = lines.flatMap((line) => {
      const what = wrong(line);
      return what === undefined ? [] : [`${line}: ${what}`];
    });
    expect(found).toEqual([]);
  });

  it('are many', () => {
    const all = documents.flatMap((document) => commandLines(readFileSync(join(ROOT, document), 'utf8')));
    expect(all.length).toBeGreaterThan(150);
  });

  it.each([
    ['vm-orchestrator agents admit --selector all --because x', '--because is no option of it'],
    ['vm-orchestrator tokens list', 'no such subcommand'],
    ['vm-orchestrator agents shwo vm-a', 'no such subcommand'],
    ['vm-orchestrator restore file --data d', 'it takes 0 arguments'],
    ['vm-agent install --token-sdtin', '--token-sdtin is no option of it'],
  ])('would not pass: %s', (line, expected) => {
    expect(wrong(line)).toBe(expected);
  });

  it('are found in blocks, in spans, behind other commands, and over two lines', () => {
    const text = [
      '```sh',
      'sudo -u o vm-orchestrator restore \\',
      '  --from F   # or',
      'printf x | vm-agent install --token-stdin && vm-agent status',
      '```',
      'or `vm-orchestrator jobs`',
    ].join('\n');
    expect(commandLines(text)).toEqual([
      'vm-orchestrator restore --from F',
      'vm-agent install --token-stdin',
      'vm-agent status',
      'vm-orchestrator jobs',
    ]);
  });
});
