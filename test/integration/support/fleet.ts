import { orchestratorTls } from '../../../base/tls-client.ts';
import type { CommandId, JobId } from '../../../protocol/ids.ts';
import {
  type CreateJobRequest,
  type JobWithCommands,
  jobWithCommandsSchema,
} from '../../../protocol/rest-jobs.ts';
import { FakeAgent, type FakeAgentOptions } from '../../fakes/fake-agent.ts';
import { type EnrolledMachine, enroll, newVmId } from './enroll.ts';
import type { OrchestratorProcess } from './orchestrator.ts';

export const ORG = '/api/v1/organizations/default';

export interface EnrolledAgent {
  machine: EnrolledMachine;
  vmId: string;
  /** A fake that speaks for the machine with its own certificate, to this orchestrator. */
  fake(orchestrator: Pick<OrchestratorProcess, 'url' | 'ca'>, over?: Partial<FakeAgentOptions>): FakeAgent;
}

/** Enrolls a machine through the front door. */
export async function enrollAgent(
  orchestrator: OrchestratorProcess,
  over: Record<string, unknown> = {},
  options: { org?: string } = {},
): Promise<EnrolledAgent> {
  const vmId = newVmId('fake');
  const machine = await enroll(orchestrator, { vm_id: vmId, ...over }, options);
  const mark = { seq: 0 };
  return {
    machine,
    vmId,
    fake: (at, options = {}) =>
      new FakeAgent({
        url: `${at.url.replace('https', 'wss')}/api/v1/agents/${vmId}/ws`,
        tls: orchestratorTls({ ca: [at.ca], cert: machine.tls.cert, key: machine.tls.key }),
        mark,
        ...options,
      }),
  };
}

export async function submitJob(
  orchestrator: Pick<OrchestratorProcess, 'call'>,
  body: Partial<CreateJobRequest> = {},
  headers: Record<string, string> = {},
): Promise<JobWithCommands> {
  const answer = await orchestrator.call({
    path: `${ORG}/jobs`,
    body: { selector: 'all', arguments: { command: 'true' }, ...body },
    headers,
  });
  if (answer.status !== 202 && answer.status !== 200) throw new Error(`not accepted: ${answer.text}`);
  return jobWithCommandsSchema.parse(answer.body);
}

export async function readJob(
  orchestrator: Pick<OrchestratorProcess, 'call'>,
  jobId: JobId,
): Promise<JobWithCommands> {
  const answer = await orchestrator.call({ path: `${ORG}/jobs/${jobId}` });
  return jobWithCommandsSchema.parse(answer.body);
}

export const outputPath = (id: CommandId, query = ''): string => `${ORG}/commands/${id}/output${query}`;
