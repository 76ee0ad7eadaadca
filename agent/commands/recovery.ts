import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Stream } from '../../protocol/command.ts';
import type { AppError } from '../../protocol/errors.ts';
import { OutputSpool, prepareSpoolFolder, spooledSize } from '../executor/output-spool.ts';
import { findMarked, killTree, markOf } from '../executor/process-tree.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { unknownResult, withOutputSizes } from './results.ts';

/**
 * Brings the journal of an earlier process to rest: what it shows as running is ended as `unknown`, with the
 * processes that are still there, unless an executor keeps it; results promise only the output that is really on disk.
 * @returns the entries that are still to be started or delivered, and their spools.
 */
export async function recover(options: {
  journal: Journal;
  spoolFolder: string;
  bootId: string;
  /** Running commands are not lost with the daemon. */
  kept: boolean;
  clock: Clock;
  log: Logger;
}): Promise<{ entries: JournalEntry[]; spools: OutputSpool[] }> {
  const { journal, spoolFolder, bootId, kept, clock, log } = options;
  prepareSpoolFolder(spoolFolder);
  const found = journal.open();
  removeOrphans(spoolFolder, new Set(found.map((entry) => entry.commandId)));

  const lost = found.filter((entry) => entry.state === 'running' && !kept);
  const marks = new Set(lost.filter((e) => e.bootId === bootId).map((e) => markOf(e.commandId)));
  if (marks.size > 0) {
    const { killed, left } = await killTree(() => findMarked(marks), clock);
    if (killed > 0 || left > 0)
      log.warn({ killed, left }, 'ended processes of commands that lost their agent');
  }

  const spools: OutputSpool[] = [];
  for (const entry of found) {
    if (entry.state === 'accepted') continue;
    const sizes = sizesOnDisk(spoolFolder, entry.commandId);
    const spool = new OutputSpool({ folder: spoolFolder, commandId: entry.commandId, sizes });
    spools.push(spool);
    if (entry.state === 'running' && !kept) {
      const rebooted = entry.bootId !== bootId;
      const nowMs = clock.now();
      journal.end(
        entry.commandId,
        unknownResult({ startedAtMs: entry.startedAtMs, rebooted, spool, nowMs }),
        nowMs,
      );
      log.warn({ command_id: entry.commandId, rebooted }, 'a command was running when its agent went away');
    } else if (entry.state === 'ended') {
      // A host that lost power may have kept the journal and not the last pages of the output.
      const honest = withOutputSizes(entry.result, sizes);
      if (JSON.stringify(honest) !== JSON.stringify(entry.result))
        journal.end(entry.commandId, honest, clock.now());
    }
    spool.release();
  }
  return { entries: journal.open(), spools };
}

const RETRY_MS = 2000;

/**
 * `recover`, as soon as the disk lets it: without the journal nothing may be said or begun. Undefined when the agent
 * was stopped before. @throws what is not the disk's fault.
 */
export async function recoverWhenPossible(
  options: Parameters<typeof recover>[0] & {
    /** @throws the error when it is not the disk's. */
    faultOf(cause: unknown): AppError;
    onFault(message: string): void;
    isStopping(): boolean;
  },
): Promise<Awaited<ReturnType<typeof recover>> | undefined> {
  const { clock, log } = options;
  for (let said = ''; !options.isStopping(); ) {
    try {
      return await recover(options);
    } catch (cause) {
      const { message, hint } = options.faultOf(cause);
      options.onFault(message);
      if (message !== said) log.error({ err: cause, hint }, `commands wait for the disk: ${message}`);
      said = message;
    }
    await clock.sleep(RETRY_MS);
  }
  return undefined;
}

const sizesOnDisk = (folder: string, id: string): Record<Stream, number> => ({
  stdout: spooledSize(folder, id, 'stdout'),
  stderr: spooledSize(folder, id, 'stderr'),
});

function removeOrphans(folder: string, wanted: ReadonlySet<string>): void {
  for (const name of readdirSync(folder)) {
    const id = name.slice(0, name.lastIndexOf('.'));
    if (!wanted.has(id)) rmSync(join(folder, name), { force: true });
  }
}
