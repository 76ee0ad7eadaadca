import type { Logger } from '../../base/logger.ts';
import type { AppError } from '../../protocol/errors.ts';
import { storageFault } from '../storage-fault.ts';

interface JournalWriterOptions {
  /** Where the journal is. */
  folder: string;
  onJournal(ok: boolean, detail: string): void;
  log: Logger;
}

/** Writes to the journal, and tells how the journal is. */
export class JournalWriter {
  readonly #options: JournalWriterOptions;

  constructor(options: JournalWriterOptions) {
    this.#options = options;
  }

  /** @throws what the journal throws. */
  write(work: () => void): void {
    const { folder, onJournal } = this.#options;
    try {
      work();
      onJournal(true, 'writable');
    } catch (cause) {
      onJournal(
        false,
        `cannot be written: ${storageFault(folder, cause)?.message ?? (cause as Error).message}`,
      );
      throw cause;
    }
  }

  attempt(work: () => void): boolean {
    try {
      this.write(work);
      return true;
    } catch (cause) {
      this.#options.log.error({ err: cause }, 'the journal cannot be read or written');
      return false;
    }
  }

  /** What `work` says; false when the journal cannot be read or written. */
  succeeds(work: () => boolean): boolean {
    let done = false;
    this.attempt(() => {
      done = work();
    });
    return done;
  }

  /** What the disk did to who got this error. @throws the error when it is about something else. */
  fault(cause: unknown): AppError {
    const fault = storageFault(this.#options.folder, cause);
    if (fault === undefined) throw cause;
    return fault;
  }
}
