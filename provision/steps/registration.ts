import { createHash, createPublicKey, randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readSecurityFile, writeSecurityFile } from '../../agent/identity/credentials.ts';
import { createCsr } from '../../agent/identity/csr.ts';
import { hostFacts, machineHash } from '../../agent/identity/host-facts.ts';
import { PROGRAM_VERSION } from '../../agent/identity/program-version.ts';
import { drawVmId, parseVmId } from '../../agent/identity/vm-id.ts';
import { securityEntry, trustEntries } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { VmId } from '../../protocol/ids.ts';
import type { RegisterRequest, RegisterResponse } from '../../protocol/rest-registration.ts';
import { PROTOCOL_VERSION } from '../../protocol/version.ts';
import type { InstallContext } from '../context.ts';
import { exists } from '../files.ts';
import { readEnrolment, writeEnrolment, writeRecord } from '../records.ts';
import type { Step } from '../step.ts';

/** How often another vm_id is drawn when somebody has the one that was drawn. */
const DRAWS = 3;

export function registration(
  ctx: Pick<InstallContext, 'layout' | 'orchestrator' | 'owners' | 'host' | 'token' | 'labels' | 'server'>,
): Step {
  const { layout } = ctx;
  const trust = trustEntries(layout);
  return {
    id: 'registration',
    title: 'Registration',
    async isDone() {
      const answer = (await readEnrolment(layout))?.answer;
      return (
        answer !== undefined &&
        (await readSecurityFile(layout, 'agentId')) === answer.agent_id &&
        (await readSecurityFile(layout, 'vmId')) === answer.vm_id &&
        (await readSecurityFile(layout, 'websocketUrl')) !== undefined &&
        (await exists(trust.commandKeys.path))
      );
    },
    async apply() {
      const begun = await readEnrolment(layout);
      const answer = begun?.answer ?? (await register());
      const owners = await ctx.owners();
      if (begun?.answer === undefined) {
        const token_id = ctx.token?.id ?? '';
        // From here on the answer is on the disk; what follows only spreads it to where it is read.
        await writeEnrolment(
          layout,
          { orchestrator_url: ctx.server.origin, token_id, answer, complete: false },
          owners,
        );
      }
      await writeRecord(
        trust.commandKeys,
        {
          organization_id: answer.organization_id,
          agent_id: answer.agent_id,
          trust_domain: answer.trust_domain,
          keys: [{ kid: answer.command_key_id, key: answer.command_key }],
        },
        owners,
      );
      await writeSecurityFile(layout, 'vmId', answer.vm_id, owners.service);
      await writeSecurityFile(layout, 'websocketUrl', answer.websocket_url, owners.service);
      await writeSecurityFile(layout, 'agentId', answer.agent_id, owners.service);
      return `${answer.vm_id} is ${answer.agent_id}`;
    },
    async undo() {
      const gone = [
        trust.enrolment,
        trust.commandKeys,
        securityEntry(layout, 'agentId'),
        securityEntry(layout, 'websocketUrl'),
      ];
      for (const { path } of gone) await rm(path, { force: true });
      // Journal and outbox are of that agent: another one begins its commands at 1 again.
      for (const name of ['journal.db', 'journal.db-wal', 'journal.db-shm', 'output'])
        await rm(join(layout.state, name), { recursive: true, force: true });
    },
  };

  async function register(): Promise<RegisterResponse> {
    const token = ctx.token?.text;
    if (token === undefined) {
      throw new AppError('token_invalid', {
        detail: 'A provisioning token is needed to enroll this machine.',
        hint: 'Make one on the orchestrator (vm-orchestrator token create) and give it by --token-stdin or --token-file.',
      });
    }
    const { service } = await ctx.owners();
    for (let drawn = 0; ; drawn++) {
      try {
        return await ctx.orchestrator.register(await requestBody(token));
      } catch (cause) {
        if (!(cause instanceof AppError) || cause.code !== 'vm_id_taken' || drawn === DRAWS) throw cause;
        const id = drawVmId(ctx.host.hostname);
        const key = (await readSecurityFile(layout, 'key')) ?? '';
        await writeSecurityFile(layout, 'vmId', id, service);
        await writeSecurityFile(layout, 'csr', await createCsr(key, id), service);
      }
    }
  }

  async function requestBody(token: string): Promise<RegisterRequest> {
    const executorKey = await executorPublicKey(trust.executorKey.path);
    const csr = await readSecurityFile(layout, 'csr');
    const apiKey = (await readSecurityFile(layout, 'apiKey')) ?? '';
    const vmId: VmId | undefined = parseVmId((await readSecurityFile(layout, 'vmId')) ?? '');
    if (csr === undefined || vmId === undefined || apiKey === '')
      throw new AppError('step_failed', {
        detail: 'An earlier step’s files are gone.',
        hint: 'Run it again.',
      });
    return {
      provisioning_token: token,
      vm_id: vmId,
      hostname: ctx.host.hostname,
      csr_base64: Buffer.from(`${csr}\n`).toString('base64'),
      api_key_hash: createHash('sha256').update(apiKey).digest('hex'),
      labels: ctx.labels,
      facts: hostFacts(),
      protocol: PROTOCOL_VERSION,
      request_id: randomUUID(),
      machine_hash: machineHash(layout.root),
      agent_version: PROGRAM_VERSION,
      ...(executorKey === undefined ? {} : { executor_public_key: executorKey }),
    };
  }
}

/** SPKI DER in base64; undefined where there is no executor. */
async function executorPublicKey(path: string): Promise<string | undefined> {
  if (!(await exists(path))) return undefined;
  return createPublicKey(await readFile(path, 'utf8'))
    .export({ type: 'spki', format: 'der' })
    .toString('base64');
}
