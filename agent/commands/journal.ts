import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { diskFault, inTransaction, LateDatabase, migrate, openDatabase } from '../../base/sqlite.ts';
import { type CommandPayload, type CommandResult, commandResultSchema } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { SignedCommand } from '../../protocol/executor.ts';

/**
 * What this agent took, started and ended, on disk before anybody hears of it. It makes at-most-once: a command is
 * taken only above the mark, in the transaction that raises the mark, and is `running` here before its process exists.
 * Ended entries are the outbox until they are acknowledged, and answer duplicates for some days after.
 */
const SCHEMA = [
  `CREATE TABLE command (
     command_id TEXT PRIMARY KEY,
     epoch INTEGER NOT NULL,
     seq INTEGER NOT NULL,
     state TEXT NOT NULL,
     payload TEXT NOT NULL,
     taken_at_ms INTEGER NOT NULL,
     started_at_ms INTEGER,
     boot_id TEXT,
     ended_at_ms INTEGER,
     result TEXT,
     acknowledged INTEGER NOT NULL DEFAULT 0,
     UNIQUE (epoch, seq)
   ) STRICT;
   CREATE INDEX command_open ON command (epoch, seq) WHERE acknowledged = 0;
   CREATE TABLE cancel (command_id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
   CREATE TABLE mark (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;
   INSERT INTO mark VALUES (1, 0, 0);`,
  // Of what waits to be started: the signed bytes, for who checks them again then.
  `CREATE TABLE signed (command_id TEXT PRIMARY KEY, message TEXT NOT NULL) STRICT;`,
];

/** Highest command that was ever taken. A later epoch begins its numbers anew. */
export interface Mark {
  epoch: number;
  seq: number;
}

export type JournalEntry = {
  commandId: string;
  epoch: number;
  seq: number;
  startedAtMs: number | undefined;
  bootId: string | undefined;
} & (
  | { state: 'accepted' | 'running'; payload: CommandPayload }
  | { state: 'ended'; result: CommandResult; acknowledged: boolean }
);

/** How a command enters the journal: waiting, about to start, or already at its end (refused, expired, cancelled). */
export type Take =
  | { as: 'accepted'; signed?: SignedCommand }
  | { as: 'running'; bootId: string }
  | { as: 'ended'; result: CommandResult };

export class Journal {
  readonly #late: LateDatabase;
  readonly #statements = new Map<string, StatementSync>();
  readonly #acknowledged = new Set<string>();
  /** Cancels that could not be written down. */
  readonly #heldCancels = new Set<string>();
  #mark: Mark = { epoch: 0, seq: 0 };

  /**
   * A disk that does not let it be opened now may do so later: until then every call throws what is wrong.
   * @throws AppError `conflict` when another process has it open.
   */
  constructor(file: string) {
    this.#late = new LateDatabase(() => this.#make(file));
    try {
      this.#late.open();
    } catch (cause) {
      if (diskFault(cause) === undefined) throw cause;
    }
  }

  get isOpen(): boolean {
    return this.#late.isOpen;
  }

  /** @throws why it cannot be read and written now. */
  probe(): void {
    // As much as a large command takes: a full disk may still have room for less in what it has given already.
    this.#transaction(() => {
      this.#prepare("INSERT INTO signed VALUES ('probe', hex(zeroblob(8192)))").run();
      this.#prepare("DELETE FROM signed WHERE command_id = 'probe'").run();
    });
  }

  get mark(): Mark {
    this.#late.open();
    return this.#mark;
  }

  /** One transaction: the entry, the mark, and the end of a cancel that came before it. */
  take(payload: CommandPayload, how: Take, nowMs: number): void {
    const ended = how.as === 'ended' ? how.result : undefined;
    this.#transaction(() => {
      this.#prepare('INSERT INTO command VALUES (?,?,?,?,?,?,?,?,?,?,0)').run(
        payload.command_id,
        payload.epoch,
        payload.seq,
        how.as,
        // What runs has its arguments; those of an upload are large.
        ended ? '' : JSON.stringify(how.as === 'running' ? { ...payload, arguments: {} } : payload),
        nowMs,
        how.as === 'running' ? nowMs : null,
        how.as === 'running' ? how.bootId : null,
        ended ? nowMs : null,
        ended ? JSON.stringify(ended) : null,
      );
      this.#prepare('UPDATE mark SET epoch = ?, seq = ?').run(payload.epoch, payload.seq);
      this.#prepare('DELETE FROM cancel WHERE command_id = ?').run(payload.command_id);
      if (how.as === 'accepted' && how.signed !== undefined)
        this.#prepare('INSERT INTO signed VALUES (?, ?)').run(payload.command_id, JSON.stringify(how.signed));
    });
    this.#mark = { epoch: payload.epoch, seq: payload.seq };
    this.#heldCancels.delete(payload.command_id);
  }

  /** An accepted command is about to start: the marker that must be on disk before its process exists. */
  start(commandId: string, bootId: string, nowMs: number): void {
    this.#transaction(() =>
      this.#prepare(
        "UPDATE command SET state = 'running', started_at_ms = ?, boot_id = ? WHERE command_id = ?",
      ).run(nowMs, bootId, commandId),
    );
  }

  /** What came for a command that waits. */
  signed(commandId: string): SignedCommand | undefined {
    const row = this.#prepare('SELECT message FROM signed WHERE command_id = ?').get(commandId);
    return row === undefined ? undefined : (JSON.parse(String(row['message'])) as SignedCommand);
  }

  /** Ends an entry and puts its result into the outbox; the arguments are not needed any more. */
  end(commandId: string, result: CommandResult, nowMs: number): void {
    this.#transaction(() => {
      this.#prepare(
        "UPDATE command SET state = 'ended', payload = '', ended_at_ms = ?, result = ? WHERE command_id = ?",
      ).run(nowMs, JSON.stringify(result), commandId);
      this.#prepare('DELETE FROM signed WHERE command_id = ?').run(commandId);
    });
    this.#heldCancels.delete(commandId);
  }

  get(commandId: string): JournalEntry | undefined {
    const row = this.#prepare('SELECT * FROM command WHERE command_id = ?').get(commandId);
    return row && this.#entry(row);
  }

  /** Everything whose end the orchestrator has not acknowledged, in the order of its commands. */
  open(): JournalEntry[] {
    return this.#prepare('SELECT * FROM command WHERE acknowledged = 0 ORDER BY epoch, seq')
      .all()
      .map((row) => this.#entry(row))
      .filter((entry) => entry.state !== 'ended' || !entry.acknowledged);
  }

  /** How many results the orchestrator has not acknowledged. */
  outboxSize(): number {
    if (!this.#late.isOpen) return 0;
    const row = this.#prepare(
      "SELECT count(*) AS n FROM command WHERE acknowledged = 0 AND state = 'ended'",
    ).get();
    return Math.max(0, Number(row?.['n'] ?? 0) - this.#acknowledged.size);
  }

  /** Keeps a cancel for a command that has not come yet. */
  keepCancel(commandId: string, nowMs: number): void {
    this.#transaction(() =>
      this.#prepare('INSERT OR IGNORE INTO cancel VALUES (?, ?)').run(commandId, nowMs),
    );
  }

  /** For as long as this process lives: where `keepCancel`, or the end of what is cancelled, cannot be written. */
  holdCancel(commandId: string): void {
    this.#heldCancels.add(commandId);
  }

  hasCancel(commandId: string): boolean {
    if (this.#heldCancels.has(commandId)) return true;
    return this.#prepare('SELECT 1 FROM cancel WHERE command_id = ?').get(commandId) !== undefined;
  }

  /**
   * The orchestrator has the result. Written with the next transaction, or by `flush`: losing this costs one more
   * copy of a result, while a commit of its own would cost each command a disk flush.
   */
  acknowledge(commandId: string): void {
    this.#acknowledged.add(commandId);
  }

  flush(): void {
    if (this.#acknowledged.size > 0 && this.#late.isOpen) this.#transaction(() => undefined);
  }

  /** Forgets acknowledged entries and kept cancels that are older than `ageMs`. */
  prune(nowMs: number, ageMs: number): void {
    this.#transaction(() => {
      const before = nowMs - ageMs;
      this.#prepare('DELETE FROM command WHERE acknowledged = 1 AND ended_at_ms < ?').run(before);
      this.#prepare('DELETE FROM cancel WHERE at_ms < ?').run(before);
    });
  }

  close(): void {
    try {
      this.flush();
    } finally {
      this.#statements.clear();
      this.#late.close();
    }
  }

  #make(file: string): DatabaseSync {
    let database: DatabaseSync | undefined;
    try {
      database = openDatabase(file);
      // Two daemons on one journal would each take the other's running commands for lost.
      database.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE; COMMIT;');
      migrate(database, SCHEMA, { newerIsFine: true });
      const row = database.prepare('SELECT epoch, seq FROM mark').get();
      this.#mark = { epoch: Number(row?.['epoch']), seq: Number(row?.['seq']) };
      return database;
    } catch (cause) {
      database?.close();
      if (!/locked|busy/i.test(String(cause))) throw cause;
      throw new AppError('conflict', {
        detail: `Another agent is running with the state in ${file}.`,
        hint: 'Stop it first, or give this one its own folder with --home DIR.',
        cause,
      });
    }
  }

  #prepare(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.#late.open().prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #transaction(work: () => unknown): void {
    const acknowledged = [...this.#acknowledged];
    inTransaction(this.#late.open(), () => {
      // The orchestrator holds head and tail now; a duplicate is answered by the state alone.
      const statement = this.#prepare(
        "UPDATE command SET acknowledged = 1, result = json_remove(result, '$.stdout', '$.stderr') WHERE command_id = ? AND state = 'ended'",
      );
      for (const id of acknowledged) statement.run(id);
      work();
    });
    for (const id of acknowledged) this.#acknowledged.delete(id);
  }

  #entry(row: Record<string, SQLOutputValue>): JournalEntry {
    const commandId = String(row['command_id']);
    const common = {
      commandId,
      epoch: Number(row['epoch']),
      seq: Number(row['seq']),
      startedAtMs: row['started_at_ms'] === null ? undefined : Number(row['started_at_ms']),
      bootId: row['boot_id'] === null ? undefined : String(row['boot_id']),
    };
    if (row['state'] === 'ended')
      return {
        ...common,
        state: 'ended',
        result: commandResultSchema.parse(JSON.parse(String(row['result']))),
        acknowledged: row['acknowledged'] === 1 || this.#acknowledged.has(commandId),
      };
    return {
      ...common,
      state: row['state'] === 'running' ? 'running' : 'accepted',
      // It was checked when it was taken, and nobody else writes here.
      payload: JSON.parse(String(row['payload'])) as CommandPayload,
    };
  }
}
