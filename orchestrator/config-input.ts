import { readFile } from 'node:fs/promises';
import { AppError } from '../protocol/errors.ts';

export const invalid = (detail: string, hint: string): AppError =>
  new AppError('config_invalid', { detail, hint });

/** A file that an option names. @throws AppError `config_invalid` */
export async function readNamed(path: string, flag: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new AppError('config_invalid', {
      detail: `${flag}: ${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'}).`,
      cause,
    });
  }
}

/** A secret from the environment, or from the first line of the file that `NAME_FILE` names. */
export async function secretOf(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
): Promise<string | undefined> {
  const file = env[`${name}_FILE`];
  const text =
    env[name] ?? (file ? (await readNamed(file, `${name}_FILE`)).split('\n', 1)[0]?.trim() : undefined);
  return text === '' ? undefined : text;
}
