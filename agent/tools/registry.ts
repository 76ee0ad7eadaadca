import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { CommandResult } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import { ORCHESTRATOR_GRANT, type PolicyDecision } from '../../protocol/policy.ts';
import type { ToolEntry } from '../../protocol/tool-manifest.ts';
import type { CallCounts } from './call-counts.ts';
import type { CallContext, Door, Tool, ToolEnd } from './tool.ts';

/** A tool with its arguments checked, ready to run. */
export interface PreparedCall {
  tool: Tool;
  timeoutS: number;
  /** @throws AppError `policy_refused` when the policy does not let `context.caller` do this. */
  run(context: CallContext): Promise<ToolEnd>;
  /** Told how it ended, whichever door it came through. */
  ended?(door: Door, state: CommandResult['state']): void;
}

export interface ToolRegistry {
  /** Tools that may be called. */
  enabled: readonly Tool[];
  /** Those of them that the policy lets this grant call. */
  offered(grant: string): readonly Tool[];
  /**
   * Finds the tool and checks the arguments; every door goes through here.
   * @throws AppError `tool_unknown`, `tool_disabled` or `bad_request`.
   */
  prepare(name: string, args: unknown): PreparedCall;
  /** What `hello` announces. */
  manifest(): { tools: ToolEntry[]; sha256: string };
}

/** May who has this grant call this tool, and which files may it then use? */
export type PolicyQuestion = (grant: string, tool: string) => PolicyDecision;

/** For who runs tools with the own rights on the own command line: there the system alone decides. */
const OWN_RIGHTS: PolicyQuestion = () => ({ allowed: true, read: ['/'], write: ['/'] });

/** The daemon gives its policy, which is asked here, below every door, when a call starts. */
export function createRegistry(
  tools: readonly Tool[],
  policy: PolicyQuestion = OWN_RIGHTS,
  counts?: CallCounts,
): ToolRegistry {
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const enabled = tools.filter((tool) => tool.disabled !== true);
  let manifest: { tools: ToolEntry[]; sha256: string } | undefined;
  return {
    enabled,
    offered: (grant) =>
      enabled.filter(
        ({ name, signedOnly }) =>
          policy(grant, name).allowed && (!signedOnly || grant === ORCHESTRATOR_GRANT),
      ),
    prepare(name, args) {
      const tool = byName.get(name);
      if (tool === undefined)
        throw new AppError('tool_unknown', {
          detail: `This agent has no tool "${name}"; it has ${enabled.map((t) => t.name).join(', ') || 'none'}.`,
        });
      if (tool.disabled === true)
        throw new AppError('tool_disabled', {
          detail: `The tool "${name}" is switched off in this VM's agent_config.yaml.`,
        });
      const parsed = tool.input.safeParse(args);
      if (!parsed.success)
        throw new AppError('bad_request', {
          detail: `The arguments of "${name}" are not valid: ${z.prettifyError(parsed.error).slice(0, 500)}`,
          cause: parsed.error,
        });
      const asked = (parsed.data as { timeout?: unknown }).timeout;
      return {
        tool,
        timeoutS: typeof asked === 'number' ? asked : tool.defaultTimeoutS,
        ended: (door, state) => counts?.add(name, door, state),
        async run(context) {
          if (tool.signedOnly && context.signed === undefined)
            throw new AppError('forbidden', { detail: `Only the orchestrator may call ${name}.` });
          const decision = policy(context.caller.grant, name);
          if (!decision.allowed)
            throw new AppError('policy_refused', {
              detail: decision.why,
              hint: 'The owner of the VM decides in policy.yaml.',
            });
          const { read, write } = decision;
          return tool.run({ ...context, access: { read, write } }, parsed.data);
        },
      };
    },
    manifest() {
      manifest ??= describe(enabled);
      return manifest;
    },
  };
}

function describe(tools: readonly Tool[]): { tools: ToolEntry[]; sha256: string } {
  const entries = tools.map(({ name, description, input, annotations }) => ({
    name,
    description,
    input_schema: z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>,
    annotations,
  }));
  return { tools: entries, sha256: createHash('sha256').update(JSON.stringify(entries)).digest('hex') };
}
