import { createHash, createPrivateKey, sign } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { createCsr } from '../../../agent/identity/csr.ts';
import type { Agent } from '../../../protocol/rest-fleet.ts';
import {
  type RecoverRequest,
  type RecoverResponse,
  type RecoveryNonce,
  recoveryStatement,
} from '../../../protocol/rest-registration.ts';
import { ORG } from '../../integration/support/fleet.ts';
import {
  type Answer,
  callOrchestrator,
  type OrchestratorProcess,
} from '../../integration/support/orchestrator.ts';

/** A certificate and its key, as they lie on a machine that slept. */
export interface Sleeper {
  agentId: string;
  certificate: string;
  key: string;
}

export type Asked = Answer<RecoverResponse & { code?: string; detail?: string }>;

type Target = Pick<OrchestratorProcess, 'url' | 'ca'>;

export async function nonceFor(target: Target, agentId: string): Promise<string> {
  const path = `/api/v1/agents/${agentId}/recovery-nonce`;
  const answer = await callOrchestrator<RecoveryNonce>(target, { path });
  if (answer.status !== 200) throw new Error(`no nonce: ${answer.text}`);
  return answer.body.nonce;
}

/** The request that a machine makes; every part of it can be another's. */
export async function recoverRequest(
  sleeper: Sleeper,
  over: { nonce: string; signedBy?: string; signedFor?: string; csrKey?: string },
): Promise<RecoverRequest> {
  const csr = await createCsr(over.csrKey ?? sleeper.key, 'vm-sleeper-0a1b2c');
  const statement = recoveryStatement({
    agentId: over.signedFor ?? sleeper.agentId,
    nonce: over.nonce,
    csrSha256: createHash('sha256').update(csr).digest('hex'),
  });
  const key = createPrivateKey(over.signedBy ?? sleeper.key);
  const signature = sign('sha256', Buffer.from(statement), key).toString('base64');
  return { certificate: sleeper.certificate, csr, nonce: over.nonce, signature };
}

export const ask = (target: Target, agentId: string, body: RecoverRequest): Promise<Asked> =>
  callOrchestrator(target, { path: `/api/v1/agents/${agentId}/recover`, body });

/** Nonce, signature, request. */
export async function comeBack(target: Target, sleeper: Sleeper): Promise<Asked> {
  const nonce = await nonceFor(target, sleeper.agentId);
  return ask(target, sleeper.agentId, await recoverRequest(sleeper, { nonce }));
}

export const agentOf = async (orchestrator: OrchestratorProcess, id: string): Promise<Agent> =>
  (await orchestrator.call<Agent>({ path: `${ORG}/agents/${id}` })).body;

const PATIENCE_MS = 60_000;

/** Asks until it holds; each answer comes over the network or from a disk, so this is no busy loop. */
export async function until<T>(look: () => Promise<T | undefined | false>, what: string): Promise<T> {
  for (const end = performance.now() + PATIENCE_MS; ; ) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`in vain: ${what}`);
    await setTimeout(50);
  }
}
