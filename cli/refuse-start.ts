import { stat } from 'node:fs/promises';
import { readCredentials } from '../agent/identity/credentials.ts';
import { copiedError, copiedFrom, platformInstance } from '../agent/identity/instance.ts';
import { type DiskLayout, SERVICE_USER } from '../protocol/disk-layout.ts';
import { AppError } from '../protocol/errors.ts';

/**
 * What keeps the daemon from being started here, said before it makes any file: no identity, that of another machine,
 * or root where everything belongs to the service, which could not write afterwards what root had made.
 * @throws AppError `bad_request`, `not_enrolled`, `machine_copied`
 */
export async function refuseStart(layout: DiskLayout, uid: number): Promise<void> {
  if (layout.home === undefined && uid === 0) {
    const owner = await stat(layout.security).then(
      (found) => found.uid,
      () => 0,
    );
    if (owner !== 0)
      throw new AppError('bad_request', {
        detail: `This installation belongs to the user ${SERVICE_USER}: as root the agent would leave files that the service cannot write.`,
        hint: `Use systemctl start ${SERVICE_USER}, or runuser -u ${SERVICE_USER} -- ${SERVICE_USER} server`,
      });
  }
  try {
    await readCredentials(layout);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EACCES') throw cause;
    throw new AppError('bad_request', {
      detail: `You may not read ${layout.security}: it belongs to the agent's own user.`,
      hint: `Use systemctl start ${SERVICE_USER}, or give the folder of your own installation by --home.`,
      cause,
    });
  }
  const copied = await copiedFrom(layout, await platformInstance());
  if (copied !== undefined) throw copiedError(copied);
}
