import type { Command } from 'commander';
import { type Agent, agentSchema } from '../../protocol/rest-fleet.ts';
import { label, setState, show } from './agent-show.ts';
import { registerAdmit } from './agents-admit.ts';
import { listAgents } from './agents-list.ts';
import { agentArgument, labelChangeArgument, selectorArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { labelsText, printJson, table, timeText, write } from './print.ts';

interface AgentsFlags extends ClientFlags {
  selector: string;
}

/** A quarantined one says why, by the code. */
const stateText = ({ state, online, quarantine }: Agent): string => {
  if (state === 'active') return online ? 'online' : 'offline';
  return quarantine == null ? state : `${state} (${quarantine.reason})`;
};

async function list(deps: CliDeps, flags: AgentsFlags): Promise<void> {
  const items = await listAgents(await clientFor(deps, flags), flags.selector);
  if (flags.json) return printJson(deps.stdout, { items });
  const rows = items.map((agent) => [
    agent.vm_id,
    stateText(agent),
    agent.last_heartbeat_at === null ? 'never' : timeText(agent.last_heartbeat_at),
    agent.version ?? '-',
    agent.facts?.os_name || '-',
    // As a selector names them: what the machine says of itself stands apart from what was granted.
    [labelsText(agent.labels), labelsText(agent.reported_labels, 'agent.')]
      .filter((text) => text !== '')
      .join(','),
  ]);
  await write(deps.stdout, table(['VM', 'STATE', 'LAST HEARTBEAT', 'VERSION', 'SYSTEM', 'LABELS'], rows));
}

async function revoke(deps: CliDeps, id: string, flags: ClientFlags & { yes?: true }): Promise<void> {
  const client = await clientFor(deps, flags);
  const path = `/agents/${encodeURIComponent(id)}`;
  const { agent_id, vm_id, state } = await client.call({ path, answer: agentSchema });
  const already = state === 'revoked';
  if (!already && !flags.yes && deps.confirm !== undefined) {
    const question = `Revoke ${vm_id} (${agent_id})? Its certificates, its connection and its open commands end.`;
    if (!(await deps.confirm(question))) {
      deps.stderr.write('Nothing was revoked.\n');
      return deps.exitWith(1);
    }
  }
  if (!already) await client.call({ method: 'DELETE', path: `/agents/${agent_id}`, answer: undefined });
  if (flags.json) return printJson(deps.stdout, { agent_id, vm_id, revoked: true, already });
  await write(deps.stdout, `${vm_id} ${already ? 'was revoked already' : 'is revoked'}\n`);
}

/** `vm-orchestrator agents …`: the fleet. */
export function register(program: Command, deps: CliDeps): void {
  const agents = program
    .command('agents')
    .description('list, show, label, admit, quarantine and revoke agents');
  withClientFlags(
    agents
      .command('list', { isDefault: true })
      .description('list the agents')
      .option(
        '--selector <selector>',
        'which: all, key=value, role!=db, id=<vm_id>; joined by commas',
        selectorArgument,
        'all',
      ),
  )
    .addHelpText('after', `${CLIENT_HELP}\n\nExample:\n  vm-orchestrator agents --selector env=prod --json`)
    .action((flags: AgentsFlags) => reporting(deps, flags, () => list(deps, flags)));
  withClientFlags(
    agents
      .command('show')
      .description('show what is known of one agent')
      .argument('<agent>', 'its vm_id or agent_id', agentArgument),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags) => reporting(deps, flags, () => show(deps, id, flags)));
  withClientFlags(
    agents
      .command('label')
      .description('set and remove granted labels of an agent')
      .argument('<agent>', 'its vm_id or agent_id', agentArgument)
      .argument('<change...>', 'key=value sets a label, key- removes it', labelChangeArgument),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nExample:\n  vm-orchestrator agents label vm-web-1a2b3c role=web env-`,
    )
    .action((id: string, changes: Record<string, string | null>, flags: ClientFlags) =>
      reporting(deps, flags, () => label(deps, id, changes, flags)),
    );
  registerAdmit(agents, deps);
  withClientFlags(
    agents
      .command('quarantine')
      .description('cut an agent off until it is admitted; it keeps its identity')
      .argument('<agent>', 'its vm_id or agent_id', agentArgument)
      .option('--reason <text>', 'why, for whoever looks at it later'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags & { reason?: string }) =>
      reporting(deps, flags, () => setState(deps, id, 'quarantined', flags)),
    );
  withClientFlags(
    agents
      .command('revoke')
      .description('end an agent: its certificates, its connection and its open commands')
      .argument('<agent>', 'its vm_id or agent_id', agentArgument)
      .option('--yes', 'do not ask'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags & { yes?: true }) =>
      reporting(deps, flags, () => revoke(deps, id, flags)),
    );
}
