// command:local:Command and command:remote:Command, with the real provider's order of things.
import { type Ended, runProcess } from './process.ts';
import { dial } from './ssh.ts';
import { isObject, type Properties, text } from './values.ts';

/** Tells the user something while a resource is worked on. */
export interface Log {
  /** A line that the progress display shows for a moment. */
  status(line: string): void;
  warning(line: string): void;
  error(line: string): void;
}

export interface Outputs {
  readonly stdout: string;
  readonly stderr: string;
}

/** What a run before this one printed. */
export type Previous = Partial<Outputs>;

/** Runs one of a resource's commands. `inputs` are plain; the error has the command in it, as the real one's has. */
export async function runCommand(
  kind: 'local' | 'remote',
  command: string,
  inputs: Properties,
  previous: Previous,
  log: Log,
): Promise<Outputs> {
  const ended = await (kind === 'local' ? locally : remotely)(command, inputs, previous, log);
  const logging = inputs['logging'];
  if (logging === undefined || logging === 'stdout' || logging === 'stdoutAndStderr') say(ended.out, log);
  if (logging === undefined || logging === 'stderr' || logging === 'stdoutAndStderr') say(ended.err, log);
  if (ended.code !== 0) {
    const status =
      kind === 'local' ? `exit status ${ended.code}` : `Process exited with status ${ended.code}`;
    throw new Error(`${status}: running ${JSON.stringify(command)}:\n${ended.all}`);
  }
  return { stdout: ended.out.replace(/\n$/, ''), stderr: ended.err.replace(/\n$/, '') };
}

function say(output: string, log: Log): void {
  for (const line of output.split('\n')) if (line !== '') log.status(line);
}

function locally(command: string, inputs: Properties, previous: Previous): Promise<Ended> {
  const interpreter = Array.isArray(inputs['interpreter']) ? inputs['interpreter'].map(String) : [];
  const words = interpreter.length > 0 ? interpreter : ['/bin/sh', '-c'];
  const dir = text(inputs['dir']);
  return runProcess([...words, command], {
    input: text(inputs['stdin']) ?? '',
    ...(dir === undefined ? {} : { dir }),
    env: {
      ...(process.env as Record<string, string>),
      ...environmentOf(inputs),
      ...(inputs['addPreviousOutputInEnv'] === false ? {} : previousVariables(previous)),
    },
  });
}

async function remotely(command: string, inputs: Properties, previous: Previous, log: Log): Promise<Ended> {
  const session = await dial(isObject(inputs['connection']) ? inputs['connection'] : {}, log.status);
  try {
    // What a stock sshd says to each variable: its AcceptEnv has the locale's only.
    for (const name of Object.keys(environmentOf(inputs))) {
      log.error(unable(name));
      throw new Error(`could not set environment variable "${name}": ssh: setenv failed`);
    }
    if (inputs['addPreviousOutputInEnv'] !== false)
      for (const name of Object.keys(previousVariables(previous))) log.warning(unable(name));
    return await session.run(command, text(inputs['stdin']) ?? '');
  } finally {
    await session.close();
  }
}

const unable = (name: string): string =>
  `Unable to set '${name}'. This only works if your SSH server is configured to accept these variables via AcceptEnv.`;

function environmentOf(inputs: Properties): Record<string, string> {
  const given = isObject(inputs['environment']) ? inputs['environment'] : {};
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)]));
}

function previousVariables({ stdout, stderr }: Previous): Record<string, string> {
  return {
    ...(stdout ? { PULUMI_COMMAND_STDOUT: stdout } : {}),
    ...(stderr ? { PULUMI_COMMAND_STDERR: stderr } : {}),
  };
}
