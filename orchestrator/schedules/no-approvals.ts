import type { Actor } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { OrganizationId } from '../../protocol/ids.ts';
import type { ScheduleSettings } from '../../protocol/rest-schedules.ts';
import type { MakePreview } from '../jobs/preview.ts';

/** @throws AppError `bad_request` when machines should carry occurrences that must wait for people. */
export type RequireNoApprovals = (
  organizationId: OrganizationId,
  settings: Pick<ScheduleSettings, 'runs_on' | 'job'>,
  actor: Actor,
) => Promise<void>;

/**
 * Machines that run a schedule themselves get a day of occurrences ahead: nobody decides on each of them in time, and
 * what he decided on would be one of many.
 */
export const noApprovals =
  (preview: MakePreview): RequireNoApprovals =>
  async (organizationId, { runs_on, job }, actor) => {
    if (runs_on !== 'agents') return;
    const { notices } = await preview({ organizationId, actor, address: null, body: job }).catch(
      (cause: unknown) => {
        // Whom it hits is decided when it is due; nobody yet is no mistake.
        if (cause instanceof AppError) return { notices: [] };
        throw cause;
      },
    );
    const wanted = notices.filter(({ kind }) => kind === 'approval' || kind === 'signature');
    if (wanted.length === 0) return;
    throw new AppError('bad_request', {
      detail: `Machines that run a schedule themselves get its jobs ahead and cannot wait for people: ${wanted.map(({ text }) => text).join(' ')}`,
      hint: 'Let the orchestrator run it ("runs_on": "orchestrator"): each job then waits for its approval when it is due.',
    });
  };
