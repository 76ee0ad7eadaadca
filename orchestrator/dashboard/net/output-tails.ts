import type { Command, JobWithCommands } from '../../../protocol/rest-jobs.ts';
import { applyOutput, type JobView, skipOutput } from '../model/job-view.ts';
import { send } from './api.ts';
import { outputPath } from './endpoints.ts';

const STREAMS = ['stderr', 'stdout'] as const;

const sizeOf = (command: Command): number => command.output.stdout + command.output.stderr;
export const totalOutput = (job: JobWithCommands): number =>
  job.commands.reduce((sum, command) => sum + sizeOf(command), 0);

/** Reads the end of each stream of an ended job, as much as the page can show, one request after the other. */
export async function loadTails(
  org: string,
  job: JobWithCommands,
  view: JobView,
  signal: AbortSignal,
  draw: () => void,
): Promise<void> {
  for (const command of job.commands) {
    const shown = view.commands.get(command.id);
    if (shown === undefined) continue;
    for (const stream of STREAMS) {
      const size = command.output[stream];
      const offset = Math.max(shown.streams[stream].offset, size - shown.output.limit, 0);
      if (offset >= size) continue;
      const response = await send(outputPath(org, command.id, stream, offset, size - offset), {
        headers: { accept: 'application/octet-stream' },
        signal,
      });
      skipOutput(shown, stream, offset);
      applyOutput(shown, stream, offset, new Uint8Array(await response.arrayBuffer()));
      shown.revision += 1;
      draw();
    }
  }
}
