import { rm } from 'node:fs/promises';
import { pinnedRoots } from '../../agent/identity/certificates.ts';
import {
  readCaPins,
  readReleaseKeys,
  readSecurityFile,
  writeSecurityFile,
} from '../../agent/identity/credentials.ts';
import { securityEntry, trustEntries } from '../../protocol/disk-layout.ts';
import type { InstallContext } from '../context.ts';
import { makeDirectory } from '../files.ts';
import { readEnrolment, writeEnrolment, writeRecord } from '../records.ts';
import { parseReleaseKeys } from '../release.ts';
import type { Step } from '../step.ts';

/** Until the user exists, root owns `security/`; the step that makes the user hands it over. */
export function caCertificate(
  ctx: Pick<InstallContext, 'layout' | 'orchestrator' | 'owners' | 'server' | 'token'>,
): Step {
  const { layout, orchestrator } = ctx;
  const trust = trustEntries(layout);
  return {
    id: 'ca-certificate',
    title: 'CA certificate',
    async isDone() {
      const pins = await readCaPins(layout);
      const ca = await readSecurityFile(layout, 'ca');
      const anchor = await orchestrator.anchor();
      return (
        pins !== undefined &&
        ca !== undefined &&
        pins.roots.includes(anchor.fingerprint) &&
        pinnedRoots(ca, pins.roots).length > 0 &&
        (await readEnrolment(layout)) !== undefined
      );
    },
    async apply() {
      const anchor = await orchestrator.anchor();
      const owners = await ctx.owners();
      await makeDirectory(layout.trust, 0o755);
      await makeDirectory(layout.security, 0o700);
      // The keys that may sign releases are taken once, over the connection that the pin vouches for.
      if ((await readReleaseKeys(layout)) === undefined) {
        const keys = await orchestrator.artifact('release-keys.json');
        if (keys !== undefined) await writeRecord(trust.releaseKeys, parseReleaseKeys(keys), owners);
      }
      await writeSecurityFile(layout, 'ca', anchor.pem, owners.service);
      await writeRecord(trust.caPins, { bundle_version: 1, roots: [anchor.fingerprint] }, owners);
      const begun = await readEnrolment(layout);
      await writeEnrolment(
        layout,
        begun ?? { orchestrator_url: ctx.server.origin, token_id: ctx.token?.id ?? '', complete: false },
        owners,
      );
      return `SHA-256 ${anchor.fingerprint.slice(0, 32)}…, as the token says`;
    },
    async undo() {
      for (const entry of [trust.caPins, trust.releaseKeys, securityEntry(layout, 'ca')])
        await rm(entry.path, { force: true });
    },
  };
}
