import type { Command } from 'commander';
import {
  type CreateTokenRequest,
  createTokenResponseSchema,
  tokenListSchema,
} from '../../protocol/rest-fleet.ts';
import { countArgument, durationArgument, labelArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, table, write } from './print.ts';

interface CreateFlags extends ClientFlags {
  uses?: number;
  ttl?: number;
  label: Record<string, string>;
  description?: string;
}

const PATH = '/provisioning-tokens';

async function create(deps: CliDeps, flags: CreateFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const body: CreateTokenRequest = {
    labels: flags.label,
    ...(flags.uses === undefined ? {} : { uses: flags.uses }),
    ...(flags.ttl === undefined ? {} : { ttl_s: Math.ceil(flags.ttl) }),
    ...(flags.description === undefined ? {} : { description: flags.description }),
  };
  const token = await client.call({ method: 'POST', path: PATH, body, answer: createTokenResponseSchema });
  if (flags.json) {
    const { id, token: text, expires_at, one_liner } = token;
    return printJson(deps.stdout, { id, token: text, expires_at, one_liner });
  }
  await write(
    deps.stdout,
    `Token (shown once, valid until ${token.expires_at}):\n\n  ${token.token}\n\n` +
      `Enroll a machine by running there, as root:\n\n${token.one_liner}\n\n` +
      `Or from a checkout:\n\n  ${token.setup_command}\n`,
  );
}

async function list(deps: CliDeps, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const tokens = await client.call({ path: PATH, answer: tokenListSchema });
  if (flags.json) return printJson(deps.stdout, tokens);
  const rows = tokens.items.map((token) => [
    token.id,
    token.revoked_at !== null ? 'revoked' : `until ${token.expires_at.slice(0, 19).replace('T', ' ')}`,
    `${token.used}/${token.uses}`,
    token.created_by,
    token.description,
  ]);
  await write(deps.stdout, table(['TOKEN', 'VALID', 'USED', 'BY', 'DESCRIPTION'], rows));
}

async function revoke(deps: CliDeps, id: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  await client.call({ method: 'DELETE', path: `${PATH}/${encodeURIComponent(id)}`, answer: undefined });
  if (flags.json) return printJson(deps.stdout, { id, revoked: true });
  await write(deps.stdout, `${id} is revoked\n`);
}

/** `vm-orchestrator token …`: what a machine needs to enroll. */
export function register(program: Command, deps: CliDeps): void {
  const token = program.command('token').description('Make, list and revoke provisioning tokens');
  withClientFlags(
    token
      .command('create')
      .description('Make a token and print the line that enrolls a machine')
      .option('--uses <n>', 'how many machines may use it (default: 1)', countArgument)
      .option('--ttl <time>', 'how long it is valid, e.g. 15m or 24h (default: 24h)', durationArgument)
      .option(
        '--label <key=value>',
        'label of the agents that it enrolls; may be repeated',
        labelArgument,
        {},
      )
      .option('--description <text>', 'what it is for'),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nExample:\n  vm-orchestrator token create --uses 10 --ttl 1h --label env=prod --json`,
    )
    .action((flags: CreateFlags) => reporting(deps, () => create(deps, flags)));
  withClientFlags(token.command('list').description('List the tokens; their secrets are not kept'))
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags) => reporting(deps, () => list(deps, flags)));
  withClientFlags(token.command('revoke').description('End a token').argument('<id>', 'the token’s id'))
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags) => reporting(deps, () => revoke(deps, id, flags)));
}
