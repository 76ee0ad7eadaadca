import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { typeFromText } from '../../cloud-init/mime.ts';
import { MAX_PARTS, type UserDataFormat } from '../../cloud-init/params.ts';
import type { UserDataPart } from '../../cloud-init/render.ts';
import { AppError } from '../../protocol/errors.ts';

const wrong = (detail: string, hint?: string, cause?: unknown) =>
  new AppError('config_invalid', { detail, ...(hint === undefined ? {} : { hint }), cause });

function textOf(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw wrong(`The part ${file} is not UTF-8.`, 'Give it as text, not compressed, in UTF-8.', cause);
  }
}

async function readPart(file: string): Promise<UserDataPart> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw wrong(`The part ${file} cannot be read (${cause.code ?? 'unknown error'}).`, undefined, cause);
  });
  const content = textOf(file, bytes);
  if (content === '') throw wrong(`The part ${file} is empty.`);
  if (typeFromText(content) === undefined)
    throw wrong(
      `What the part ${file} is cannot be told from its first line.`,
      'Begin it with #cloud-config, #! or another of cloud-init’s words.',
    );
  return {
    filename: basename(file)
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .slice(-100),
    content,
  };
}

/**
 * The files of `--part`.
 * @throws AppError `config_invalid`, naming the file or the option.
 */
export async function readParts(files: readonly string[], format: UserDataFormat): Promise<UserDataPart[]> {
  if (files.length > 0 && format !== 'mime') throw wrong('--part needs --format mime.');
  if (files.length > MAX_PARTS)
    throw wrong(`--part is given ${files.length} times; at most ${MAX_PARTS} are allowed.`);
  return Promise.all(files.map(readPart));
}
