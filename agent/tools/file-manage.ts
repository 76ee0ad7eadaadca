import { link, mkdir, unlink } from 'node:fs/promises';
import { AppError } from '../../protocol/errors.ts';
import {
  type ChangedPath,
  changedPathSchema,
  deleteFileArgumentsSchema,
  makeDirectoryArgumentsSchema,
  moveFileArgumentsSchema,
} from '../../protocol/file-tools.ts';
import { fileError } from '../files/file-error.ts';
import { type Existing, openForWrite, type WriteTarget } from '../files/open-for-write.ts';
import { syncFolder } from '../files/replace-file.ts';
import { fdPath } from '../files/walk.ts';
import type { FileToolOptions } from './file-options.ts';
import type { Tool, ToolContext, ToolEnd } from './tool.ts';

// For people at the page. Models have the shell, and each further tool would cost them in every conversation.
const COMMON = { group: 'file', output: changedPathSchema, signedOnly: true, defaultTimeoutS: 30 } as const;
const CHANGES = { readOnlyHint: false, openWorldHint: false } as const;
const value = (structured: ChangedPath): ToolEnd => ({ kind: 'value', structured });
const rulesOf = (options: FileToolOptions, { access }: ToolContext) => ({
  access,
  protectedPaths: options.protectedPaths,
});

function taken({ path }: WriteTarget): AppError {
  return new AppError('conflict', { detail: `${path} exists already.`, hint: 'Choose another name.' });
}
function present({ existing, path }: WriteTarget): Existing {
  if (existing !== undefined) return existing;
  throw new AppError('not_found', { detail: `${path} does not exist.` });
}

export function makeDirectoryTool(
  options: FileToolOptions,
): Tool<typeof makeDirectoryArgumentsSchema, typeof changedPathSchema> {
  return {
    ...COMMON,
    name: 'make_directory',
    title: 'Make a directory',
    description: 'Makes a directory. The one above must exist.',
    input: makeDirectoryArgumentsSchema,
    annotations: { ...CHANGES, destructiveHint: false, idempotentHint: false },
    disabled: !options.enabled,
    async run(context, args) {
      await using target = await openForWrite(args.directory_path, rulesOf(options, context));
      if (target.existing !== undefined) throw taken(target);
      try {
        await mkdir(fdPath(target.folder, target.name), Number.parseInt(args.mode ?? '755', 8));
        await syncFolder(target.folder);
      } catch (cause) {
        throw fileError(cause, target.path, 'write');
      }
      return value({ path: target.path });
    },
  };
}

export function moveFileTool(
  options: FileToolOptions,
): Tool<typeof moveFileArgumentsSchema, typeof changedPathSchema> {
  return {
    ...COMMON,
    name: 'move_file',
    title: 'Move or rename a file',
    description: 'Gives a file another name on the same disk. Replaces nothing.',
    input: moveFileArgumentsSchema,
    annotations: { ...CHANGES, destructiveHint: true, idempotentHint: false },
    disabled: !options.enabled,
    async run(context, args) {
      const rules = rulesOf(options, context);
      await using from = await openForWrite(args.file_path, rules);
      await using to = await openForWrite(args.new_path, rules);
      present(from);
      if (to.existing !== undefined) throw taken(to);
      try {
        await from.checkUnmoved();
        // rename(2) would replace what somebody puts there meanwhile; a second name never does.
        await link(fdPath(from.folder, from.name), fdPath(to.folder, to.name));
        await unlink(fdPath(from.folder, from.name));
        await syncFolder(to.folder);
        await syncFolder(from.folder);
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'EXDEV')
          throw new AppError('bad_request', {
            detail: `${to.path} is on another disk than ${from.path}.`,
            hint: 'Move it with a command (mv), or download and upload it.',
            cause,
          });
        throw fileError(cause, to.path, 'write');
      }
      return value({ path: to.path, from: from.path });
    },
  };
}

export function deleteFileTool(
  options: FileToolOptions,
): Tool<typeof deleteFileArgumentsSchema, typeof changedPathSchema> {
  return {
    ...COMMON,
    name: 'delete_file',
    title: 'Delete a file',
    description: 'Deletes one file for good.',
    input: deleteFileArgumentsSchema,
    annotations: { ...CHANGES, destructiveHint: true, idempotentHint: true },
    disabled: !options.enabled,
    async run(context, args) {
      await using target = await openForWrite(args.file_path, rulesOf(options, context));
      const { version } = present(target);
      if (args.expected_version !== undefined && args.expected_version !== version)
        throw new AppError('conflict', {
          detail: `${target.path} has changed; it was not deleted.`,
          hint: 'Look at what it holds now.',
        });
      try {
        await target.checkUnmoved('content');
        await unlink(fdPath(target.folder, target.name));
        await syncFolder(target.folder);
      } catch (cause) {
        throw fileError(cause, target.path, 'write');
      }
      return value({ path: target.path });
    },
  };
}
