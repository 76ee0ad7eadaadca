import type { JobWithCommands } from '../../../protocol/rest-jobs.ts';
import { ORG, submitJob } from '../../integration/support/fleet.ts';
import type { Stage } from './stage.ts';

export interface Seeded {
  /** In waves, with outputs that differ and a failure. */
  rollout: JobWithCommands;
  /** Held back by the rule `production`. */
  waiting: JobWithCommands;
}

/** Something on every page: jobs in waves, what waits, what comes again, who is locked. */
export async function seed(stage: Stage): Promise<Seeded> {
  const { orchestrator, temp } = stage;
  const post = async (path: string, body: unknown) => {
    const { status, text } = await orchestrator.call({ path: `${ORG}/${path}`, body });
    if (status >= 300) throw new Error(`${path}: ${status} ${text}`);
  };
  const rollout = await submitJob(orchestrator, {
    description: 'Roll out version 2',
    // Whoever comes first says something else, and somebody fails.
    arguments: {
      command: `echo version 2; if mkdir '${temp.join('first')}' 2>/dev/null; then echo migrated; elif mkdir '${temp.join('later')}' 2>/dev/null; then echo disk full >&2; exit 1; else echo ready; fi`,
    },
    rollout: { waves: [1, '50%', '100%'], max_failures: 2, offline: 'skip', check: { command: 'true' } },
  });
  await orchestrator.call({ path: `${ORG}/jobs/${rollout.id}/events` });
  await post('approval-rules', {
    name: 'production',
    selector: 'env=prod',
    commands: ['*upgrade*'],
    requesters: { roles: [], actors: [] },
    exempt: { roles: [], actors: [] },
    tools: [],
    approvers: { count: 1, roles: ['approver', 'admin'], actors: [] },
    expires_in: 3600,
  });
  const waiting = await submitJob(orchestrator, {
    selector: 'env=prod',
    description: 'Security upgrade',
    arguments: { command: 'apt-get update && apt-get -y upgrade' },
  });
  const nightly = { arguments: { command: 'apt-get -y upgrade' }, selector: 'env=test' };
  await post('schedules', { name: 'nightly-upgrade', cron: '30 3 * * 1-5', runs_on: 'agents', job: nightly });
  await post('schedules', {
    name: 'weekly-report',
    cron: '0 8 * * 1',
    time_zone: 'Europe/Berlin',
    enabled: false,
    job: { selector: 'role=db', arguments: { command: 'df -h' } },
  });
  await post('saved-commands', {
    name: 'restart-service',
    description: 'Restarts a service',
    command: 'systemctl restart {{service}}',
    parameters: [{ name: 'service', choices: ['nginx', 'postgresql'] }],
    selector: 'role=web',
  });
  await post('locks', { target_type: 'tool', target: 'delete_file', reason: 'audit in progress' });
  await post('api-tokens', { name: 'backup', role: 'operator', ttl_s: 3600 });
  return { rollout, waiting };
}
