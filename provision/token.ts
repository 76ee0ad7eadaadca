import { readFile } from 'node:fs/promises';
import { AppError } from '../protocol/errors.ts';
import { parseProvisioningToken } from '../protocol/provisioning-token.ts';

export interface TokenSources {
  /** From argv: other users of this machine could read it there. */
  argument?: string | undefined;
  file?: string | undefined;
  stdin: boolean;
  env: string | undefined;
}

export interface Token {
  text: string;
  id: string;
  caPin: string;
}

/**
 * The provisioning token from the one place that was named, else from the environment. Undefined when there is none.
 * @throws AppError `token_invalid`; its text never repeats what was given.
 */
export async function readToken(
  sources: TokenSources,
  readStdin: () => Promise<string>,
): Promise<Token | undefined> {
  const named = [sources.argument !== undefined, sources.file !== undefined, sources.stdin].filter(Boolean);
  if (named.length > 1) {
    throw new AppError('bad_request', {
      detail: 'The token is given in several ways.',
      hint: 'Use one of --token-stdin, --token-file, --provisioning-token.',
    });
  }
  const text = await textFrom(sources, readStdin);
  if (text === undefined) return undefined;
  const parsed = parseProvisioningToken(text);
  if (parsed === undefined) {
    throw new AppError('token_invalid', {
      detail:
        text.trim() === ''
          ? 'The provisioning token is empty.'
          : 'What was given as the provisioning token is none: it looks like prov_<id>_<secret>_<pin>, 91 characters.',
      hint: 'Copy the whole token, or make a new one: vm-orchestrator token create',
    });
  }
  return { text: text.trim(), id: parsed.id, caPin: parsed.caPin };
}

async function textFrom(
  sources: TokenSources,
  readStdin: () => Promise<string>,
): Promise<string | undefined> {
  if (sources.stdin) return readStdin();
  if (sources.argument !== undefined) return sources.argument;
  if (sources.file === undefined) return sources.env === '' ? undefined : sources.env;
  try {
    return await readFile(sources.file, 'utf8');
  } catch (cause) {
    throw new AppError('bad_request', {
      detail: `The token file ${sources.file} cannot be read.`,
      hint: 'Check --token-file.',
      cause,
    });
  }
}
