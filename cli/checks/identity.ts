import { createPrivateKey, X509Certificate } from 'node:crypto';
import { loadAgentConfig } from '../../agent/config.ts';
import { checkOwnCertificate, parseCertificates } from '../../agent/identity/certificates.ts';
import { readCredentials } from '../../agent/identity/credentials.ts';
import { validityOf } from '../../agent/identity/renewal.ts';
import { checkPolicyFile } from '../../agent/policy/check.ts';
import { isoTime } from '../../base/clock.ts';
import { ConfigError, describeProblem } from '../../base/config-file.ts';
import { policyFile } from '../../protocol/disk-layout.ts';
import { isLate } from '../../protocol/renewal.ts';
import { readEnrolment } from '../../provision/records.ts';
import type { Bench } from './bench.ts';
import { type Check, type Found, fail, info, ok, skipped, warn } from './check.ts';

const DAY_MS = 86_400_000;
const RENEWAL_HINT =
  'The running agent renews it by itself: see why it could not with journalctl -u vm-agent.';

async function configuration({ layout, env }: Bench): Promise<Found> {
  try {
    const config = await loadAgentConfig({ layout, env });
    return ok(`valid, for ${config.orchestrator.url ?? 'no orchestrator'}`);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    return fail(
      cause.problems.map((problem) => describeProblem(problem)).join('\n'),
      `Correct ${layout.config}/agent_config.yaml (vm-agent config validate checks it), and run: systemctl restart vm-agent`,
    );
  }
}

async function policy({ layout }: Bench): Promise<Found> {
  const { path } = policyFile(layout);
  const problems = (await checkPolicyFile(path))?.problems;
  if (problems === undefined) return info(`${path} does not exist; the defaults hold`);
  if (problems.length === 0) return ok('valid');
  return fail(
    problems.map((problem) => describeProblem(problem)).join('\n'),
    `Correct ${path}: while it is not valid, every call is refused.`,
  );
}

async function identity({ layout }: Bench): Promise<Found> {
  const { vmId, agentId } = await readCredentials(layout);
  const begun = await readEnrolment(layout);
  if (begun?.complete === false)
    return warn(
      `${vmId}, ${agentId}; the installation was not finished`,
      'Run the same installation again: it continues where it stopped.',
    );
  return ok(`${vmId}, ${agentId}`);
}

/** Checks of the certificate alone; without an identity there is none. */
const ofCertificate = (
  run: (own: NonNullable<Awaited<ReturnType<Bench['own']>>>, bench: Bench) => Found,
): Check<Bench>['run'] => {
  return async (bench) => {
    const own = await bench.own();
    return own === undefined ? skipped('this machine is not enrolled') : run(own, bench);
  };
};

const NEW_IDENTITY =
  'Enroll this machine again: vm-agent install --force-reinstall --token-stdin, with a new token on its stdin.';

/** Before anything is asked of the network. */
export const SETTINGS_CHECKS: readonly Check<Bench>[] = [
  { id: 'config', title: 'configuration', needs: ['installed'], run: configuration },
  { id: 'policy', title: 'policy', needs: ['installed'], run: policy },
  { id: 'identity', title: 'identity files', needs: ['installed'], run: identity },
];

/** After the clock is known to be right, since its errors look like theirs. */
export const CERTIFICATE_CHECKS: readonly Check<Bench>[] = [
  {
    id: 'certificate.key',
    title: 'key',
    needs: ['identity'],
    run: ofCertificate(({ certificate, key }) => {
      const [leaf] = parseCertificates(certificate);
      if (leaf === undefined) return fail('vm_agent.crt holds no certificate', NEW_IDENTITY);
      try {
        if (leaf.checkPrivateKey(createPrivateKey(key))) return ok('belongs to the certificate');
      } catch {
        return fail('vm_agent.key cannot be read as a key', NEW_IDENTITY);
      }
      return fail('vm_agent.key and vm_agent.crt do not belong together', NEW_IDENTITY);
    }),
  },
  {
    id: 'certificate.validity',
    title: 'certificate',
    needs: ['certificate.key'],
    after: ['clock'],
    run: ofCertificate(({ certificate, vmId }, { clock }) => {
      const validity = validityOf(certificate);
      const { notBeforeMs, notAfterMs } = validity;
      const now = clock.now();
      const end = isoTime(notAfterMs);
      if (now >= notAfterMs)
        return fail(
          `it ended at ${end}; the agent asks to come back with the key that it has (its clock is right, or could not be compared)`,
          `It waits to be admitted: vm-orchestrator agents admit ${vmId}. Is the agent revoked, or does vm-agent status say that it is refused, enroll it again: vm-agent install --force-reinstall --token-stdin, with a new token on its stdin.`,
        );
      if (now < notBeforeMs)
        return fail(`it begins at ${isoTime(notBeforeMs)}`, 'Check this machine’s clock.');
      const detail = `${((notAfterMs - now) / DAY_MS).toFixed(1)} days left, until ${end}`;
      return isLate(validity, now)
        ? warn(`${detail}; it should have been renewed by now`, RENEWAL_HINT)
        : ok(detail);
    }),
  },
  {
    id: 'certificate.chain',
    title: 'chain',
    needs: ['certificate.validity'],
    run: ofCertificate(({ certificate, roots, key, agentId }, { clock }) => {
      checkOwnCertificate({
        certificate,
        roots: roots.map((pem) => new X509Certificate(pem)),
        key,
        agentId,
        nowMs: clock.now(),
      });
      return ok('leads to the pinned root, with the role of this agent');
    }),
  },
];
