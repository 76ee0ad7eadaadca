import { InvalidInput } from '../../base/http-problem.ts';
import { AppError } from '../../protocol/errors.ts';
import type { Job, JobRequest, Script } from '../../protocol/rest-jobs.ts';
import { shellQuote } from '../../protocol/shell-quote.ts';
import { TERMINAL_TOOL } from '../../protocol/terminal.ts';
import { SHELL_TOOL, shellArgumentsSchema } from '../../protocol/tool-manifest.ts';
import { UPGRADE_TOOL } from '../../protocol/upgrade.ts';

/** What a job does on each machine: one tool call, whichever way it was asked for. */
export interface Work {
  kind: Job['kind'];
  tool: string;
  arguments: Record<string, unknown>;
  /** Seconds that each command may run. */
  timeoutS: number;
  script: Pick<Script, 'interpreter' | 'args'> | null;
}

/**
 * A shell command that runs the script on its stdin: from a file that is private and goes with its end. (Not from an open
 * descriptor: some interpreters want a path that exists.) The script's own stdin is empty.
 */
export function scriptCommand({ interpreter, args }: Pick<Script, 'interpreter' | 'args'>): string {
  const words = args.map((word) => ` ${shellQuote(word)}`).join('');
  return [
    'umask 077; f=$(mktemp) || exit 126',
    `trap 'rm -f "$f"' EXIT; trap 'exit 143' HUP INT TERM`,
    'cat >"$f" || exit 126',
    `${shellQuote(interpreter)} "$f"${words} </dev/null`,
  ].join('\n');
}

function fromScript({ script }: JobRequest & { script: Script }): Omit<Work, 'timeoutS'> {
  const { body, interpreter, args } = script;
  return {
    kind: 'script',
    tool: SHELL_TOOL,
    arguments: { command: scriptCommand(script), stdin: body },
    script: { interpreter, args },
  };
}

function withoutTimeout(request: JobRequest): Omit<Work, 'timeoutS'> {
  const { script, upgrade, tool } = request;
  const own = Object.keys(request.arguments).length > 0 || tool !== SHELL_TOOL;
  if ([script !== undefined, upgrade !== undefined, own].filter(Boolean).length > 1) {
    throw new AppError('bad_request', {
      detail: 'A job does one thing: tool and arguments, or a script, or an upgrade.',
    });
  }
  if (script !== undefined) return fromScript({ ...request, script });
  if (upgrade !== undefined) return { kind: 'upgrade', tool: UPGRADE_TOOL, arguments: upgrade, script: null };
  const kind = tool === SHELL_TOOL ? 'command' : tool === UPGRADE_TOOL ? 'upgrade' : 'tool';
  return { kind, tool, arguments: request.arguments, script: null };
}

/** The tool that a job comes down to. */
export const toolOf = ({ tool, script, upgrade }: Pick<JobRequest, 'tool' | 'script' | 'upgrade'>): string =>
  script !== undefined ? SHELL_TOOL : upgrade !== undefined ? UPGRADE_TOOL : tool;

/**
 * Arguments of the shell are known here: a mistake is told at once, not by every agent. `attended`: somebody sits at it,
 * so it may be a terminal.
 * @throws AppError `bad_request`
 */
export function workOf(request: JobRequest, { attended = false } = {}): Work {
  const work = withoutTimeout(request);
  if (work.tool === TERMINAL_TOOL && !attended)
    throw new AppError('bad_request', {
      detail: 'A terminal is no job: somebody has to sit at it.',
      hint: 'Open it on the dashboard, or with vm-orchestrator shell.',
    });
  if (work.tool !== SHELL_TOOL) return { ...work, timeoutS: request.timeout };
  const parsed = shellArgumentsSchema.safeParse(work.arguments);
  if (!parsed.success) throw new InvalidInput(parsed.error, { what: `The arguments of ${SHELL_TOOL}` });
  return { ...work, timeoutS: parsed.data.timeout ?? request.timeout };
}
