import { AppError } from '../../protocol/errors.ts';
import {
  type UploadFile,
  type UploadFileArguments,
  uploadFileArgumentsSchema,
  uploadFileSchema,
} from '../../protocol/file-tools.ts';
import { openForWrite, type WriteTarget } from '../files/open-for-write.ts';
import { tooLarge } from '../files/replace-file.ts';
import { abortUpload, addPiece, beginUpload, finishUpload } from '../files/upload.ts';
import { type FileToolOptions, octal } from './file-options.ts';
import type { Tool, ToolContext, ToolEnd } from './tool.ts';

/** A file in pieces, which is in its place when the last one is there and the whole is what was sent. */
export function uploadFileTool(
  options: FileToolOptions,
): Tool<typeof uploadFileArgumentsSchema, typeof uploadFileSchema> {
  return {
    name: 'upload_file',
    group: 'file',
    title: 'Upload a file',
    description: 'Takes a file in pieces, and puts it in its place at the end.',
    input: uploadFileArgumentsSchema,
    output: uploadFileSchema,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    disabled: !options.enabled,
    signedOnly: true,
    defaultTimeoutS: 60,
    async run(context, args): Promise<ToolEnd> {
      const rules = { access: context.access, protectedPaths: options.protectedPaths };
      await using target = await openForWrite(args.file_path, rules);
      return { kind: 'value', structured: await step(options, context, target, args) };
    },
  };
}

async function step(
  { maxFileSize }: FileToolOptions,
  { clock, signal }: ToolContext,
  target: WriteTarget,
  args: UploadFileArguments,
): Promise<UploadFile> {
  const { path: file_path, existing } = target;
  switch (args.step) {
    case 'begin':
      if (args.size > maxFileSize) throw tooLarge(file_path, args.size, maxFileSize);
      checkFree(target, args.overwrite);
      return {
        file_path,
        received: await beginUpload(target, { id: args.upload_id, size: args.size }, clock.now()),
        done: false,
      };
    case 'piece': {
      const data = Buffer.from(args.content, 'base64');
      const end = args.offset + data.length;
      if (end > maxFileSize) throw tooLarge(file_path, end, maxFileSize);
      const piece = { uploadId: args.upload_id, offset: args.offset, data };
      const received = await addPiece(target, piece, { clock, signal });
      return { file_path, received, done: false };
    }
    case 'finish': {
      checkFree(target, args.overwrite);
      if (args.expected_version !== undefined && args.expected_version !== existing?.version)
        throw new AppError('conflict', {
          detail: `${file_path} ${existing === undefined ? 'does not exist any more' : 'has changed'}; nothing was written.`,
          hint: 'Look at what it holds now, then upload again.',
        });
      const { upload_id: id, size, sha256 } = args;
      const mode = args.mode === undefined ? undefined : Number.parseInt(args.mode, 8);
      const written = await finishUpload(target, { id, size, sha256, mode }, signal);
      return {
        file_path,
        received: size,
        done: true,
        created: existing === undefined,
        mode: octal(written.mode),
        sha256: sha256.toLowerCase(),
      };
    }
    case 'abort':
      await abortUpload(target, args.upload_id);
      return { file_path, received: 0, done: false };
  }
}

function checkFree({ existing, path }: WriteTarget, overwrite: boolean): void {
  if (existing === undefined || overwrite) return;
  throw new AppError('conflict', {
    detail: `${path} exists already.`,
    hint: 'Say that it is to be replaced, or choose another name.',
  });
}
