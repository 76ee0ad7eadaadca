import type { z } from 'zod';
import type { Stream } from '../../../protocol/command.ts';
import type { FromExecutor, SignedCommand, stopCauseSchema } from '../../../protocol/executor.ts';
import type { Admission } from '../input-gate.ts';
import type { ExecutorCore } from './core.ts';
import type { TakenMeta } from './ledger.ts';

/** Something that this session tells the daemon of. */
export interface Running {
  readonly id: string;
  /** It ends with the session. */
  readonly bound: boolean;
  /** Signed input names it so. */
  readonly handle: string | undefined;
  /** A genuine signature started it. */
  readonly signed: boolean;
  stop(cause: z.infer<typeof stopCauseSchema>): void;
  signal(name: string): void;
  input(bytes: Buffer, eof: boolean): void;
  /** Signed input for its terminal. */
  control(signed: SignedCommand): Admission;
  acknowledged(stream: Stream, offset: number): void;
  pump(): void;
  close(): void;
}

/** What a running thing is made from, whichever kind it is. */
export interface RunningOptions {
  id: string;
  core: ExecutorCore;
  bound: boolean;
  signed: boolean;
  handle: string | undefined;
  onEnded(message: FromExecutor): void;
  /** What the ledger says of one that was started before, by this executor or another. */
  meta?: TakenMeta;
}
