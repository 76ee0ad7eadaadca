import { AppError } from '../../protocol/errors.ts';
import { withoutEscapes } from '../../protocol/escapes.ts';
import type { JobId } from '../../protocol/ids.ts';
import { approvalDetailSchema, approvalListSchema } from '../../protocol/rest-approvals.ts';
import type { JobWithCommands } from '../../protocol/rest-jobs.ts';
import type { RestClient } from './client.ts';
import type { CliDeps } from './deps.ts';
import { write } from './print.ts';

/** For who waits: that another person must decide, and how that is done. Undefined: nothing waits for anybody. */
async function approvalNotice(client: RestClient, job: JobWithCommands): Promise<string | undefined> {
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

/** Says to whoever began a job that it waits for another person, if it does. */
export async function sayWhatWaits(deps: CliDeps, client: RestClient, job: JobWithCommands): Promise<void> {
  const text = await approvalNotice(client, job);
  if (text !== undefined) await write(deps.stderr, text);
}

/** Who denied a job, and why; undefined where that cannot be learned. */
export async function denialText(client: RestClient, jobId: JobId): Promise<string | undefined> {
  try {
    const detail = await client.call({ path: `/approvals/${jobId}`, answer: approvalDetailSchema });
    const denial = detail.decisions.find(({ decision }) => decision === 'deny');
    if (denial === undefined) return undefined;
    const comment = withoutEscapes(denial.comment).replace(/\p{Cc}|\p{Bidi_Control}/gu, ' ');
    return `denied by ${denial.actor.name}${comment === '' ? '' : `: ${comment}`}\n`;
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    return undefined;
  }
}
