import { type Credentials, clientCredentials, readCredentials } from '../agent/identity/credentials.ts';
import { AppError } from '../protocol/errors.ts';
import type { InstallContext } from './context.ts';

/** What to do on a machine whose agent was revoked; `tokenGiven`: the caller has a token for it already. */
export const revokedError = (cause: AppError, who: string, tokenGiven: boolean): AppError =>
  new AppError('certificate_revoked', {
    detail: `${who} was revoked; its certificate is not accepted any more.${
      // Also the older one of two certificates: then the same identity is in use elsewhere.
      cause.hint?.includes('newer') ? ` ${cause.hint}` : ''
    }`,
    hint: tokenGiven
      ? 'Enroll it again by: vm-agent install --force-reinstall --token-stdin, with the token on its stdin. The one that was given was not used.'
      : 'Make a new token (vm-orchestrator token create), and enroll it again by: vm-agent install --force-reinstall --token-stdin, with the token on its stdin.',
    cause,
  });

/**
 * Asks the orchestrator, with the identity that is installed, whether it still counts. Nothing else is judged here:
 * a machine that is not enrolled or cannot reach it goes on to the steps, which say what they find.
 * @throws AppError `certificate_revoked`
 */
export async function refuseRevoked(
  ctx: Pick<InstallContext, 'layout' | 'orchestrator' | 'token' | 'server'>,
): Promise<void> {
  const own: Credentials | undefined = await readCredentials(ctx.layout).catch(() => undefined);
  if (own === undefined) return;
  try {
    await ctx.orchestrator.ownStatus(own.vmId, clientCredentials(own));
  } catch (cause) {
    if (!(cause instanceof AppError) || cause.code !== 'certificate_revoked') return;
    throw revokedError(cause, `This machine's agent ${own.vmId}`, ctx.token !== undefined);
  }
}
