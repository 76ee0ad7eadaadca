import type { Command } from 'commander';
import { AppError } from '../../protocol/errors.ts';
import {
  type CreateUserRequest,
  createUserResponseSchema,
  resetPasswordResponseSchema,
  type User,
  userListSchema,
  userSchema,
} from '../../protocol/rest-users.ts';
import type { Role } from '../../protocol/roles.ts';
import {
  CLIENT_HELP,
  type ClientFlags,
  clientFor,
  type RestClient,
  reporting,
  withClientFlags,
} from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, table, timeText, write } from './print.ts';

export interface AddFlags extends ClientFlags {
  role: Role;
  create?: true;
  displayName?: string;
  passwordStdin?: true;
}

interface ChangeFlags extends ClientFlags {
  disable?: true;
  enable?: true;
  systemAdmin?: boolean;
  displayName?: string;
}

const PATH = '/users';

async function allUsers(client: RestClient): Promise<User[]> {
  const items: User[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.call({ path: PATH, query: { cursor, limit: 500 }, answer: userListSchema });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

export async function listAll(deps: CliDeps, flags: ClientFlags): Promise<void> {
  const items = await allUsers(await clientFor(deps, flags, 'all'));
  if (flags.json) return printJson(deps.stdout, { items });
  const rows = items.map((user) => [
    user.username,
    user.disabled ? 'disabled' : 'active',
    user.system_admin ? 'yes' : 'no',
    [user.password ? 'password' : '', user.issuers.length > 0 ? 'OpenID Connect' : '']
      .filter(Boolean)
      .join(', ') || '-',
    user.last_login_at === null ? 'never' : timeText(user.last_login_at),
    user.organizations.map(({ name, role }) => `${name}:${role}`).join(' ') || '-',
  ]);
  await write(
    deps.stdout,
    table(['USER', 'STATE', 'SYSTEM ADMIN', 'SIGNS IN BY', 'LAST LOGIN', 'ORGANIZATIONS'], rows),
  );
}

async function userCalled(client: RestClient, name: string): Promise<User> {
  const found = (await allUsers(client)).find(({ id, username }) => username === name || id === name);
  if (found) return found;
  throw new AppError('not_found', {
    detail: `There is no user ${name}.`,
    hint: 'vm-orchestrator users list --all shows them.',
  });
}

async function passwordFrom(deps: CliDeps, flags: { passwordStdin?: true }): Promise<{ password?: string }> {
  if (!flags.passwordStdin) return {};
  const password = (await deps.readLine?.()) ?? '';
  if (password !== '') return { password };
  throw new AppError('config_invalid', { detail: 'There is no password on stdin.' });
}

/** Makes the user, and adds him to the organization at once. */
export async function createUser(deps: CliDeps, username: string, flags: AddFlags): Promise<void> {
  const body: CreateUserRequest = {
    username,
    organizations: [{ organization: flags.org, role: flags.role }],
    ...(flags.displayName === undefined ? {} : { display_name: flags.displayName }),
    ...(await passwordFrom(deps, flags)),
  };
  const client = await clientFor(deps, flags, 'all');
  const made = await client.call({ method: 'POST', path: PATH, body, answer: createUserResponseSchema });
  if (flags.json) return printJson(deps.stdout, made);
  const said =
    made.initial_password === undefined ? '' : `\nPassword (shown once): ${made.initial_password}\n`;
  await write(deps.stdout, `${username} is made, and in ${flags.org} as ${flags.role}\n${said}`);
}

async function setPassword(
  deps: CliDeps,
  name: string,
  flags: ClientFlags & { passwordStdin?: true },
): Promise<void> {
  const body = await passwordFrom(deps, flags);
  const client = await clientFor(deps, flags, 'all');
  const { id, username } = await userCalled(client, name);
  const done = await client.call({
    method: 'POST',
    path: `${PATH}/${id}/password`,
    body,
    answer: resetPasswordResponseSchema,
  });
  if (flags.json) return printJson(deps.stdout, { id, username, ...done });
  const said = done.password === null ? '' : `\nPassword (shown once): ${done.password}\n`;
  await write(deps.stdout, `${username} has a new password; ${done.sessions_ended} sessions ended\n${said}`);
}

async function change(deps: CliDeps, name: string, flags: ChangeFlags): Promise<void> {
  const body = {
    ...(flags.disable ? { disabled: true } : flags.enable ? { disabled: false } : {}),
    ...(flags.systemAdmin === undefined ? {} : { system_admin: flags.systemAdmin }),
    ...(flags.displayName === undefined ? {} : { display_name: flags.displayName }),
  };
  if (Object.keys(body).length === 0)
    throw new AppError('config_invalid', {
      detail: 'Nothing is to be changed.',
      hint: 'Give --disable, --enable, --system-admin, --no-system-admin or --display-name.',
    });
  const client = await clientFor(deps, flags, 'all');
  const { id } = await userCalled(client, name);
  const user = await client.call({ method: 'PATCH', path: `${PATH}/${id}`, body, answer: userSchema });
  if (flags.json) return printJson(deps.stdout, user);
  const rules = user.system_admin ? ', rules the whole orchestrator' : '';
  await write(deps.stdout, `${user.username} is ${user.disabled ? 'disabled' : 'active'}${rules}\n`);
}

/** The subcommands for administrators of the whole orchestrator. */
export function registerSystem(users: Command, deps: CliDeps): void {
  withClientFlags(
    users
      .command('passwd')
      .description('give a user a new password; his sessions end')
      .argument('<name>', 'the user')
      .option('--password-stdin', 'from stdin; without, one is made and shown once'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((name: string, flags: ClientFlags & { passwordStdin?: true }) =>
      reporting(deps, flags, () => setPassword(deps, name, flags)),
    );
  withClientFlags(
    users
      .command('change')
      .description('disable or enable a user, or let him rule the whole orchestrator')
      .argument('<name>', 'the user')
      .option('--disable', 'his sessions end, and he signs in no more')
      .option('--enable', 'he may sign in again')
      .option('--system-admin', 'he rules the whole orchestrator')
      .option('--no-system-admin', 'he does so no more')
      .option('--display-name <name>', 'his name'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((name: string, flags: ChangeFlags) => reporting(deps, flags, () => change(deps, name, flags)));
}
