import { AppError } from '../../protocol/errors.ts';
import type { SignedCommand } from '../../protocol/executor.ts';
import type { EnvelopeVerifier, VerifiedInput } from '../policy/verify-envelope.ts';

/** Where signed input for terminals goes, by the command that each of them is. */
export class TerminalInputs {
  readonly #sinks = new Map<string, (signed: SignedCommand) => void>();
  #verifier: EnvelopeVerifier | undefined;

  /** Whose signatures count, once this machine is enrolled. */
  trust(verifier: EnvelopeVerifier): void {
    this.#verifier = verifier;
  }

  verify = (signed: SignedCommand, commandId: string, nowMs: number): VerifiedInput => {
    if (this.#verifier !== undefined) return this.#verifier.verifyInput(signed, commandId, nowMs);
    throw new AppError('not_enrolled');
  };

  /** @returns what closes it. */
  open(commandId: string, sink: (signed: SignedCommand) => void): () => void {
    this.#sinks.set(commandId, sink);
    return () => void this.#sinks.delete(commandId);
  }

  /** Input for a terminal that has ended meanwhile goes nowhere. */
  deliver(commandId: string, signed: SignedCommand): void {
    this.#sinks.get(commandId)?.(signed);
  }
}
