import { AppError } from '../../protocol/errors.ts';
import { approvalListSchema } from '../../protocol/rest-approvals.ts';
import type { JobWithCommands } from '../../protocol/rest-jobs.ts';
import type { RestClient } from './client.ts';

/** For who waits: that another person must decide, and how that is done. Undefined: nothing waits for anybody. */
export async function approvalNotice(client: RestClient, job: JobWithCommands): Promise<string | undefined> {
  if (!job.commands.some(({ state }) => state === 'awaiting_approval')) return undefined;
  const how = (id: string, by: string) =>
    `waiting for an approval${by}; it goes on by itself.\n  Another person decides: vm-orchestrator approvals show ${id}\n`;
  try {
    const query = { job_id: job.id, state: 'all' };
    const { items } = await client.call({ path: '/approvals', query, answer: approvalListSchema });
    const [approval] = items;
    if (approval === undefined) return how(job.id, '');
    const needs = [
      ...approval.rules.map(({ name }) => `rule "${name}"`),
      ...approval.signatures.map(({ approvers }) => `own signature of ${approvers.join(' or ')}`),
    ];
    return how(approval.id, ` until ${approval.expires_at.slice(0, 16)}Z (${needs.join(', ')})`);
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    return how(job.id, '');
  }
}
