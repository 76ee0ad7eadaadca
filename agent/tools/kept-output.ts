import type { BackgroundCommands, OutputKeeper } from './background.ts';
import type { CallOutcome } from './call.ts';
import type { Caller } from './tool.ts';

export interface KeptOutputOptions {
  background: BackgroundCommands;
  caller: Caller;
  /** As `list_commands` shows it. */
  command: string;
  /** Bytes that the answer itself can carry. */
  enough: number;
}

/**
 * Output of a command whose caller waits for its end. Short output stays in memory and is forgotten; once it is longer
 * than an answer can carry, all of it goes where that of commands in the background is, to be read by the same handle.
 */
export class KeptOutput {
  readonly #options: KeptOutputOptions;
  #early: Buffer[] = [];
  #size = 0;
  #keeper: OutputKeeper | undefined;

  constructor(options: KeptOutputOptions) {
    this.#options = options;
  }

  write(bytes: Buffer): void {
    this.#size += bytes.length;
    if (this.#keeper !== undefined) {
      this.#keeper.write(bytes);
      return;
    }
    // The bytes are ours during the call alone.
    this.#early.push(Buffer.from(bytes));
    if (this.#size <= this.#options.enough) return;
    const { background, caller, command } = this.#options;
    this.#keeper = background.keep(caller, command);
    for (const piece of this.#early) this.#keeper.write(piece);
    this.#early = [];
  }

  /** The handle, where there is more to read than the answer carries. */
  end(outcome: CallOutcome): string | undefined {
    return this.#keeper?.end(outcome);
  }
}
