import { AppError } from '../../protocol/errors.ts';
import {
  commandOutputSchema,
  SHELL_TOOL,
  type ShellArguments,
  shellArgumentsSchema,
} from '../../protocol/tool-manifest.ts';
import type { BackgroundCommands } from './background.ts';
import type { ShellHost } from './shell-host.ts';
import type { Tool, ToolContext, ToolEnd } from './tool.ts';

export interface ShellOptions {
  host: ShellHost;
  enabled: boolean;
  defaultTimeoutS: number;
  /** Undefined where nothing stays that could keep them: the command line. */
  background?: BackgroundCommands | undefined;
}

/**
 * A clean environment for commands: nothing of the daemon's own but what is passed in. The path is the
 * usual one, since a service's own may be short.
 */
export function commandEnvironment(user: {
  name: string;
  home: string;
  lang?: string | undefined;
}): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    SHELL: '/bin/sh',
    LANG: user.lang ?? 'C.UTF-8',
  };
}

/** Runs a command by `/bin/sh -c` and ends everything that it started, however it ends. */
export function shellTool(
  options: ShellOptions,
): Tool<typeof shellArgumentsSchema, typeof commandOutputSchema> {
  return {
    name: SHELL_TOOL,
    group: 'shell',
    title: 'Run a shell command',
    description:
      'Runs a command by /bin/sh -c and returns its exit code, stdout and stderr. Everything that it started ends with it. For what takes longer than a minute use background.',
    input: shellArgumentsSchema,
    output: commandOutputSchema,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    disabled: !options.enabled,
    defaultTimeoutS: options.defaultTimeoutS,
    run: (context, args) =>
      args.background === true ? start(options, context, args) : options.host.run({ context, args }),
  };
}

async function start(options: ShellOptions, context: ToolContext, args: ShellArguments): Promise<ToolEnd> {
  const { background } = options;
  if (background === undefined)
    throw new AppError('unsupported', {
      detail: 'Nothing stays here that could keep a command in the background.',
      hint: 'Ask the running agent (over MCP or from the orchestrator), or use nohup or systemd-run.',
    });
  const id = await background.start(context, args);
  return {
    kind: 'value',
    structured: { state: 'running', command_id: id },
    text: `Started in the background as ${id}. Read its output with read_command_output.`,
  };
}
