import type { ErrorCode } from '../../protocol/errors.ts';
import type { SignedCommand } from '../../protocol/executor.ts';
import { after, type InputPosition, orderOf, type TerminalInput } from '../../protocol/terminal.ts';
import type { VerifiedInput } from '../policy/verify-envelope.ts';

export type Admission =
  | { kind: 'ok'; input: TerminalInput; bytes: Buffer }
  /** Taken before; it came again after a break of the link. */
  | { kind: 'again' }
  | { kind: 'refused'; code: ErrorCode; message: string };

/**
 * Lets input through to one terminal: genuine, for this terminal, and each piece once and in its order. It stands where
 * the terminal is, so that whoever carries the input on its way can neither add to it, repeat it nor leave some out.
 */
export class InputGate {
  readonly #verify: (signed: SignedCommand) => VerifiedInput;
  #taken: InputPosition = { n: 0, offset: 0 };

  constructor(verify: (signed: SignedCommand) => VerifiedInput) {
    this.#verify = verify;
  }

  admit(signed: SignedCommand): Admission {
    const verified = this.#verify(signed);
    if (verified.kind === 'refused') return verified;
    const { input } = verified;
    const order = orderOf(input, this.#taken);
    if (order === 'again') return { kind: 'again' };
    if (order === 'gap')
      return {
        kind: 'refused',
        code: 'command_replayed',
        message: `Input ${input.n} does not follow input ${this.#taken.n}.`,
      };
    const bytes = input.type === 'input' ? Buffer.from(input.data, 'base64') : Buffer.alloc(0);
    this.#taken = after(this.#taken, bytes.length);
    return { kind: 'ok', input, bytes };
  }
}
