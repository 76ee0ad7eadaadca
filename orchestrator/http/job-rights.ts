import { AppError } from '../../protocol/errors.ts';
import type { JobRequest } from '../../protocol/rest-jobs.ts';
import { TERMINAL_TOOL } from '../../protocol/terminal.ts';
import { rightFor } from '../../protocol/tool-rights.ts';
import { toolOf } from '../jobs/work.ts';
import type { Caller, OrganizationAccess } from './auth.ts';
import { requireNeed } from './auth-user.ts';

/**
 * Whoever lets a job run, now or later, needs the right of what it does: a script is a shell command, and an upgrade
 * counts as one. What needs somebody to sit at it is no job at all, and no schedule.
 * @throws AppError `forbidden`, `bad_request`
 */
export function requireJobRights(
  job: Pick<JobRequest, 'tool' | 'script' | 'upgrade'>,
  caller: Caller,
  org: OrganizationAccess,
): void {
  const tool = toolOf(job);
  if (tool === TERMINAL_TOOL)
    throw new AppError('bad_request', {
      detail: 'A terminal is no job: somebody has to sit at it.',
      hint: 'Open it on the dashboard, or with vm-orchestrator shell.',
    });
  requireNeed(rightFor(tool), caller, org);
}
