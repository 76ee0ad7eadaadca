import { isoTime } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  type DownloadFile,
  downloadFileArgumentsSchema,
  downloadFileSchema,
} from '../../protocol/file-tools.ts';
import { fileError } from '../files/file-error.ts';
import { openFile } from '../files/open-for-read.ts';
import { versionOf } from '../files/walk.ts';
import { type FileToolOptions, octal } from './file-options.ts';
import type { Tool } from './tool.ts';

/** Bytes of a file of any size as they are, and a version that tells whether the next piece is of the same file. */
export function downloadFileTool(
  options: FileToolOptions,
): Tool<typeof downloadFileArgumentsSchema, typeof downloadFileSchema> {
  return {
    name: 'download_file',
    group: 'file',
    title: 'Download a file',
    description: 'Gives a piece of a file as it is.',
    input: downloadFileArgumentsSchema,
    output: downloadFileSchema,
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    disabled: !options.enabled,
    signedOnly: true,
    defaultTimeoutS: 60,
    async run({ access, signal }, args) {
      const { protectedPaths } = options;
      await using file = await openFile(args.file_path, { access, protectedPaths });
      try {
        const stats = await file.handle.stat({ bigint: true });
        const version = versionOf(stats);
        if (args.version !== undefined && args.version !== version)
          throw new AppError('conflict', {
            detail: `${file.path} has changed since the download began.`,
            hint: 'Download it again from the beginning.',
          });
        const size = Number(stats.size);
        const offset = args.offset < 0 ? Math.max(0, size + args.offset) : Math.min(args.offset, size);
        const bytes = Buffer.allocUnsafe(Math.min(args.limit, size - offset));
        let filled = 0;
        while (filled < bytes.length) {
          signal.throwIfAborted();
          const { bytesRead } = await file.handle.read(bytes, filled, bytes.length - filled, offset + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        const structured: DownloadFile = {
          file_path: file.path,
          size,
          version,
          mode: octal(Number(stats.mode)),
          owner: Number(stats.uid),
          modified: isoTime(Number(stats.mtimeMs)),
          offset,
          content: bytes.toString('base64', 0, filled),
        };
        return { kind: 'value', structured };
      } catch (cause) {
        if (signal.aborted) throw signal.reason;
        throw fileError(cause, file.path, 'read');
      }
    },
  };
}
