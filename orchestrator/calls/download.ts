import { type DownloadFile, downloadFileSchema } from '../../protocol/file-tools.ts';
import { MAX_CALL_S } from '../../protocol/rest-calls.ts';
import { DOWNLOAD_PIECE_BYTES } from '../../protocol/transfer.ts';
import type { RequestedRange } from './byte-range.ts';
import type { CallRequest, Calls } from './call.ts';

/** Who downloads, and what of which agent. */
export type Who = Pick<CallRequest, 'organizationId' | 'agent' | 'actor' | 'address' | 'signal'>;

export interface Download {
  /** Where the file really lies. */
  path: string;
  size: number;
  version: string;
  modified: string;
  /** The part that `body` gives, first byte and the one after the last; undefined: it lies behind the file's end. */
  part: { from: number; to: number } | undefined;
  /** Reads as fast as the client takes it. */
  body(): AsyncGenerator<Buffer, void, void>;
}

/** Pieces that are on their way while the client takes one. */
const AHEAD = 3;

const TOOL = 'download_file';

/** A file of an agent, or a part of it, whole or not at all: a file that changes meanwhile ends the download. */
export function createDownloads({ calls }: { calls: Calls }) {
  async function piece(
    who: Who,
    file_path: string,
    at: number,
    limit: number,
    version?: string,
  ): Promise<DownloadFile> {
    const args = { file_path, offset: at, limit, ...(version === undefined ? {} : { version }) };
    return downloadFileSchema.parse(
      await calls.value({ ...who, tool: TOOL, args, waitS: MAX_CALL_S, piece: { kept: args } }),
    );
  }

  async function* pieces(who: Who, first: DownloadFile, to: number): AsyncGenerator<Buffer, void, void> {
    const { file_path, version } = first;
    const bytes = Buffer.from(first.content, 'base64').subarray(0, to - first.offset);
    let asked = first.offset + bytes.length;
    const ahead: Promise<DownloadFile>[] = [];
    const ask = () => {
      while (asked < to && ahead.length < AHEAD) {
        const limit = Math.min(DOWNLOAD_PIECE_BYTES, to - asked);
        const next = piece(who, file_path, asked, limit, version);
        // It is waited for in its turn; until then its failure is nobody's.
        next.catch(() => undefined);
        ahead.push(next);
        asked += limit;
      }
    };
    ask();
    if (bytes.length > 0) yield bytes;
    for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) {
      const { content } = await next;
      ask();
      yield Buffer.from(content, 'base64');
    }
  }

  return {
    /** @throws AppError as the tool: `not_found`, `path_refused`, …, or as `Calls`. */
    async open(
      who: Who,
      path: string,
      range: RequestedRange | undefined,
      ifRange?: string,
    ): Promise<Download> {
      const start = range === undefined ? 0 : range.from;
      let first = await piece(who, path, start, DOWNLOAD_PIECE_BYTES);
      let wanted = range;
      if (ifRange !== undefined && range !== undefined && ifRange !== `"${first.version}"`) {
        // Another file than the client has a part of: it gets the whole of this one.
        wanted = undefined;
        if (first.offset !== 0) first = await piece(who, path, 0, DOWNLOAD_PIECE_BYTES);
      }
      const { size, offset: from } = first;
      const to = Math.min(size, wanted?.to ?? size);
      const outside = wanted !== undefined && (from >= size || to <= from);
      return {
        path: first.file_path,
        size,
        version: first.version,
        modified: first.modified,
        part: outside ? undefined : { from, to },
        body: () => pieces(who, first, to),
      };
    },
  };
}
export type Downloads = ReturnType<typeof createDownloads>;
