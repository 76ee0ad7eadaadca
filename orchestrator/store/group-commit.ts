import type { Store, Tx } from './store.ts';

/**
 * What arrives while a transaction is being written shares the next one: a commit costs a sync of the disk, however
 * much is in it. Pieces of work run in the order in which they came, one transaction at a time.
 */
export interface GroupCommit {
  /**
   * Runs `work` in a shared transaction and resolves with its result after the commit. When a piece fails, the
   * others of its group are run again without it, so `work` must do nothing outside of `tx` that it cannot repeat;
   * what follows from it belongs into `committed`, which is called once, in the same order, before the result is handed out.
   */
  run<T>(work: (tx: Tx) => Promise<T>, committed?: (result: T) => void): Promise<T>;
  /** Resolves when everything that was handed in is on disk. */
  idle(): Promise<void>;
}

interface Piece {
  work: (tx: Tx) => Promise<unknown>;
  finish: (result: unknown) => void;
  fail: (cause: unknown) => void;
}

/** Keeps one transaction short: others wait for it. */
const MAX_GROUP = 256;

export function createGroupCommit(store: Pick<Store, 'transaction'>): GroupCommit {
  let waiting: Piece[] = [];
  let running: Promise<void> | undefined;

  async function writeTogether(pieces: readonly Piece[]): Promise<void> {
    const results = await store.transaction(async (tx) => {
      const done: unknown[] = [];
      for (const piece of pieces) done.push(await piece.work(tx));
      return done;
    });
    for (const [index, piece] of pieces.entries()) piece.finish(results[index]);
  }

  async function write(pieces: readonly Piece[]): Promise<void> {
    try {
      await writeTogether(pieces);
    } catch (cause) {
      const [only] = pieces;
      if (pieces.length === 1) only?.fail(cause);
      else for (const piece of pieces) await write([piece]);
    }
  }

  async function loop(): Promise<void> {
    // Everything that one turn of the event loop reads from the sockets goes into one transaction.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) {
      const group = waiting.slice(0, MAX_GROUP);
      waiting = waiting.slice(MAX_GROUP);
      await write(group);
    }
    running = undefined;
  }

  return {
    run<T>(work: (tx: Tx) => Promise<T>, committed?: (result: T) => void): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        waiting.push({
          work,
          finish: (result) => {
            try {
              committed?.(result as T);
              resolve(result as T);
            } catch (cause) {
              reject(cause);
            }
          },
          fail: reject,
        });
        running ??= loop();
      });
    },
    idle: async () => {
      while (running !== undefined) await running;
    },
  };
}
