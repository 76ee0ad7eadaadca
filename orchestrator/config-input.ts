import { readFile } from 'node:fs/promises';
import { LIFETIME_S } from '../protocol/certificate-profile.ts';
import { parseDuration } from '../protocol/duration.ts';
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

/** A time of a day or more (ms), or `forever`: undefined. @throws AppError `config_invalid` */
export function retentionMs(text: string, flag: string): number | undefined {
  if (text === 'forever') return undefined;
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds < 86_400)
    throw invalid(
      `${flag} ${JSON.stringify(text)} is no time of a day or more.`,
      'Write e.g. 90d, 365d, or forever.',
    );
  return seconds * 1000;
}

/** How long agents' certificates live (s); as long as they may when nothing is said. @throws AppError `config_invalid` */
export function lifetimeS(text: string | undefined, flag: string): number {
  if (text === undefined) return LIFETIME_S.agentDefault;
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds < LIFETIME_S.agentMin || seconds > LIFETIME_S.agentMax)
    throw invalid(
      `${flag} ${JSON.stringify(text)} is no time between ${LIFETIME_S.agentMin} seconds and ${LIFETIME_S.agentMax / 86_400} days.`,
      'Write e.g. 30d, 24h or 1h. Below 10m is for tests: clocks that differ by more shut agents out.',
    );
  // X.509 has whole seconds.
  return Math.floor(seconds);
}
