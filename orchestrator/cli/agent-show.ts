import { quarantineText } from '../../protocol/quarantine.ts';
import { isLate } from '../../protocol/renewal.ts';
import { type CertificateInfo, certificateListSchema } from '../../protocol/rest-calls.ts';
import { type Agent, agentSchema } from '../../protocol/rest-fleet.ts';
import { type ClientFlags, clientFor } from './client.ts';
import type { CliDeps } from './deps.ts';
import { readRows } from './pages.ts';
import { labelsText, printJson, table, timeText, write } from './print.ts';

const DAY_MS = 86_400_000;
const pathOf = (id: string) => `/agents/${encodeURIComponent(id)}`;
const bytes = (value: number) => `${(value / 1024 ** 3).toFixed(1)} GB`;
const percent = (value: number | undefined) => (value === undefined ? '-' : `${Math.round(value * 100)} %`);

/** What a person wants to know of it: how long it still counts, and whether it should have been renewed. */
function certificateText(certificate: CertificateInfo | undefined, expiresAt: string, now: number): string {
  const left = Date.parse(certificate?.not_after ?? expiresAt) - now;
  const days = left <= 0 ? 'ended' : `${Math.floor((left / DAY_MS) * 10) / 10} days left`;
  if (certificate === undefined) return `${days}, ends ${timeText(expiresAt)}`;
  const { not_before, not_after, fingerprint, revoked_at } = certificate;
  if (revoked_at !== null)
    return `revoked at ${timeText(revoked_at)}: enroll the machine anew, SHA-256 ${fingerprint}`;
  const late = isLate({ notBeforeMs: Date.parse(not_before), notAfterMs: Date.parse(not_after) }, now);
  const warning = late ? ' (it should have been renewed: vm-agent diagnose on the machine says why not)' : '';
  return `${days}${warning}, ends ${timeText(not_after)}, SHA-256 ${fingerprint}`;
}

function rowsOf(agent: Agent, certificate: CertificateInfo | undefined, now: number): [string, string][] {
  const { facts, load } = agent;
  return [
    ['vm_id', agent.vm_id],
    ['agent_id', agent.agent_id],
    ['state', agent.state === 'active' ? (agent.online ? 'online' : 'offline') : agent.state],
    ...quarantineRows(agent),
    ['host name', agent.hostname],
    ['version', agent.version ?? '-'],
    ['system', facts === null ? '-' : `${facts.os_name || facts.os} ${facts.kernel} ${facts.arch}`],
    ['hardware', facts === null ? '-' : `${facts.cpus} CPU, ${bytes(facts.memory_bytes)}`],
    ['addresses', facts?.addresses.join(' ') || '-'],
    ['connects from', `${agent.address ?? '-'}${agent.transport === 'poll' ? ' (by long polling)' : ''}`],
    [
      'load',
      load === null
        ? '-'
        : `${load.load1.toFixed(2)}, CPU ${percent(load.cpu_used)}, memory ${percent(load.memory_used)}, disk ${percent(load.disk_used)}`,
    ],
    ['labels', labelsText(agent.labels) || '-'],
    ['reported', labelsText(agent.reported_labels, 'agent.') || '-'],
    ['tools', agent.tools.join(' ') || '-'],
    ['enrolled', timeText(agent.enrolled_at)],
    ['last heartbeat', agent.last_heartbeat_at === null ? 'never' : timeText(agent.last_heartbeat_at)],
    ['certificate', certificateText(certificate, agent.certificate_expires_at, now)],
  ];
}

/** Why nothing is sent to it, and what ends that. */
const quarantineRows = ({ vm_id, state, quarantine }: Agent): [string, string][] =>
  state !== 'quarantined' || quarantine == null
    ? []
    : [
        ['quarantine', `${quarantine.reason}: ${quarantineText(quarantine)}`],
        ['since', timeText(quarantine.since)],
        ['to let it work', `vm-orchestrator agents admit ${vm_id}`],
      ];

export async function show(deps: CliDeps, id: string, flags: ClientFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const agent = await client.call({ path: pathOf(id), answer: agentSchema });
  const path = `${pathOf(agent.agent_id)}/certificates`;
  const items = await readRows(client, path, certificateListSchema);
  if (flags.json) return printJson(deps.stdout, { ...agent, certificates: items });
  await write(deps.stdout, table(['AGENT', ''], rowsOf(agent, items[0], deps.clock.now())));
}

export async function label(
  deps: CliDeps,
  id: string,
  changes: Record<string, string | null>,
  flags: ClientFlags,
): Promise<void> {
  const client = await clientFor(deps, flags);
  const agent = await client.call({
    method: 'PATCH',
    path: pathOf(id),
    body: { labels: changes },
    answer: agentSchema,
  });
  if (flags.json) return printJson(deps.stdout, { vm_id: agent.vm_id, labels: agent.labels });
  await write(deps.stdout, `${agent.vm_id}: ${labelsText(agent.labels) || 'no labels'}\n`);
}

/** `quarantined` cuts it off until it is admitted again. */
export async function setState(
  deps: CliDeps,
  id: string,
  state: 'active' | 'quarantined',
  flags: ClientFlags & { reason?: string },
): Promise<void> {
  const client = await clientFor(deps, flags);
  const agent = await client.call({
    method: 'PATCH',
    path: pathOf(id),
    body: { state, ...(flags.reason === undefined ? {} : { reason: flags.reason }) },
    answer: agentSchema,
  });
  if (flags.json) return printJson(deps.stdout, { vm_id: agent.vm_id, state: agent.state });
  await write(
    deps.stdout,
    state === 'active' ? `${agent.vm_id} is admitted\n` : `${agent.vm_id} is in quarantine\n`,
  );
}
