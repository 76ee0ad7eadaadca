import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ExecutorEnd, stopCauseSchema } from '../../../protocol/executor.ts';
import type { ExecutorPlaces } from './places.ts';
import { EXIT_CHDIR } from './unit.ts';

export const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
};

/** The line that a unit leaves when it ends; undefined while it is not there as a whole. */
export function endLine(places: ExecutorPlaces, id: string): string | undefined {
  const text = readText(join(places.ended, id));
  return text?.endsWith('\n') ? text.trimEnd() : undefined;
}

/** Why somebody asked it to stop; kept until the reboot, so that another executor knows it as well. */
export function stopCause(places: ExecutorPlaces, id: string) {
  return stopCauseSchema.safeParse(readText(join(places.run, `${id}.stop`))).data;
}

/**
 * What systemd's `SERVICE_RESULT|EXIT_CODE|EXIT_STATUS` (systemd.exec(5)) says. Pure.
 * `cwd`: it was to begin in a folder of its own; `silent`: it wrote nothing.
 */
export function parseEnd(
  line: string,
  facts: { stopped: ReturnType<typeof stopCause>; cwd: boolean; silent: boolean },
): ExecutorEnd {
  const [result = '', code = '', status = ''] = line.split('|');
  const how =
    code === 'exited'
      ? { exit_code: Number(status) }
      : code === ''
        ? {}
        : { signal: status.startsWith('SIG') ? status : `SIG${status}` };
  if (result === 'oom-kill') return { kind: 'oom', ...how };
  if (facts.stopped !== undefined) return { kind: 'stopped', cause: facts.stopped, ...how };
  if (result === 'timeout') return { kind: 'stopped', cause: 'timeout', ...how };
  if (facts.cwd && how.exit_code === EXIT_CHDIR && facts.silent)
    return {
      kind: 'not_started',
      message: 'The working directory does not exist, or its user may not enter it.',
    };
  if (code === '')
    return {
      kind: 'not_started',
      message: `systemd could not start it (${result || 'no reason given'}); the journal of the VM says more.`,
    };
  return how.signal === undefined
    ? { kind: 'exited', exit_code: how.exit_code ?? 0 }
    : { kind: 'signalled', signal: how.signal };
}
