import { rm } from 'node:fs/promises';
import { checkOwnCertificate, parseCertificates, pinnedRoots } from '../../agent/identity/certificates.ts';
import { readCaPins, readSecurityFile, writeSecurityFile } from '../../agent/identity/credentials.ts';
import { bundleText, judgeTrust } from '../../agent/identity/trust-set.ts';
import { securityEntry, trustEntries } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { RegisterResponse } from '../../protocol/rest-registration.ts';
import type { CaPinsFile } from '../../protocol/trust-files.ts';
import type { InstallContext } from '../context.ts';
import { readEnrolment, writeRecord } from '../records.ts';
import type { Step } from '../step.ts';

/**
 * The whole set of roots, of which the token named one: the others are vouched for by it. Undefined where the
 * orchestrator is of a version that names none. @throws AppError `step_failed`
 */
function trustedFromNowOn(answer: RegisterResponse, pins: CaPinsFile) {
  if (answer.trust === undefined) return undefined;
  const { organization_id, trust_domain, command_key_id: kid, command_key: key } = answer;
  const verdict = judgeTrust(answer.trust, {
    pins,
    keys: { organization_id, trust_domain, keys: [{ kid, key }] },
  });
  if (verdict.kind !== 'refused') return verdict;
  throw new AppError('step_failed', {
    detail: `The root certificates that the orchestrator names cannot be trusted: ${verdict.why}.`,
    hint: 'Make a new token on the orchestrator and run this with --force-reinstall.',
  });
}

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
      const owners = await ctx.owners();
      const pins = await readCaPins(layout);
      // From the bundle only what the pinned root vouches for is kept; the root itself stays the one that was hashed.
      const anchors = pinnedRoots((await readSecurityFile(layout, 'ca')) ?? '', pins?.roots ?? []).map(
        String,
      );
      const trusted = pins === undefined ? undefined : trustedFromNowOn(answer, pins);
      const ca = bundleText(trusted?.roots ?? anchors, answer.ca_certificates);
      try {
        if (trusted?.kind === 'new') {
          await writeSecurityFile(layout, 'ca', [...anchors, ca].join('\n'), owners.service);
          await writeRecord(trustEntries(layout).caPins, trusted.pins, owners);
        }
        await check(answer.certificate, ca);
      } catch (cause) {
        if (!(cause instanceof AppError)) throw cause;
        throw new AppError(cause.code, {
          detail: cause.message,
          hint: 'Make a new token on the orchestrator and run this with --force-reinstall.',
          cause,
        });
      }
      await writeSecurityFile(layout, 'ca', ca, owners.service);
      await writeSecurityFile(layout, 'certificate', answer.certificate, owners.service);
      return `valid until ${answer.expires_at}`;
    },
    undo: () => rm(securityEntry(layout, 'certificate').path, { force: true }),
  };
}
