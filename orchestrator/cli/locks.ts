import { type Command, Option } from 'commander';
import { LOCK_TARGETS, type LockTarget, lockListSchema, lockSchema } from '../../protocol/rest-locks.ts';
import { durationArgument, lockArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { readRows } from './pages.ts';
import { printJson, table, timeText, write } from './print.ts';

interface AddFlags extends ClientFlags {
  reason: string;
  expires?: number;
}

async function list(deps: CliDeps, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const items = await readRows(client, '/locks', lockListSchema);
  if (flags.json) return printJson(deps.stdout, { items });
  if (items.length === 0) return write(deps.stdout, 'Nothing is locked.\n');
  const rows = items.map((lock) => [
    lock.id,
    lock.target_type,
    lock.target_name,
    lock.expires_at === null ? 'until it is removed' : timeText(lock.expires_at),
    lock.created_by,
    lock.reason,
  ]);
  await write(deps.stdout, table(['LOCK', 'OF', 'TARGET', 'UNTIL', 'BY', 'REASON'], rows));
}

/** `vm-orchestrator locks …`: stops users, tokens, machines, tools at once. */
export function register(program: Command, deps: CliDeps): void {
  const locks = program.command('locks').description('stop users, tokens, machines or tools at once');
  withClientFlags(locks.command('list', { isDefault: true }).description('list what is locked'))
    .addHelpText('after', CLIENT_HELP)
    .action((flags: ClientFlags) => reporting(deps, flags, () => list(deps, flags)));
  withClientFlags(
    locks
      .command('add')
      .description('lock something; what it does is stopped, live sessions too')
      .addArgument(program.createArgument('<type>', 'what it is').choices(LOCK_TARGETS))
      .argument('[target]', 'user name, api-…, vm_id, tool or selector; nothing for organization', '')
      .addOption(new Option('--reason <text>', 'shown to whoever is stopped').makeOptionMandatory())
      .option(
        '--expires <time>',
        'how long (default: until it is removed)',
        durationArgument('--expires', { most: '366d' }),
      ),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}

Examples:
  vm-orchestrator locks add user olga --reason 'laptop stolen'
  vm-orchestrator locks add agent vm-web-1-a1b2c3 --reason 'forensics' --expires 2d
  vm-orchestrator locks add organization --reason 'change freeze' --expires 12h`,
    )
    .action((type: LockTarget, target: string, flags: AddFlags) =>
      reporting(deps, flags, async () => {
        const client = await clientFor(deps, flags);
        const expires = flags.expires === undefined ? {} : { expires_in: flags.expires };
        const body = { target_type: type, target, reason: flags.reason, ...expires };
        const lock = await client.call({ method: 'POST', path: '/locks', body, answer: lockSchema });
        if (flags.json) return printJson(deps.stdout, lock);
        await write(deps.stdout, `${lock.target_name} is locked (${lock.id})\n`);
      }),
    );
  withClientFlags(
    locks.command('remove').description('end a lock').argument('<lock>', 'its id', lockArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags) =>
      reporting(deps, flags, async () => {
        const client = await clientFor(deps, flags);
        await client.call({ method: 'DELETE', path: `/locks/${id}`, answer: undefined });
        if (flags.json) return printJson(deps.stdout, { id, removed: true });
        await write(deps.stdout, `${id} is ended\n`);
      }),
    );
}
