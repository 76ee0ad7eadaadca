import { mkdirSync } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { TerminalSize } from '../../protocol/terminal.ts';
import { AsciicastEvents, asciicastHeader } from './asciicast.ts';

/** Bytes of one recording; the terminal ends with it, since nothing of one goes unrecorded. */
export const MAX_RECORDING_BYTES = 64 * 1024 * 1024;

export interface Recorder {
  output(bytes: Uint8Array): void;
  resize(size: TerminalSize): void;
  /** Resolves when everything so far has been handed to the system: a crash of this program does not lose it. */
  written(): Promise<void>;
  /** Bytes that were handed over. */
  readonly size: number;
  readonly full: boolean;
  /** Writes the rest and makes it durable. */
  close(): Promise<void>;
}

export interface RecordingFiles {
  path(organizationId: string, id: string): string;
  /** @throws the system's error when the file cannot be made. */
  record(
    key: { organizationId: string; id: string },
    facts: TerminalSize & { title: string; term: string },
  ): Promise<Recorder>;
  size(organizationId: string, id: string): Promise<number>;
  remove(organizationId: string, id: string): Promise<void>;
}

/** One file for each recording, readable by the orchestrator's user alone. */
export function createRecordingFiles(options: { folder: string; clock: Clock }): RecordingFiles {
  const { folder, clock } = options;
  const path = (organizationId: string, id: string) => join(folder, organizationId, `${id}.cast`);
  return {
    path,
    async record({ organizationId, id }, facts) {
      mkdirSync(join(folder, organizationId), { recursive: true, mode: 0o700 });
      const handle = await open(path(organizationId, id), 'ax', 0o600);
      return createRecorder(handle, clock, facts);
    },
    async size(organizationId, id) {
      return (await stat(path(organizationId, id)).catch(() => undefined))?.size ?? 0;
    },
    remove: (organizationId, id) => rm(path(organizationId, id), { force: true }),
  };
}

function createRecorder(
  handle: FileHandle,
  clock: Clock,
  facts: TerminalSize & { title: string; term: string },
): Recorder {
  const events = new AsciicastEvents();
  const began = clock.monotonic();
  const at = () => clock.monotonic() - began;
  let waiting = asciicastHeader({ ...facts, atMs: clock.now() });
  let size = 0;
  let asked = Buffer.byteLength(waiting);
  let writing: Promise<void> | undefined;

  async function flush(): Promise<void> {
    // What comes while one piece is written becomes the next.
    while (waiting !== '') {
      const text = waiting;
      waiting = '';
      const { bytesWritten } = await handle.write(text);
      size += bytesWritten;
    }
  }
  const written = (): Promise<void> => {
    writing ??= flush().finally(() => {
      writing = undefined;
    });
    return writing;
  };
  const add = (text: string) => {
    waiting += text;
    asked += Buffer.byteLength(text);
  };
  return {
    output: (bytes) => add(events.output(at(), bytes)),
    resize: (to) => add(events.resize(at(), to)),
    written,
    get size() {
      return size;
    },
    get full() {
      return asked > MAX_RECORDING_BYTES;
    },
    async close() {
      add(events.end(at()));
      try {
        await written();
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
  };
}
