import { rm } from 'node:fs/promises';
import {
  checkOwnCertificate,
  isSignedBy,
  parseCertificates,
  pinnedRoots,
} from '../../agent/identity/certificates.ts';
import { readCaPins, readSecurityFile, writeSecurityFile } from '../../agent/identity/credentials.ts';
import { securityEntry } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { InstallContext } from '../context.ts';
import { readEnrolment } from '../records.ts';
import type { Step } from '../step.ts';

/** Installs what the registration brought, after checking it against the pinned root and the own key. */
export function signedCertificate(ctx: Pick<InstallContext, 'layout' | 'owners' | 'clock'>): Step {
  const { layout, clock } = ctx;
  const check = async (certificate: string, ca: string) => {
    const roots = pinnedRoots(ca, (await readCaPins(layout))?.roots ?? []);
    const key = (await readSecurityFile(layout, 'key')) ?? '';
    const agentId = (await readSecurityFile(layout, 'agentId')) ?? '';
    checkOwnCertificate({ certificate, roots, key, agentId, nowMs: clock.now() });
    return roots;
  };
  return {
    id: 'signed-certificate',
    title: 'Signed certificate',
    async isDone() {
      const certificate = await readSecurityFile(layout, 'certificate');
      const ca = await readSecurityFile(layout, 'ca');
      if (certificate === undefined || ca === undefined || parseCertificates(ca).length < 2) return false;
      return check(certificate, ca).then(
        () => true,
        () => false,
      );
    },
    async apply() {
      const answer = (await readEnrolment(layout))?.answer;
      if (answer === undefined)
        throw new AppError('step_failed', {
          detail: 'The registration’s answer is gone.',
          hint: 'Run it again.',
        });
      // From the bundle only what the pinned root vouches for is kept; the root itself stays the one that was hashed.
      const roots = pinnedRoots(
        (await readSecurityFile(layout, 'ca')) ?? '',
        (await readCaPins(layout))?.roots ?? [],
      );
      const issuing = parseCertificates(answer.ca_certificate).filter(
        (certificate) =>
          certificate.ca &&
          !roots.some((root) => root.fingerprint256 === certificate.fingerprint256) &&
          roots.some((root) => isSignedBy(certificate, root)),
      );
      const ca = [...roots, ...issuing].map((certificate) => certificate.toString()).join('');
      try {
        await check(answer.certificate, ca);
      } catch (cause) {
        if (!(cause instanceof AppError)) throw cause;
        throw new AppError(cause.code, {
          detail: cause.message,
          hint: 'Make a new token on the orchestrator and run this with --force-reinstall.',
          cause,
        });
      }
      const { service } = await ctx.owners();
      await writeSecurityFile(layout, 'ca', ca, service);
      await writeSecurityFile(layout, 'certificate', answer.certificate, service);
      return `valid until ${answer.expires_at}`;
    },
    undo: () => rm(securityEntry(layout, 'certificate').path, { force: true }),
  };
}
