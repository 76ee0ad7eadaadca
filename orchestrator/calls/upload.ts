import { type UploadFile, uploadFileSchema } from '../../protocol/file-tools.ts';
import { MAX_CALL_S } from '../../protocol/rest-calls.ts';
import { UPLOAD_PIECE_BYTES } from '../../protocol/transfer.ts';
import { answerIn, type Calls, type Ended } from './call.ts';
import type { Who } from './download.ts';

/** Pieces that are on their way to the agent at once. */
const WINDOW = 6;
const TOOL = 'upload_file';

interface Target {
  file_path: string;
  upload_id: string;
}

/** Cuts a stream into pieces of one size, the last one shorter. A stream that breaks gives what had come of it. */
export async function* inPieces(
  stream: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Buffer, void, void> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      waiting.push(chunk);
      bytes += chunk.length;
      if (bytes < size) continue;
      let all = Buffer.concat(waiting);
      for (; all.length >= size; all = all.subarray(size)) yield all.subarray(0, size);
      waiting = [all];
      bytes = all.length;
    }
  } catch {
    // The client has gone; what came is kept, and it goes on there.
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}

/** Files on their way to an agent, which survive lost connections of either end. */
export function createUploads({ calls }: { calls: Calls }) {
  /** Never cancelled half way: what has come is kept. */
  const stay = new AbortController().signal;

  const request = (who: Who, args: Record<string, unknown>, kept: Record<string, unknown>) => ({
    ...who,
    signal: stay,
    tool: TOOL,
    args,
    waitS: MAX_CALL_S,
    piece: { kept },
  });
  const call = async (who: Who, args: Record<string, unknown>): Promise<UploadFile> =>
    uploadFileSchema.parse(await calls.value(request(who, args, args)));

  return {
    begin: (who: Who, target: Target & { size: number; overwrite: boolean }) =>
      call(who, { step: 'begin', ...target }),
    finish: (
      who: Who,
      target: Target & {
        size: number;
        sha256: string;
        overwrite: boolean;
        mode?: string;
        expected_version?: string;
      },
    ) => call(who, { step: 'finish', ...target }),
    abort: (who: Who, target: Target) => call(who, { step: 'abort', ...target }),

    /** Adds what the stream brings from `offset` on. Resolves with how much of the file the agent has then. */
    async append(
      who: Who,
      target: Target & { offset: number },
      stream: AsyncIterable<Uint8Array>,
    ): Promise<number> {
      const { offset, ...names } = target;
      let at = offset;
      let received = offset;
      const underway: Promise<Ended>[] = [];
      const settle = async () => {
        const ended = await underway.shift();
        if (ended !== undefined) received = uploadFileSchema.parse(answerIn(ended, TOOL)).received;
      };
      for await (const data of inPieces(stream, UPLOAD_PIECE_BYTES)) {
        const args = { step: 'piece', ...names, offset: at, content: data.toString('base64') };
        const kept = { step: 'piece', ...names, offset: at, bytes: data.length };
        const { ended } = await calls.begin(request(who, args, kept));
        ended.catch(() => undefined);
        underway.push(ended);
        at += data.length;
        if (underway.length >= WINDOW) await settle();
      }
      while (underway.length > 0) await settle();
      return received;
    },
  };
}
export type Uploads = ReturnType<typeof createUploads>;
