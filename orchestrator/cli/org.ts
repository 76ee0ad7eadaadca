import type { Command } from 'commander';
import { revokedAgentsSchema } from '../../protocol/rest-certificates.ts';
import { organizationListSchema, organizationSchema } from '../../protocol/rest-fleet.ts';
import { organizationArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { registerRecovery } from './org-recovery.ts';
import { readRows } from './pages.ts';
import { printJson, table, timeText, write } from './print.ts';

interface DeleteFlags extends ClientFlags {
  revokeAgents?: true;
  yes?: true;
}

const PATH = '/organizations';
const one = (name: string) => `${PATH}/${encodeURIComponent(name)}`;

async function list(deps: CliDeps, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags, 'all');
  const items = await readRows(client, PATH, organizationListSchema);
  if (flags.json) return printJson(deps.stdout, { items });
  const rows = items.map(({ id, name, created_at }) => [name, id, timeText(created_at)]);
  await write(deps.stdout, table(['NAME', 'ID', 'CREATED'], rows));
}

async function create(deps: CliDeps, name: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags, 'all');
  const made = await client.call({ method: 'POST', path: PATH, body: { name }, answer: organizationSchema });
  if (flags.json) return printJson(deps.stdout, made);
  await write(deps.stdout, `${made.name} is made (${made.id})\n`);
}

async function rename(deps: CliDeps, name: string, next: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags, 'all');
  const body = { name: next };
  const renamed = await client.call({ method: 'PATCH', path: one(name), body, answer: organizationSchema });
  if (flags.json) return printJson(deps.stdout, renamed);
  await write(deps.stdout, `${name} is called ${renamed.name} now\n`);
}

async function remove(deps: CliDeps, name: string, flags: DeleteFlags): Promise<void> {
  const client = await clientFor(deps, flags, 'all');
  if (!flags.yes && deps.confirm !== undefined) {
    const agents = flags.revokeAgents ? ', and end all its agents' : '';
    if (!(await deps.confirm(`Delete the organization ${name}${agents}? Its users and tokens lose it.`))) {
      deps.stderr.write('Nothing was deleted.\n');
      return deps.exitWith(1);
    }
  }
  const query = flags.revokeAgents ? { revoke_agents: 'true' } : {};
  await client.call({ method: 'DELETE', path: one(name), query, answer: undefined });
  if (flags.json) return printJson(deps.stdout, { name, deleted: true });
  await write(deps.stdout, `${name} is deleted; what it recorded is kept\n`);
}

async function revokeAgents(deps: CliDeps, name: string, flags: DeleteFlags): Promise<void> {
  const client = await clientFor(deps, flags, 'all');
  if (!flags.yes && deps.confirm !== undefined) {
    if (
      !(await deps.confirm(
        `Revoke every agent of ${name}? Their certificates, connections and open commands end.`,
      ))
    ) {
      deps.stderr.write('Nothing was revoked.\n');
      return deps.exitWith(1);
    }
  }
  const { revoked } = await client.call({
    method: 'POST',
    path: `${one(name)}/agents/revoke`,
    body: { selector: 'all' },
    answer: revokedAgentsSchema,
  });
  if (flags.json) return printJson(deps.stdout, { name, revoked });
  await write(deps.stdout, `${revoked} ${revoked === 1 ? 'agent' : 'agents'} of ${name} revoked\n`);
}

/** `vm-orchestrator org …`: the organizations that the token may see. */
export function register(program: Command, deps: CliDeps): void {
  const org = program.command('org').description('list, create, rename and delete organizations');
  withClientFlags(org.command('list').description('list the organizations that this token may see'))
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags) => reporting(deps, flags, () => list(deps, flags)));
  withClientFlags(
    org
      .command('create')
      .description('make an organization, with a certificate authority of its own')
      .argument('<name>', 'a–z 0–9 -', organizationArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((name: string, flags: ClientFlags) => reporting(deps, flags, () => create(deps, name, flags)));
  withClientFlags(
    org
      .command('rename')
      .description('give an organization another name; its identifier stays')
      .argument('<name>', 'its name or id')
      .argument('<new-name>', 'a–z 0–9 -', organizationArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((name: string, next: string, flags: ClientFlags) =>
      reporting(deps, flags, () => rename(deps, name, next, flags)),
    );
  withClientFlags(
    org
      .command('delete')
      .description('delete an organization that has no agents; what it recorded is kept')
      .argument('<name>', 'its name or id')
      .option('--revoke-agents', 'also when it has agents: they end with it')
      .option('--yes', 'do not ask'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((name: string, flags: DeleteFlags) => reporting(deps, flags, () => remove(deps, name, flags)));
  registerRecovery(org, deps);
  withClientFlags(
    org
      .command('revoke-agents')
      .description('end every agent of an organization: certificates, connections and open commands')
      .argument('<name>', 'its name or id')
      .option('--yes', 'do not ask'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((name: string, flags: DeleteFlags) =>
      reporting(deps, flags, () => revokeAgents(deps, name, flags)),
    );
}
