import { constants } from 'node:fs';
import type { z } from 'zod';
import { AppError } from '../../protocol/errors.ts';
import { type WriteFile, writeFileArgumentsSchema, writeFileSchema } from '../../protocol/file-tools.ts';
import { type Existing, openForWrite } from '../files/open-for-write.ts';
import {
  appendFile,
  checkUnchanged,
  replaceFile,
  sha256Of,
  sha256OfFile,
  tooLarge,
} from '../files/replace-file.ts';
import { reopen } from '../files/walk.ts';
import { type FileToolOptions, octal } from './file-options.ts';
import type { Tool, ToolContext, ToolEnd } from './tool.ts';

type Arguments = z.output<typeof writeFileArgumentsSchema>;

/** A file as a whole, or something more at its end. */
export function writeFileTool(
  options: FileToolOptions,
): Tool<typeof writeFileArgumentsSchema, typeof writeFileSchema> {
  return {
    name: 'write_file',
    group: 'file',
    title: 'Write a file',
    description:
      'Writes a whole file in one step, keeping owner and mode, or appends. The folder must exist; links are refused.',
    input: writeFileArgumentsSchema,
    output: writeFileSchema,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
    disabled: !options.enabled,
    defaultTimeoutS: 60,
    run: (context, args) => writeFile(options, context, args),
  };
}

async function writeFile(options: FileToolOptions, context: ToolContext, args: Arguments): Promise<ToolEnd> {
  const { signal, access } = context;
  const data = encode(args.content, args.encoding);
  const rules = { access, protectedPaths: options.protectedPaths };
  await using target = await openForWrite(args.file_path, rules);
  const { existing, path } = target;
  const size = data.length + (args.append ? (existing?.stats.size ?? 0) : 0);
  if (size > options.maxFileSize) throw tooLarge(path, size, options.maxFileSize);
  if (args.expected_sha256 !== undefined)
    checkUnchanged(path, existing && (await hashOf(existing, signal)), args.expected_sha256);
  signal.throwIfAborted();
  const mode = args.mode === undefined ? undefined : Number.parseInt(args.mode, 8);
  const written = await (args.append ? appendFile : replaceFile)(target, data, mode);
  const structured: WriteFile = {
    file_path: path,
    size: written.size,
    bytes_written: data.length,
    created: written.created,
    mode: octal(written.mode),
    ...(args.append && !written.created ? {} : { sha256: sha256Of(data) }),
  };
  const verb = written.created ? 'Created' : args.append ? 'Appended to' : 'Replaced';
  return {
    kind: 'value',
    structured,
    text: `${verb} ${path}: ${data.length} bytes written, now ${written.size} bytes, mode ${structured.mode}.`,
  };
}

async function hashOf(existing: Existing, signal: AbortSignal): Promise<string> {
  const handle = await reopen(existing.entry, constants.O_RDONLY);
  try {
    return await sha256OfFile(handle, existing.stats.size, signal);
  } finally {
    await handle.close();
  }
}

/** @throws AppError `bad_request` when the text cannot be put into that encoding. */
function encode(content: string, encoding: Arguments['encoding']): Buffer {
  const refuse = (detail: string): never => {
    throw new AppError('bad_request', { detail });
  };
  switch (encoding) {
    case 'utf-8':
      if (!content.isWellFormed())
        refuse('The content holds half of a surrogate pair, which UTF-8 cannot say.');
      return Buffer.from(content, 'utf8');
    case 'latin1':
      for (const character of content)
        if ((character.codePointAt(0) ?? 0) > 0xff)
          refuse(`The content holds ${JSON.stringify(character)}, which latin1 does not have.`);
      return Buffer.from(content, 'latin1');
    case 'base64': {
      const text = content.replace(/\s+/g, '');
      if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 === 1)
        refuse('The content is not valid base64.');
      return Buffer.from(text, 'base64');
    }
  }
}
