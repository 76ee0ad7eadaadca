import type { Command } from 'commander';
import type { TokenRate } from '../../protocol/provisioning-token.ts';
import {
  type CreateTokenRequest,
  createTokenResponseSchema,
  type ProvisioningTokenInfo,
  tokenAgentListSchema,
  tokenListSchema,
} from '../../protocol/rest-fleet.ts';
import {
  countArgument,
  descriptionArgument,
  durationArgument,
  labelArgument,
  rateArgument,
  tokenArgument,
  vmIdPatternArgument,
} from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { readRows } from './pages.ts';
import { labelsText, printJson, showToken, table, timeText, write } from './print.ts';

interface CreateFlags extends ClientFlags {
  uses?: number;
  ttl?: number;
  rate?: TokenRate;
  vmIdPattern?: string;
  cidr?: string;
  label?: Record<string, string>;
  verbose?: true;
  description?: string;
}

const PATH = '/provisioning-tokens';

async function create(deps: CliDeps, flags: CreateFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const body: CreateTokenRequest = {
    labels: flags.label ?? {},
    ...(flags.uses === undefined ? {} : { uses: flags.uses }),
    ...(flags.ttl === undefined ? {} : { ttl_s: Math.ceil(flags.ttl) }),
    ...(flags.rate === undefined ? {} : { rate: flags.rate }),
    ...(flags.vmIdPattern === undefined ? {} : { vm_id_pattern: flags.vmIdPattern }),
    ...(flags.cidr === undefined ? {} : { cidr: flags.cidr }),
    ...(flags.description === undefined ? {} : { description: flags.description }),
  };
  const token = await client.call({ method: 'POST', path: PATH, body, answer: createTokenResponseSchema });
  const { id, token: text, expires_at, one_liner, setup_command } = token;
  const forPeople =
    `Token (shown once, valid until ${timeText(expires_at)}):\n\n  ${text}\n\n` +
    `Enroll a machine by running there, as root:\n\n${one_liner}\n` +
    (flags.verbose ? `\nOr from a checkout:\n\n  ${setup_command}\n` : '');
  await showToken(id, () =>
    flags.json
      ? printJson(deps.stdout, { id, token: text, expires_at, one_liner, setup_command })
      : write(deps.stdout, forPeople),
  );
}

function stateText(token: ProvisioningTokenInfo, now: number): string {
  if (token.revoked_at !== null) return 'revoked';
  if (token.used >= token.uses) return 'used up';
  return Date.parse(token.expires_at) <= now ? 'expired' : `until ${timeText(token.expires_at)}`;
}

/** Seconds as they are when no unit fits. */
function rateText({ rate }: ProvisioningTokenInfo): string {
  if (!rate) return '';
  const [seconds, unit] = UNITS.find(([size]) => rate.window_s % size === 0) ?? [1, 's'];
  return ` (${rate.uses}/${rate.window_s / seconds}${unit})`;
}

const UNITS = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'm'],
] as const;

async function list(deps: CliDeps, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const items = await readRows(client, PATH, tokenListSchema);
  if (flags.json) return printJson(deps.stdout, { items });
  const rows = items.map((token) => [
    token.id,
    stateText(token, deps.clock.now()),
    `${token.used}/${token.uses}${rateText(token)}`,
    [token.vm_id_pattern, token.cidr].filter((limit) => limit !== null).join(' ') || '-',
    labelsText(token.labels) || '-',
    token.created_by,
    token.description,
  ]);
  await write(deps.stdout, table(['TOKEN', 'VALID', 'USED', 'ONLY', 'LABELS', 'BY', 'DESCRIPTION'], rows));
}

async function agents(deps: CliDeps, id: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const path = `${PATH}/${encodeURIComponent(id)}/agents`;
  const items = await readRows(client, path, tokenAgentListSchema);
  if (flags.json) return printJson(deps.stdout, { items });
  if (items.length === 0) return write(deps.stdout, `Nobody has enrolled with ${id}.\n`);
  const rows = items.map((agent) => [
    agent.vm_id,
    agent.agent_id,
    agent.hostname,
    agent.state,
    timeText(agent.enrolled_at),
    agent.address ?? '-',
  ]);
  await write(deps.stdout, table(['VM', 'AGENT', 'HOST', 'STATE', 'ENROLLED', 'LAST ADDRESS'], rows));
}

async function revoke(deps: CliDeps, id: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const items = await readRows(client, PATH, tokenListSchema);
  const before = items.find((token) => token.id === id);
  await client.call({ method: 'DELETE', path: `${PATH}/${encodeURIComponent(id)}`, answer: undefined });
  const state = before === undefined ? 'revoked' : stateText(before, deps.clock.now());
  const already = before !== undefined && before.revoked_at !== null;
  if (flags.json) return printJson(deps.stdout, { id, revoked: true, already });
  const remark = state === 'used up' || state === 'expired' ? `; it was ${state} before` : '';
  await write(deps.stdout, already ? `${id} was revoked already\n` : `${id} is revoked${remark}\n`);
}

/** `vm-orchestrator token …`: what a machine needs to enroll. */
export function register(program: Command, deps: CliDeps): void {
  const token = program.command('token').description('make, list and revoke provisioning tokens');
  withClientFlags(
    token
      .command('create')
      .description('make a token and print the line that enrolls a machine')
      .option('--uses <n>', 'how many machines may use it (default: 1)', countArgument('--uses', 100_000))
      .option(
        '--ttl <time>',
        'how long it is valid, e.g. 15m or 24h (default: 24h)',
        durationArgument('--ttl', { least: '10s', most: '30d' }),
      )
      .option('--rate <n/time>', 'how many machines within a time, e.g. 10/1h', rateArgument)
      .option('--vm-id-pattern <glob>', 'only machines whose vm_id is so, e.g. vm-web-*', vmIdPatternArgument)
      .option('--cidr <network>', 'only machines in this network, e.g. 10.0.0.0/8')
      .option('--label <key=value>', 'label of the agents that it enrolls; may be repeated', labelArgument)
      .option('--description <text>', 'what it is for', descriptionArgument)
      .option('--verbose', 'also the command for a checkout'),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nExample:\n  vm-orchestrator token create --uses 10 --ttl 1h --label env=prod --json`,
    )
    .action((flags: CreateFlags) => reporting(deps, flags, () => create(deps, flags)));
  withClientFlags(token.command('list').description('list the tokens; their secrets are not kept'))
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags) => reporting(deps, flags, () => list(deps, flags)));
  withClientFlags(
    token
      .command('agents')
      .description('list the machines that enrolled with a token')
      .argument('<id>', 'the token’s id', tokenArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags) => reporting(deps, flags, () => agents(deps, id, flags)));
  withClientFlags(
    token.command('revoke').description('end a token').argument('<id>', 'the token’s id', tokenArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags) => reporting(deps, flags, () => revoke(deps, id, flags)));
}
