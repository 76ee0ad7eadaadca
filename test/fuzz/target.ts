/** A parser that faces a peer, and what must hold for whatever it is given. */
export interface FuzzTarget {
  readonly name: string;
  /** Inputs of real shape to begin with; those of test/fuzz/corpus/<name> come after them. */
  readonly seeds: readonly (string | Uint8Array)[];
  /** Words of its language. */
  readonly dictionary?: readonly string[];
  /** Of the inputs of a short run, where each costs much. */
  readonly share?: number;
  /** Processor time that an input may take whatever its length (ms). */
  readonly patienceMs?: number;
  /** Throws where something does not hold; refusals of the parser's own kind are no failure. */
  run(input: Buffer): void | Promise<void>;
}

/** A property that did not hold. */
class Violation extends Error {}

export function hold(condition: boolean, what: string): void {
  if (!condition) throw new Violation(what);
}
