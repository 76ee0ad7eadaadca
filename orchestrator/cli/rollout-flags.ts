import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { AppError } from '../../protocol/errors.ts';
import { type CreateJobRequest, MAX_SCRIPT_BYTES } from '../../protocol/rest-jobs.ts';
import { type Amount, MAX_WAVES, parseAmount, parseWaves } from '../../protocol/waves.ts';
import { durationArgument } from './arguments.ts';

export interface RolloutFlags {
  waves?: Amount[];
  concurrency?: Amount;
  maxFailures?: Amount;
  pause?: number;
  check?: string;
  deadline?: number;
  skipOffline?: true;
}

export function wavesArgument(text: string): Amount[] {
  const waves = parseWaves(text);
  if (waves !== undefined) return waves;
  throw new InvalidArgumentError(
    `Write up to ${MAX_WAVES} numbers of machines or shares, joined by commas, the last one 100%: 1,10%,100%.`,
  );
}

const amountArgument =
  (least: number) =>
  (text: string): Amount => {
    const amount = parseAmount(text);
    if (amount !== undefined && (typeof amount === 'string' || amount >= least)) return amount;
    throw new InvalidArgumentError(`Write a number from ${least} on, or a share such as 10%.`);
  };

/** The options of a rollout; any of them makes a job go in waves. */
export function withRolloutFlags(command: Command): Command {
  return command
    .option(
      '--waves <list>',
      'how many machines, or which share, have had their turn after each wave, e.g. 1,10%,100%',
      wavesArgument,
    )
    .option('--concurrency <n>', 'machines at work at the same time, e.g. 5 or 20%', amountArgument(1))
    .option(
      '--max-failures <n>',
      'machines that may fail, e.g. 3 or 5%; one more stops the rest (default: 0)',
      amountArgument(0),
    )
    .option(
      '--pause <time>',
      'between two waves, e.g. 90 or 10m',
      durationArgument('--pause', { most: '7d' }),
    )
    .option('--check <command>', 'must exit with 0 on the machines of a wave before the next begins')
    .option(
      '--deadline <time>',
      'in which all must have begun (default: 7d)',
      durationArgument('--deadline', { most: '30d' }),
    )
    .option('--skip-offline', 'leave out machines that are offline now');
}

/** Undefined when no option asks for a rollout: then all machines begin at once. */
export function rolloutOf(flags: RolloutFlags): CreateJobRequest['rollout'] {
  const { waves, concurrency, maxFailures, pause, check, deadline, skipOffline } = flags;
  const given = [waves, concurrency, maxFailures, pause, check, deadline, skipOffline];
  if (given.every((value) => value === undefined)) return undefined;
  return {
    waves: waves ?? ['100%'],
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(maxFailures === undefined ? {} : { max_failures: maxFailures }),
    ...(pause === undefined ? {} : { pause }),
    ...(check === undefined ? {} : { check: { command: check } }),
    ...(deadline === undefined ? {} : { deadline }),
    ...(skipOffline ? { offline: 'skip' as const } : {}),
  };
}

export interface ScriptFlags {
  script?: string;
  interpreter?: string;
}

export const withScriptFlags = (command: Command): Command =>
  command
    .option('--script <file>', 'run this file there; the words after -- are its arguments')
    .addOption(
      new Option(
        '--interpreter <program>',
        'what runs the script (default: the program of its #! line, else /bin/sh)',
      ),
    );

/** The program of a `#!` line that names one without arguments; `#!/usr/bin/env x` means x. */
function programOf(body: string): string | undefined {
  const [, words = ''] = /^#!\s*([^\n]*)/.exec(body) ?? [];
  const [program, first, ...rest] = words.trim().split(/\s+/);
  if (program === undefined || program === '') return undefined;
  if (program.endsWith('/env') && first !== undefined && rest.length === 0) return first;
  return first === undefined ? program : undefined;
}

/** @throws AppError `config_invalid`, naming the file. */
export async function scriptOf(
  flags: ScriptFlags & { script: string },
  args: readonly string[],
): Promise<NonNullable<CreateJobRequest['script']>> {
  const { script: file } = flags;
  const wrong = (detail: string, cause?: unknown) => new AppError('config_invalid', { detail, cause });
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw wrong(`The script ${file} cannot be read (${cause.code ?? 'unknown error'}).`, cause);
  });
  if (bytes.length === 0) throw wrong(`The script ${file} is empty.`);
  if (bytes.length > MAX_SCRIPT_BYTES)
    throw wrong(`The script ${file} has ${bytes.length} bytes; at most ${MAX_SCRIPT_BYTES} are sent.`);
  let body: string;
  try {
    body = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw wrong(`The script ${file} is not UTF-8: programs are copied to the machines, not sent so.`, cause);
  }
  const interpreter = flags.interpreter ?? programOf(body);
  if (interpreter === undefined && body.startsWith('#!'))
    throw wrong(`The #! line of ${file} has arguments; say by --interpreter which program runs it.`);
  return { body, args: [...args], ...(interpreter === undefined ? {} : { interpreter }) };
}
