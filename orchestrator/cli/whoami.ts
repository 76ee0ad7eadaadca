import type { Command } from 'commander';
import { whoamiSchema } from '../../protocol/rest-fleet.ts';
import { PERMISSIONS } from '../../protocol/roles.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, table, write } from './print.ts';

async function print(deps: CliDeps, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags, 'all');
  const who = await client.call({ path: '/session', answer: whoamiSchema });
  if (flags.json) return printJson(deps.stdout, who);
  const { actor, system_admin, organizations } = who;
  const kind = actor.type === 'user' ? 'user' : 'API token';
  const rules = system_admin ? '; rules the whole orchestrator' : '';
  await write(deps.stdout, `${kind} ${actor.name} (${actor.id})${rules}\n\n`);
  const rows = organizations.map(({ name, role, permissions }) => [
    name,
    role,
    permissions.length === PERMISSIONS.length ? 'all' : permissions.join(' '),
  ]);
  await write(deps.stdout, table(['ORGANIZATION', 'ROLE', 'RIGHTS'], rows));
}

/** `vm-orchestrator whoami`: what the API token is and may. */
export function register(program: Command, deps: CliDeps): void {
  withClientFlags(program.command('whoami').description('say who the API token is, and what it may do'))
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags) => reporting(deps, flags, () => print(deps, flags)));
}
