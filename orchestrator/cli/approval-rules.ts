import { type Command, Option } from 'commander';
import {
  type ApprovalRule,
  type ApprovalRuleRequest,
  approvalRuleListSchema,
  approvalRuleSchema,
} from '../../protocol/rest-approvals.ts';
import { ROLES, type Role, roleSchema } from '../../protocol/roles.ts';
import { SHELL_TOOL } from '../../protocol/tool-manifest.ts';
import {
  approvalRuleArgument,
  countArgument,
  durationArgument,
  selectorArgument,
  several,
} from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { readRows } from './pages.ts';
import { printJson, table, write } from './print.ts';

interface AddFlags extends ClientFlags {
  selector: string;
  tool: string[];
  command: string[];
  requester: string[];
  exempt: string[];
  approver: string[];
  approvals: number;
  expires: number;
}

/** Roles and people in one list: the names of roles mean roles. */
function who(names: readonly string[]): { roles: Role[]; actors: string[] } {
  const roles = names.flatMap((name) => roleSchema.safeParse(name).data ?? []);
  return { roles, actors: names.filter((name) => !roleSchema.safeParse(name).success) };
}

const named = ({ roles, actors }: { roles: readonly string[]; actors: readonly string[] }, nobody: string) =>
  [...roles, ...actors].join(',') || nobody;

function rows(rules: readonly ApprovalRule[]): string[][] {
  return rules.map((rule) => [
    rule.id,
    rule.enabled ? rule.name : `${rule.name} (off)`,
    named(rule.requesters, 'everybody'),
    rule.selector,
    [...rule.tools, ...rule.commands.map((pattern) => JSON.stringify(pattern))].join(' ') || 'everything',
    `${rule.approvers.count} of ${named(rule.approvers, 'approvals.decide')}`,
    `${Math.round(rule.expires_in / 60)}m`,
    named(rule.exempt, '-'),
  ]);
}

/** A rule for commands alone leaves other ways to do the same. */
const noticeOf = ({ tools }: ApprovalRule): string =>
  tools.length > 0 && tools.every((tool) => tool === SHELL_TOOL)
    ? "Terminals and file tools stay open; a rule that holds them as well: --tool '*'\n"
    : '';

async function add(deps: CliDeps, name: string, flags: AddFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const body: ApprovalRuleRequest = {
    name,
    selector: flags.selector,
    tools: flags.tool,
    commands: flags.command,
    requesters: who(flags.requester),
    exempt: who(flags.exempt),
    approvers: { count: flags.approvals, ...who(flags.approver) },
    expires_in: flags.expires,
  };
  const rule = await client.call({
    method: 'POST',
    path: '/approval-rules',
    body,
    answer: approvalRuleSchema,
  });
  if (flags.json) return printJson(deps.stdout, rule);
  await write(deps.stdout, `${rule.id} "${rule.name}" holds from the next job on\n${noticeOf(rule)}`);
}

/** `vm-orchestrator approval-rules …`: which jobs wait for another person. */
export function register(program: Command, deps: CliDeps): void {
  const rules = program.command('approval-rules').description('say which jobs wait for another person');
  withClientFlags(rules.command('list', { isDefault: true }).description('list the rules'))
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags) =>
      reporting(deps, flags, async () => {
        const client = await clientFor(deps, flags);
        const items = await readRows(client, '/approval-rules', approvalRuleListSchema);
        if (flags.json) return printJson(deps.stdout, { items });
        if (items.length === 0)
          return write(deps.stdout, 'There are no rules: no job waits for another person.\n');
        const header = [
          'RULE',
          'NAME',
          'JOBS OF',
          'ON',
          'TOOLS AND COMMANDS',
          'APPROVERS',
          'WITHIN',
          'EXEMPT',
        ];
        await write(deps.stdout, table(header, rows(items)));
      }),
    );
  const list = (flag: string, description: string) =>
    new Option(flag, description).argParser(several).default([]);
  withClientFlags(
    rules
      .command('add')
      .description('add a rule; a job that meets all of it waits')
      .argument('<name>', 'what people call it')
      .option('--selector <selector>', 'jobs that hit one of these machines', selectorArgument, 'all')
      .addOption(list('--tool <tool>', 'this tool, or a pattern such as "*_file"; may be repeated'))
      .addOption(list('--command <pattern>', 'a command such as "*rm -rf*"; may be repeated'))
      .addOption(
        list(
          '--requester <who>',
          `jobs of this user, token (api-…) or role (${ROLES.join(', ')}); may be repeated`,
        ),
      )
      .addOption(list('--exempt <who>', 'never jobs of this user, token or role; may be repeated'))
      .addOption(
        list('--approver <who>', 'this user or role approves; may be repeated (default: who has the right)'),
      )
      .option('--approvals <n>', 'how many people must approve', countArgument('--approvals', 16), 1)
      .option(
        '--expires <time>',
        'how long they have',
        durationArgument('--expires', { least: '1m', most: '7d' }),
        3600,
      ),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}

A pattern is a help against slips, no border: a shell can write a command in many ways. What must not pass is kept
by --tool and --selector, and by the machine's own policy.yaml.

Examples:
  vm-orchestrator approval-rules add prod --selector env=prod --tool '*'
  vm-orchestrator approval-rules add deletions --command '*rm -rf*' --command '*mkfs*' --approvals 2 --exempt admin`,
    )
    .action((name: string, flags: AddFlags) => reporting(deps, flags, () => add(deps, name, flags)));
  withClientFlags(
    rules
      .command('remove')
      .description('remove a rule; what waits already keeps waiting')
      .argument('<rule>', 'its id', approvalRuleArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags) =>
      reporting(deps, flags, async () => {
        const client = await clientFor(deps, flags);
        await client.call({ method: 'DELETE', path: `/approval-rules/${id}`, answer: undefined });
        if (flags.json) return printJson(deps.stdout, { id, removed: true });
        await write(deps.stdout, `${id} is removed\n`);
      }),
    );
}
