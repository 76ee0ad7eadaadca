import type { AgentId, OrganizationId } from '../../protocol/ids.ts';
import type { QuarantineReason } from '../../protocol/quarantine.ts';
import type { Tx } from '../store/store.ts';

/** Why a machine that shows a good certificate may not be the one that the certificate was made for. */
export interface Suspicion {
  reason: Extract<QuarantineReason, 'machine_changed' | 'two_machines' | 'rolled_back'>;
  detail: string;
  /** The machine hash that it showed: an admission makes it the known one. */
  machineHash?: string;
}

/** An agent, with the address of the connection that is in doubt. */
interface SuspectedAgent {
  organizationId: OrganizationId;
  agentId: AgentId;
  address: string | null;
}

/** Puts the agent into quarantine, in the transaction that found out. */
export type Suspect = (tx: Tx, agent: SuspectedAgent, suspicion: Suspicion) => Promise<void>;

/** `unknown`: a system without a machine-id, or a container, whose id says nothing. */
export const isKnownHash = (hash: string | null): hash is string => hash !== null && hash !== 'unknown';

/** What a hello says against the machine. Pure. */
export function suspicionOf(facts: {
  known: { machineHash: string | null; takenSeq: number };
  hello: { machine_hash: string; command_seq: number };
}): Suspicion | undefined {
  const { known, hello } = facts;
  if (hello.command_seq < known.takenSeq)
    return {
      reason: 'rolled_back',
      detail: `it had acknowledged command ${known.takenSeq}, and knows of none above ${hello.command_seq}`,
    };
  if (
    isKnownHash(known.machineHash) &&
    isKnownHash(hello.machine_hash) &&
    known.machineHash !== hello.machine_hash
  )
    return {
      reason: 'machine_changed',
      detail: 'its machine-id, or the folder of its agent, is another than before',
      machineHash: hello.machine_hash,
    };
  return undefined;
}

/** Which process speaks for an agent; an older agent names its boot alone. */
export interface Speaker {
  processId: string | undefined;
  bootId: string;
  address: string | null;
}

/** Whether two connections can be one machine's, as far as they say. Pure. */
export function mayBeOne(one: Speaker, other: Speaker): boolean {
  if (one.processId !== undefined && other.processId !== undefined) return one.processId === other.processId;
  return one.bootId === other.bootId;
}

export const twoMachines = (one: Speaker, other: Speaker): Suspicion => ({
  reason: 'two_machines',
  detail: `both answered at the same time: one from ${one.address ?? 'an unknown address'} (boot ${one.bootId.slice(0, 8)}), one from ${other.address ?? 'an unknown address'} (boot ${other.bootId.slice(0, 8)})`,
});

/** The highest command seq above `floor` that the agent said it had taken. */
export async function takenSince(
  tx: Tx,
  agent: Omit<SuspectedAgent, 'address'>,
  floor: number,
): Promise<number> {
  const row = await tx
    .selectFrom('commands')
    .select('seq')
    .where('organization_id', '=', agent.organizationId)
    .where('agent_id', '=', agent.agentId)
    .where('seq', '>', floor)
    .where((e) => e.or([e('started_at', 'is not', null), e('state', '=', 'accepted')]))
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.seq ?? 0;
}
