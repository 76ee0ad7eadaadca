import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { type Clock, isoTime } from '../../../base/clock.ts';
import { diskFault, inTransaction, LateDatabase, migrate, openDatabase } from '../../../base/sqlite.ts';
import { AUDIT_GENESIS, type AuditEvent, auditBytes } from '../../../protocol/audit-event.ts';
import { type KeptCheckpoint, keptCheckpointSchema } from '../../../protocol/audit-witness.ts';
import type { CommandPayload } from '../../../protocol/command.ts';
import type { WitnessVerdict } from '../../audit/witness.ts';

/**
 * What was taken, so that nothing is taken twice, and the audit chain, which grows in the same transactions. Several
 * executors may have it open, one for each connection: whoever commits first has the command.
 */
const SCHEMA = [
  `CREATE TABLE taken (
     epoch INTEGER NOT NULL,
     seq INTEGER NOT NULL,
     command_id TEXT NOT NULL UNIQUE,
     meta TEXT NOT NULL,
     at_ms INTEGER NOT NULL,
     PRIMARY KEY (epoch, seq)
   ) STRICT;
   CREATE TABLE mark (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, floor INTEGER NOT NULL) STRICT;
   INSERT INTO mark VALUES (1, 0, 0);
   CREATE TABLE audit (seq INTEGER PRIMARY KEY, event TEXT NOT NULL, hash TEXT NOT NULL) STRICT;`,
  // What is kept of the orchestrator's log, and the highest head of the chain above that it counter-signed.
  `CREATE TABLE witness (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     kept TEXT,
     cosigned_seq INTEGER NOT NULL,
     cosigned_hash TEXT NOT NULL,
     cosigned_at TEXT
   ) STRICT;
   INSERT INTO witness VALUES (1, NULL, 0, '', NULL);`,
];

/** What another executor needs to find a command again. */
export interface TakenMeta {
  kind: 'unit' | 'tool';
  output_limit: number;
  timeout_s: number;
  merged: boolean;
  bound: boolean;
  /** It begins in a folder that may not be there. */
  cwd?: boolean;
  handle?: string | undefined;
  /** Unit of the executor that does the work itself, for a tool. */
  owner: string;
}

export interface AuditHead {
  seq: number;
  hash: string;
}

export type Claim = 'taken' | 'replay';

export class Ledger {
  readonly #late: LateDatabase;
  readonly #clock: Pick<Clock, 'now'>;

  /** A disk that does not let it be opened now may do so later: until then every call throws what is wrong. */
  constructor(options: { file: string; clock: Pick<Clock, 'now'> }) {
    this.#clock = options.clock;
    this.#late = new LateDatabase(() => {
      const database = openDatabase(options.file);
      try {
        migrate(database, SCHEMA, { newerIsFine: true });
        return database;
      } catch (cause) {
        database.close();
        throw cause;
      }
    });
    try {
      this.#late.open();
    } catch (cause) {
      if (diskFault(cause) === undefined) throw cause;
    }
  }

  get #database(): DatabaseSync {
    return this.#late.open();
  }

  /**
   * Takes a signed command, once and for ever: its number must be new, above the floor and of no earlier epoch. The
   * audit event is in the same transaction; without it nothing is taken.
   */
  claim(payload: CommandPayload, meta: TakenMeta, detail: Record<string, unknown>): Claim {
    return inTransaction(this.#database, () => {
      const mark = this.#database.prepare('SELECT epoch, floor FROM mark').get();
      const epoch = Number(mark?.['epoch']);
      const isNew =
        payload.epoch > epoch || (payload.epoch === epoch && payload.seq > Number(mark?.['floor']));
      const known =
        this.#database
          .prepare('SELECT 1 FROM taken WHERE (epoch = ? AND seq = ?) OR command_id = ?')
          .get(payload.epoch, payload.seq, payload.command_id) !== undefined;
      if (!isNew || known) {
        this.#append('command.refused', { ...detail, code: 'command_replayed' });
        return 'replay';
      }
      this.#database
        .prepare('INSERT INTO taken VALUES (?,?,?,?,?)')
        .run(payload.epoch, payload.seq, payload.command_id, JSON.stringify(meta), this.#clock.now());
      if (payload.epoch > epoch)
        this.#database.prepare('UPDATE mark SET epoch = ?, floor = 0').run(payload.epoch);
      this.#append('command.taken', detail);
      return 'taken';
    });
  }

  meta(commandId: string): TakenMeta | undefined {
    const row = this.#database.prepare('SELECT meta FROM taken WHERE command_id = ?').get(commandId);
    return row === undefined ? undefined : (JSON.parse(String(row['meta'])) as TakenMeta);
  }

  /** Writes an event by itself. @throws when it cannot be written: then nothing may be done either. */
  record(action: string, detail: Record<string, unknown>): AuditHead {
    return inTransaction(this.#database, () => this.#append(action, detail));
  }

  get head(): AuditHead {
    const row = this.#database.prepare('SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1').get();
    return { seq: Number(row?.['seq'] ?? 0), hash: String(row?.['hash'] ?? AUDIT_GENESIS) };
  }

  /** Entries after `seq`, the oldest first. */
  *entries(seq = 0): Generator<{ event: AuditEvent; hash: string }> {
    const statement = this.#database.prepare('SELECT event, hash FROM audit WHERE seq > ? ORDER BY seq');
    for (const row of statement.iterate(seq))
      yield { event: JSON.parse(String(row['event'])) as AuditEvent, hash: String(row['hash']) };
  }

  /** The checkpoint that is kept of the orchestrator's log. */
  kept(): KeptCheckpoint | undefined {
    const row = this.#database.prepare('SELECT kept FROM witness').get();
    const text = row?.['kept'];
    return typeof text === 'string' ? keptCheckpointSchema.parse(JSON.parse(text)) : undefined;
  }

  /** Judges a newer one beside the kept one, and keeps it if it is good, in one transaction. */
  witness(judge: (kept: KeptCheckpoint | undefined) => WitnessVerdict): WitnessVerdict {
    return inTransaction(this.#database, () => {
      const verdict = judge(this.kept());
      if ('kept' in verdict)
        this.#database.prepare('UPDATE witness SET kept = ?').run(JSON.stringify(verdict.kept));
      return verdict;
    });
  }

  /** For an orchestrator that was put back to a backup: what it lost is not asked for any more. */
  forgetKept(): boolean {
    const { changes } = this.#database.prepare('UPDATE witness SET kept = NULL WHERE kept IS NOT NULL').run();
    return Number(changes) > 0;
  }

  keepCosigned(head: AuditHead & { at: string }): void {
    this.#database
      .prepare(
        'UPDATE witness SET cosigned_seq = ?, cosigned_hash = ?, cosigned_at = ? WHERE cosigned_seq < ?',
      )
      .run(head.seq, head.hash, head.at, head.seq);
  }

  /** The highest head that the orchestrator counter-signed: the chain must still have it. */
  get cosigned(): (AuditHead & { at: string }) | undefined {
    const row = this.#database.prepare('SELECT cosigned_seq, cosigned_hash, cosigned_at FROM witness').get();
    const seq = Number(row?.['cosigned_seq'] ?? 0);
    return seq === 0
      ? undefined
      : { seq, hash: String(row?.['cosigned_hash']), at: String(row?.['cosigned_at']) };
  }

  /** Forgets which old commands were taken; what is at or below the newest forgotten one stays refused. */
  prune(ageMs: number): string[] {
    return inTransaction(this.#database, () => {
      const before = this.#clock.now() - ageMs;
      const old = this.#database
        .prepare('SELECT command_id, epoch, seq FROM taken WHERE at_ms < ?')
        .all(before);
      for (const { epoch, seq } of old)
        this.#database
          .prepare('UPDATE mark SET floor = max(floor, ?) WHERE epoch = ?')
          .run(Number(seq), Number(epoch));
      this.#database.prepare('DELETE FROM taken WHERE at_ms < ?').run(before);
      return old.map((row) => String(row['command_id']));
    });
  }

  close(): void {
    this.#late.close();
  }

  #append(action: string, detail: Record<string, unknown>): AuditHead {
    const { seq, hash } = this.head;
    const event = { seq: seq + 1, at: isoTime(this.#clock.now()), action, detail, prev: hash };
    const next = createHash('sha256').update(auditBytes(event)).digest('hex');
    this.#database.prepare('INSERT INTO audit VALUES (?,?,?)').run(event.seq, JSON.stringify(event), next);
    return { seq: event.seq, hash: next };
  }
}
