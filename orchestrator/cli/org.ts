import type { Command } from 'commander';
import { organizationListSchema } from '../../protocol/rest-fleet.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, table, timeText, write } from './print.ts';

async function list(deps: CliDeps, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags, 'all');
  const organizations = await client.call({ path: '/organizations', answer: organizationListSchema });
  if (flags.json) return printJson(deps.stdout, organizations);
  const rows = organizations.items.map(({ id, name, created_at }) => [name, id, timeText(created_at)]);
  await write(deps.stdout, table(['NAME', 'ID', 'CREATED'], rows));
}

/** `vm-orchestrator org …`: the organizations that the token may see. */
export function register(program: Command, deps: CliDeps): void {
  const org = program.command('org').description('list organizations');
  withClientFlags(org.command('list').description('list the organizations that this token may see'))
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags) => reporting(deps, flags, () => list(deps, flags)));
}
