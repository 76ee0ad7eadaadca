import { readFileSync } from 'node:fs';
import { writeFileAtomic } from '../../base/atomic-file.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import {
  type AgentHead,
  type AuditCosign,
  type AuditHeadMessage,
  type KeptCheckpoint,
  keptCheckpointSchema,
  type Witnessed,
} from '../../protocol/audit-witness.ts';
import type { CommandKeysFile } from '../../protocol/trust-files.ts';
import { isNewLine, judgeCheckpoint, type WitnessVerdict } from './witness.ts';

/** Where checkpoints are kept, and whose log the agent's own is: the executor's, which is root's, or the daemon's. */
export interface AuditKeeper {
  kept(): Promise<KeptCheckpoint | undefined>;
  /** Judges and keeps. */
  show(message: AuditHeadMessage): Promise<WitnessVerdict>;
  head(): Promise<AgentHead | undefined>;
  /** The orchestrator's counter-signature of the head. */
  cosigned(message: AuditCosign): Promise<void>;
}

/** Keeps the checkpoint in a file of the daemon's own: for where there is no executor. */
export function fileKeeper(options: { file: string; trust: CommandKeysFile }): AuditKeeper {
  const read = (): KeptCheckpoint | undefined => {
    try {
      return keptCheckpointSchema.parse(JSON.parse(readFileSync(options.file, 'utf8')));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw cause;
    }
  };
  return {
    kept: async () => read(),
    async show(message) {
      const verdict = judgeCheckpoint(read(), message, options.trust);
      if ('kept' in verdict)
        await writeFileAtomic(options.file, `${JSON.stringify(verdict.kept)}\n`, { mode: 0o600 });
      return verdict;
    },
    head: async () => undefined,
    cosigned: async () => undefined,
  };
}

/** Heartbeats and the connection must not hang on an executor that does not answer. */
const PATIENCE_MS = 3000;

/** The agent's part in the audit logs, as the channel needs it: what to say is at hand, what is heard is dealt with in order. */
export class Auditor {
  readonly #keeper: AuditKeeper;
  readonly #clock: Clock;
  readonly #log: Logger;
  #turn: Promise<void> = Promise.resolve();
  #kept: KeptCheckpoint | undefined;
  /** What the next hello says. */
  witnessed: Witnessed | undefined;
  head: AgentHead | undefined;

  constructor(options: { keeper: AuditKeeper; clock: Clock; log: Logger }) {
    this.#keeper = options.keeper;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /**
   * Learns what is kept, and the head of the agent's own log. Never rejects, and does not wait for long: the agent
   * works without.
   */
  async refresh(): Promise<void> {
    const patience = new AbortController();
    const asked = this.#ask().catch((cause: unknown) => {
      this.#log.warn({ err: cause }, 'the audit log cannot be asked for its head');
    });
    await Promise.race([asked, this.#clock.sleep(PATIENCE_MS, patience.signal).catch(() => undefined)]);
    patience.abort();
  }

  async #ask(): Promise<void> {
    this.#remember(await this.#keeper.kept());
    this.head = await this.#keeper.head();
  }

  /** The newest checkpoint came; `answer` is told what became of it. */
  onHead(message: AuditHeadMessage, answer: (said: { kept: Witnessed } | { refused: string }) => void): void {
    this.#later(async () => {
      const verdict = await this.#keeper.show(message);
      if ('refused' in verdict) {
        this.#log.error({ why: verdict.refused }, 'the orchestrator’s audit log is not what it was');
        answer(verdict);
        return;
      }
      if (isNewLine(this.#kept, verdict.kept))
        this.#log.warn(
          { size: verdict.kept.size, lost_size: verdict.kept.former?.at(-1)?.size },
          'the orchestrator was restored from a backup: its audit log goes on from there, and what it lost is kept here',
        );
      this.#remember(verdict.kept);
      if (this.witnessed !== undefined) answer({ kept: this.witnessed });
    });
  }

  onCosign(message: AuditCosign): void {
    this.#later(() => this.#keeper.cosigned(message));
  }

  #remember(kept: KeptCheckpoint | undefined): void {
    this.#kept = kept;
    this.witnessed = kept && { size: kept.size, root: kept.root, note: kept.note };
  }

  #later(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(work).catch((cause: unknown) => {
      this.#log.error({ err: cause }, 'a checkpoint of the audit log could not be kept');
    });
  }
}
