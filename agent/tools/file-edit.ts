import type { z } from 'zod';
import { AppError } from '../../protocol/errors.ts';
import { type EditFile, editFileArgumentsSchema, editFileSchema } from '../../protocol/file-tools.ts';
import { applyEdit } from '../files/edit.ts';
import { openForWrite } from '../files/open-for-write.ts';
import { checkUnchanged, readExisting, replaceFile, sha256Of, tooLarge } from '../files/replace-file.ts';
import { unifiedDiff } from '../files/unified-diff.ts';
import type { FileToolOptions } from './file-options.ts';
import type { Tool, ToolContext, ToolEnd } from './tool.ts';

const MAX_DIFF = 24 * 1024;

type Arguments = z.output<typeof editFileArgumentsSchema>;

/** Some exact text of a file for other text. */
export function editFileTool(
  options: FileToolOptions,
): Tool<typeof editFileArgumentsSchema, typeof editFileSchema> {
  return {
    name: 'edit_file',
    group: 'file',
    title: 'Edit a file',
    description:
      'Replaces exact text that occurs once (or all of it) and returns the diff. Line ends, owner and mode are kept.',
    input: editFileArgumentsSchema,
    output: editFileSchema,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
    disabled: !options.enabled,
    defaultTimeoutS: 60,
    run: (context, args) => editFile(options, context, args),
  };
}

async function editFile(options: FileToolOptions, context: ToolContext, args: Arguments): Promise<ToolEnd> {
  const { signal, access } = context;
  const { maxFileSize, protectedPaths } = options;
  await using target = await openForWrite(args.file_path, { access, protectedPaths });
  const { existing, path } = target;
  if (existing === undefined)
    throw new AppError('not_found', {
      detail: `${path} does not exist.`,
      hint: 'write_file makes new files.',
    });
  const before = await readExisting(existing, path, maxFileSize);
  checkUnchanged(path, args.expected_sha256 && sha256Of(before), args.expected_sha256);
  const edit = applyEdit(before, {
    path,
    oldText: args.old_text,
    newText: args.new_text,
    replaceAll: args.replace_all,
  });
  if (edit.bytes.length > maxFileSize) throw tooLarge(path, edit.bytes.length, maxFileSize);
  signal.throwIfAborted();
  if (!args.dry_run) await replaceFile(target, edit.bytes);
  const { diff, truncated } = unifiedDiff(path, before, edit, MAX_DIFF);
  const count = edit.replaced.length;
  const structured: EditFile = {
    file_path: path,
    replacements: count,
    changed: !args.dry_run,
    diff,
    ...(truncated ? { diff_truncated: true } : {}),
    size: edit.bytes.length,
    sha256: sha256Of(edit.bytes),
  };
  const times = count === 1 ? 'once' : `${count} times`;
  const said = args.dry_run ? `Would replace ${times}; nothing was written.` : `Replaced ${times}.`;
  return { kind: 'value', structured, text: `${said}\n${diff}` };
}
