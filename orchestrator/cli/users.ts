import type { Command } from 'commander';
import { AppError } from '../../protocol/errors.ts';
import { memberListSchema, memberSchema } from '../../protocol/rest-users.ts';
import type { Role } from '../../protocol/roles.ts';
import { roleArgument } from './arguments.ts';
import {
  CLIENT_HELP,
  type ClientFlags,
  clientFor,
  type RestClient,
  reporting,
  withClientFlags,
} from './client.ts';
import type { CliDeps } from './deps.ts';
import { readRows } from './pages.ts';
import { printJson, table, timeText, write } from './print.ts';
import { type AddFlags, createUser, listAll, registerSystem } from './users-system.ts';

const PATH = '/users';

async function list(deps: CliDeps, flags: ClientFlags & { all?: true }): Promise<void> {
  if (flags.all) return listAll(deps, flags);
  const client = await clientFor(deps, flags);
  const items = await readRows(client, PATH, memberListSchema);
  if (flags.json) return printJson(deps.stdout, { items });
  const rows = items.map((member) => [
    member.username,
    member.role,
    member.source === 'oidc' ? 'groups' : 'by hand',
    member.disabled ? 'disabled' : 'active',
    member.last_login_at === null ? 'never' : timeText(member.last_login_at),
    member.display_name,
  ]);
  await write(deps.stdout, table(['USER', 'ROLE', 'GIVEN', 'STATE', 'LAST LOGIN', 'NAME'], rows));
}

async function memberCalled(client: RestClient, name: string): Promise<{ id: string; username: string }> {
  const items = await readRows(client, PATH, memberListSchema);
  const found = items.find(({ id, username }) => username === name || id === name);
  if (found) return found;
  throw new AppError('not_found', {
    detail: `There is no user ${name} in this organization.`,
    hint: 'vm-orchestrator users list shows them.',
  });
}

async function add(deps: CliDeps, username: string, flags: AddFlags): Promise<void> {
  if (flags.create) return createUser(deps, username, flags);
  const client = await clientFor(deps, flags);
  const body = { username, role: flags.role };
  const member = await client.call({ method: 'POST', path: PATH, body, answer: memberSchema });
  if (flags.json) return printJson(deps.stdout, member);
  await write(deps.stdout, `${username} is in the organization as ${member.role}\n`);
}

async function changeRole(deps: CliDeps, name: string, role: Role, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const { id, username } = await memberCalled(client, name);
  const member = await client.call({
    method: 'PATCH',
    path: `${PATH}/${id}`,
    body: { role },
    answer: memberSchema,
  });
  if (flags.json) return printJson(deps.stdout, member);
  await write(deps.stdout, `${username} has the role ${role} now, and signs in again\n`);
}

async function remove(deps: CliDeps, name: string, flags: ClientFlags & { yes?: true }): Promise<void> {
  const client = await clientFor(deps, flags);
  const { id, username } = await memberCalled(client, name);
  if (!flags.yes && deps.confirm !== undefined) {
    if (!(await deps.confirm(`Take ${username} out of the organization ${flags.org}?`))) {
      deps.stderr.write('Nothing was changed.\n');
      return deps.exitWith(1);
    }
  }
  await client.call({ method: 'DELETE', path: `${PATH}/${id}`, answer: undefined });
  if (flags.json) return printJson(deps.stdout, { id, username, removed: true });
  await write(deps.stdout, `${username} is not in the organization any more\n`);
}

/** `vm-orchestrator users …`: the people of an organization, and of the whole orchestrator. */
export function register(program: Command, deps: CliDeps): void {
  const users = program.command('users').description('list, add and change users and their roles');
  withClientFlags(
    users
      .command('list', { isDefault: true })
      .description('list the users of the organization')
      .option('--all', 'of the whole orchestrator; for its administrators'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags & { all?: true }) => reporting(deps, flags, () => list(deps, flags)));
  withClientFlags(
    users
      .command('add')
      .description('add a user to the organization')
      .argument('<name>', 'what he signs in by')
      .requiredOption('--role <role>', 'viewer, operator, approver or admin', roleArgument)
      .option('--create', 'make the user as well; for administrators of the orchestrator')
      .option('--display-name <name>', 'his name, with --create')
      .option(
        '--password-stdin',
        'with --create: his password, from stdin; without, one is made and shown once',
      ),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nExamples:\n  vm-orchestrator users add alice --role operator\n  vm-orchestrator users add bob --role viewer --create --display-name 'Bob Example'`,
    )
    .action((name: string, flags: AddFlags) => reporting(deps, flags, () => add(deps, name, flags)));
  withClientFlags(
    users
      .command('role')
      .description('change a user’s role in the organization; his sessions end')
      .argument('<name>', 'the user')
      .argument('<role>', 'viewer, operator, approver or admin', roleArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((name: string, role: Role, flags: ClientFlags) =>
      reporting(deps, flags, () => changeRole(deps, name, role, flags)),
    );
  withClientFlags(
    users
      .command('remove')
      .description('take a user out of the organization; his sessions end')
      .argument('<name>', 'the user')
      .option('--yes', 'do not ask'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((name: string, flags: ClientFlags & { yes?: true }) =>
      reporting(deps, flags, () => remove(deps, name, flags)),
    );
  registerSystem(users, deps);
}
