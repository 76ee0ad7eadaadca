import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '../../../base/clock.ts';
import { newId } from '../../../base/random.ts';
import { createRecordingFiles } from '../../../orchestrator/terminals/recording-files.ts';

/** As a terminal leaves it behind; nobody sits at one here. */
export async function makeRecording(
  dataDir: string,
  facts: { id: string; agentId: string; vmId: string; canary: string },
): Promise<string> {
  const id = newId('trm', systemClock);
  const files = createRecordingFiles({ folder: join(dataDir, 'recordings'), clock: systemClock });
  const recorder = await files.record(
    { organizationId: facts.id, id },
    { rows: 24, cols: 80, title: facts.canary, term: 'xterm' },
  );
  await recorder.close();
  const row = {
    organization_id: facts.id,
    id,
    command_id: newId('cmd', systemClock),
    job_id: newId('job', systemClock),
    agent_id: facts.agentId,
    vm_id: facts.vmId,
    actor_type: 'user',
    actor_id: newId('usr', systemClock),
    actor_name: `sitter-${facts.canary}`,
    command: `echo ${facts.canary}`,
    opened_at: systemClock.now(),
    ended_at: systemClock.now(),
    end_reason: 'exit',
    exit_code: 0,
  };
  using database = new DatabaseSync(join(dataDir, 'orchestrator.db'), { timeout: 5000 });
  const names = Object.keys(row);
  database
    .prepare(`INSERT INTO terminals (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`)
    .run(...Object.values(row));
  return id;
}
