import { z } from 'zod';
import { DOWNLOAD_PIECE_BYTES } from './transfer.ts';

const path = z.string().min(1).max(4096).describe('Absolute');
const encoding = z.enum(['utf-8', 'latin1', 'base64']);
const sha256 = z.string().regex(/^[0-9a-fA-F]{64}$/, 'must be 64 hexadecimal digits');
const mode = z
  .string()
  .regex(/^0?[0-7]{3}$/, 'must be three octal digits, like 644')
  .describe('Octal, like 644');
const count = z.number().int();

export const readFileArgumentsSchema = z.strictObject({
  file_path: path,
  encoding: encoding.default('utf-8'),
  offset: count.optional().describe('Lines or bytes to skip; negative counts from the end'),
  limit: count.positive().optional().describe('Lines or bytes at most'),
  unit: z.enum(['lines', 'bytes']).optional().describe('Default lines; bytes for base64'),
});

export const readFileSchema = z.object({
  file_path: z.string().describe('Without links'),
  content: z.string(),
  encoding,
  unit: z.enum(['lines', 'bytes']),
  offset: count.describe('Of the content; negative where lines were counted from the end'),
  count: count.describe('Lines or bytes in the content'),
  size: count,
  total_lines: count.optional(),
  start_byte: count,
  end_byte: count,
  truncated: z.boolean().describe('The file goes on'),
  next_offset: count.optional().describe('Where to go on'),
  line_cut: z.boolean().optional().describe('The line is longer; go on by bytes from end_byte'),
  invalid_utf8: z.boolean().optional().describe('Not text; base64 gives the bytes'),
  sha256: z.string().optional().describe('Of the whole file, when it is small'),
  modified: z.string(),
});
export type ReadFile = z.infer<typeof readFileSchema>;

export const writeFileArgumentsSchema = z.strictObject({
  file_path: path,
  content: z.string(),
  encoding: encoding.default('utf-8'),
  mode: mode.optional(),
  expected_sha256: sha256.optional().describe('Refuse if the file is not this one'),
  append: z.boolean().default(false),
});

export const writeFileSchema = z.object({
  file_path: z.string(),
  size: count,
  bytes_written: count,
  created: z.boolean(),
  mode: z.string(),
  sha256: z.string().optional().describe('Of the whole file now'),
});
export type WriteFile = z.infer<typeof writeFileSchema>;

export const editFileArgumentsSchema = z.strictObject({
  file_path: path,
  old_text: z.string().min(1).describe('Exact, and found once'),
  new_text: z.string(),
  replace_all: z.boolean().default(false),
  dry_run: z.boolean().default(false).describe('Only show the diff'),
  expected_sha256: sha256.optional().describe('Refuse if the file is not this one'),
});

export const editFileSchema = z.object({
  file_path: z.string(),
  replacements: count,
  changed: z.boolean().describe('False for a dry run'),
  diff: z.string().describe('Unified'),
  diff_truncated: z.boolean().optional(),
  size: count,
  sha256: z.string().describe('After the edit'),
});
export type EditFile = z.infer<typeof editFileSchema>;

export const listDirectoryArgumentsSchema = z.strictObject({
  directory_path: path,
  sort: z.enum(['name', 'size', 'modified']).default('name').describe('Largest or newest first'),
  offset: count.nonnegative().default(0),
  limit: count.positive().max(1000).default(200),
  hidden: z.boolean().default(true),
});

export const listDirectorySchema = z.object({
  directory_path: z.string().describe('Without links'),
  entries: z.array(
    z.object({
      name: z.string(),
      type: z.enum(['file', 'directory', 'link', 'fifo', 'socket', 'block device', 'character device']),
      size: count,
      mode: z.string(),
      owner: z.string(),
      group: count.describe('gid'),
      modified: z.string(),
      target: z.string().optional().describe('Of a link'),
    }),
  ),
  total: count,
  truncated: z.boolean(),
  next_offset: count.optional(),
});
export type ListDirectory = z.infer<typeof listDirectorySchema>;

export const searchFilesArgumentsSchema = z.strictObject({
  directory_path: path,
  pattern: z
    .string()
    .min(1)
    .max(1000)
    .optional()
    .describe('Regular expression for lines; without it names are searched'),
  glob: z.string().min(1).max(1000).optional().describe('Like *.log or src/**/*.{ts,js}'),
  literal: z.boolean().default(false).describe('The pattern is plain text'),
  ignore_case: z.boolean().default(false),
  context: count.min(0).max(10).default(0).describe('Lines around a match'),
  max_results: count.min(1).max(500).default(100),
  hidden: z.boolean().default(true),
});

export const searchFilesSchema = z.object({
  directory_path: z.string(),
  matches: z.array(
    z.object({
      file: z.string(),
      line: count.optional(),
      text: z.string().optional(),
      before: z.array(z.string()).optional(),
      after: z.array(z.string()).optional(),
    }),
  ),
  files_searched: count,
  skipped: z
    .object({ binary: count, too_large: count, unreadable: count })
    .partial()
    .optional()
    .describe('Files not searched'),
  truncated: z.boolean(),
  stopped_by: z.enum(['max_results', 'size', 'time']).optional(),
});
export type SearchFiles = z.infer<typeof searchFilesSchema>;

const version = z.string().max(128).describe('Changes whenever the content does');
/** Names an upload across lost connections; hex, drawn by who uploads. */
const uploadId = z.string().regex(/^[0-9a-f]{16,64}$/, 'must be 16 to 64 hexadecimal digits');

export const downloadFileArgumentsSchema = z.strictObject({
  file_path: path,
  offset: count.default(0).describe('Negative counts from the end'),
  limit: count.min(0).max(DOWNLOAD_PIECE_BYTES).default(DOWNLOAD_PIECE_BYTES),
  version: version.optional().describe('Refuse if the file is not this one'),
});

export const downloadFileSchema = z.object({
  file_path: z.string().describe('Without links'),
  size: count,
  version,
  mode: z.string(),
  owner: count.describe('uid'),
  modified: z.string(),
  offset: count,
  content: z.base64(),
});
export type DownloadFile = z.infer<typeof downloadFileSchema>;

const uploadTarget = { file_path: path, upload_id: uploadId };
export const uploadFileArgumentsSchema = z.discriminatedUnion('step', [
  z.strictObject({
    step: z.literal('begin'),
    ...uploadTarget,
    size: count.nonnegative(),
    overwrite: z.boolean().default(false),
  }),
  z.strictObject({
    step: z.literal('piece'),
    ...uploadTarget,
    offset: count.nonnegative(),
    content: z.base64(),
  }),
  z.strictObject({
    step: z.literal('finish'),
    ...uploadTarget,
    size: count.nonnegative(),
    sha256,
    mode: mode.optional(),
    overwrite: z.boolean().default(false),
    expected_version: version.optional().describe('Refuse if the file in its place is not this one'),
  }),
  z.strictObject({ step: z.literal('abort'), ...uploadTarget }),
]);
export type UploadFileArguments = z.output<typeof uploadFileArgumentsSchema>;

export const uploadFileSchema = z.object({
  file_path: z.string(),
  received: count.describe('Bytes that are on the disk of the VM'),
  done: z.boolean(),
  created: z.boolean().optional(),
  mode: z.string().optional(),
  sha256: z.string().optional(),
});
export type UploadFile = z.infer<typeof uploadFileSchema>;

export const makeDirectoryArgumentsSchema = z.strictObject({ directory_path: path, mode: mode.optional() });
export const deleteFileArgumentsSchema = z.strictObject({
  file_path: path,
  expected_version: version.optional(),
});
export const moveFileArgumentsSchema = z.strictObject({ file_path: path, new_path: path });
/** What became of a file or folder that was made, moved or deleted. */
export const changedPathSchema = z.object({ path: z.string(), from: z.string().optional() });
export type ChangedPath = z.infer<typeof changedPathSchema>;
