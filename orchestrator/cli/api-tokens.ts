import type { Command } from 'commander';
import { AppError } from '../../protocol/errors.ts';
import {
  type ApiToken,
  apiTokenListSchema,
  type CreateApiTokenRequest,
  createApiTokenResponseSchema,
  whoamiSchema,
} from '../../protocol/rest-fleet.ts';
import { type Permission, permissionsOf, type Role, rolesWith } from '../../protocol/roles.ts';
import { apiTokenArgument, durationArgument, roleArgument, scopeArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { readRows } from './pages.ts';
import { printJson, showToken, table, timeText, write } from './print.ts';

interface CreateFlags extends ClientFlags {
  role: Role;
  scope?: Permission[];
  ttl?: number;
  systemAdmin?: true;
}

const PATH = '/api-tokens';

async function create(deps: CliDeps, name: string, flags: CreateFlags): Promise<void> {
  const role = flags.systemAdmin ? 'admin' : flags.role;
  const without = (flags.scope ?? []).filter((scope) => !permissionsOf(role).has(scope));
  if (without.length > 0 && without.length === flags.scope?.length)
    throw new AppError('config_invalid', {
      detail: `The role ${role} has none of these rights: the token could do nothing.`,
      hint: `Use --role: ${without[0]} is a right of ${rolesWith(without[0] as Permission).join(' and ')}.`,
    });
  if (without.length > 0 && !flags.json)
    deps.stderr.write(`The role ${role} has no ${without.join(', ')}; neither has the token.\n`);
  const client = await clientFor(deps, flags);
  const body: CreateApiTokenRequest = {
    name,
    role,
    ...(flags.scope === undefined ? {} : { scopes: flags.scope }),
    ...(flags.ttl === undefined ? {} : { ttl_s: Math.ceil(flags.ttl) }),
    ...(flags.systemAdmin ? { system_admin: true } : {}),
  };
  const made = await client.call({ method: 'POST', path: PATH, body, answer: createApiTokenResponseSchema });
  const until = made.expires_at === null ? 'until it is revoked' : `until ${timeText(made.expires_at)}`;
  await showToken(
    made.id,
    () =>
      flags.json
        ? printJson(deps.stdout, made)
        : write(deps.stdout, `API token (shown once, valid ${until}):\n\n  ${made.token}\n`),
    'api-tokens',
  );
}

const stateOf = (token: ApiToken, now: number): string =>
  token.expires_at === null
    ? 'until revoked'
    : Date.parse(token.expires_at) <= now
      ? 'expired'
      : `until ${timeText(token.expires_at)}`;

async function list(deps: CliDeps, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const items = await readRows(client, PATH, apiTokenListSchema);
  if (flags.json) return printJson(deps.stdout, { items });
  const rows = items.map((token) => [
    token.id,
    token.name,
    token.system_admin ? 'system admin' : token.role,
    stateOf(token, deps.clock.now()),
    token.last_used_at === null ? 'never' : timeText(token.last_used_at),
    token.created_by || '-',
    token.scopes === null ? 'all of the role' : token.scopes.join(' '),
  ]);
  await write(deps.stdout, table(['TOKEN', 'NAME', 'ROLE', 'VALID', 'LAST USED', 'BY', 'SCOPES'], rows));
}

/** Who revokes the token that he uses should know it before. */
async function isOwn(deps: CliDeps, id: string, flags: ClientFlags): Promise<boolean> {
  const client = await clientFor(deps, flags, 'all');
  return (await client.call({ path: '/session', answer: whoamiSchema })).actor.id === id;
}

async function revoke(deps: CliDeps, id: string, flags: ClientFlags & { yes?: true }): Promise<void> {
  const ask = flags.yes ? undefined : deps.confirm;
  if (ask !== undefined && (await isOwn(deps, id, flags))) {
    const question = `${id} is the token that this command uses. Revoke it? Without another one you need vm-orchestrator admin reset.`;
    if (!(await ask(question))) {
      deps.stderr.write('Nothing was revoked.\n');
      return deps.exitWith(1);
    }
  }
  const client = await clientFor(deps, flags);
  await client.call({ method: 'DELETE', path: `${PATH}/${encodeURIComponent(id)}`, answer: undefined });
  if (flags.json) return printJson(deps.stdout, { id, revoked: true });
  await write(deps.stdout, `${id} is revoked\n`);
}

/** `vm-orchestrator api-tokens …`: what programs prove themselves by. */
export function register(program: Command, deps: CliDeps): void {
  const tokens = program.command('api-tokens').description('make, list and revoke API tokens, for programs');
  withClientFlags(
    tokens.command('list', { isDefault: true }).description('list the API tokens of the organization'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags) => reporting(deps, flags, () => list(deps, flags)));
  withClientFlags(
    tokens
      .command('create')
      .description('make an API token; nobody makes one that may more than he')
      .argument('<name>', 'what it is for')
      .option('--role <role>', 'viewer, operator, approver or admin', roleArgument, 'viewer' as Role)
      .option(
        '--scope <rights>',
        'only these rights of the role, e.g. agents.read,jobs.run; may be repeated',
        scopeArgument,
      )
      .option(
        '--ttl <time>',
        'how long it is valid, e.g. 90d (default: until it is revoked)',
        durationArgument('--ttl', { least: '1s', most: '3660d' }),
      )
      .option('--system-admin', 'it rules the whole orchestrator; for its administrators alone'),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nExample:\n  vm-orchestrator api-tokens create backup --role operator --scope agents.read,jobs.read,jobs.run --ttl 90d`,
    )
    .action((name: string, flags: CreateFlags) => reporting(deps, flags, () => create(deps, name, flags)));
  withClientFlags(
    tokens
      .command('revoke')
      .description('end an API token')
      .argument('<id>', 'the token’s id', apiTokenArgument)
      .option('--yes', 'do not ask, also when it is the one that this command uses'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags & { yes?: true }) =>
      reporting(deps, flags, () => revoke(deps, id, flags)),
    );
}
