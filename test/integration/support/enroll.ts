import { randomBytes } from 'node:crypto';
import type { CreateTokenRequest, CreateTokenResponse } from '../../../protocol/rest-fleet.ts';
import type { RegisterResponse } from '../../../protocol/rest-registration.ts';
import { type MachineKey, makeCsr } from './machine-key.ts';
import type { Answer, OrchestratorProcess } from './orchestrator.ts';

export async function createToken(
  orchestrator: Pick<OrchestratorProcess, 'call'>,
  limits: CreateTokenRequest = {},
  options: { org?: string; token?: string } = {},
): Promise<CreateTokenResponse> {
  const answer = await orchestrator.call<CreateTokenResponse>({
    path: `/api/v1/organizations/${options.org ?? 'default'}/provisioning-tokens`,
    body: limits,
    ...(options.token === undefined ? {} : { token: options.token }),
  });
  if (answer.status !== 201) throw new Error(`no token: ${answer.status} ${answer.text}`);
  return answer.body;
}

export const newVmId = (host = 'test'): string => `vm-${host}-${randomBytes(3).toString('hex')}`;

/** A complete registration request. */
export function registration(token: string, csr: string, over: Record<string, unknown> = {}) {
  return {
    provisioning_token: token,
    vm_id: newVmId(),
    hostname: 'test',
    csr_base64: Buffer.from(csr).toString('base64'),
    api_key_hash: randomBytes(32).toString('hex'),
    facts: { hostname: 'test', os: 'linux', arch: 'x64' },
    ...over,
  };
}

export function register(
  orchestrator: Pick<OrchestratorProcess, 'call'>,
  body: unknown,
): Promise<Answer<RegisterResponse & { code?: string; hint?: string; detail?: string }>> {
  return orchestrator.call({ path: '/api/v1/agents/register', body, token: null });
}

export interface EnrolledMachine {
  key: MachineKey;
  response: RegisterResponse;
  /** For `call`: its client certificate. */
  tls: { cert: string; key: string };
}

/** Enrolls a machine of its own. */
export async function enroll(
  orchestrator: Pick<OrchestratorProcess, 'call'>,
  over: Record<string, unknown> = {},
  options: { org?: string; token?: string } = {},
): Promise<EnrolledMachine> {
  const { token } = await createToken(orchestrator, {}, options);
  const key = await makeCsr();
  const answer = await register(orchestrator, registration(token, key.csr, over));
  if (answer.status !== 201) throw new Error(`not enrolled: ${answer.status} ${answer.text}`);
  return { key, response: answer.body, tls: { cert: answer.body.certificate, key: key.pem } };
}
