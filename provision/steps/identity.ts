import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { readSecurityFile, writeSecurityFile } from '../../agent/identity/credentials.ts';
import { createCsr, createKey, csrMatchesKey } from '../../agent/identity/csr.ts';
import { drawVmId, parseVmId } from '../../agent/identity/vm-id.ts';
import { writeFileAtomic } from '../../base/atomic-file.ts';
import { type SecurityFile, securityEntry, trustEntries } from '../../protocol/disk-layout.ts';
import type { InstallContext } from '../context.ts';
import { exists, ownerOf } from '../files.ts';
import type { Step } from '../step.ts';

type Needs = Pick<InstallContext, 'layout' | 'owners' | 'host' | 'privilegedExecutor'>;

const remove = async (ctx: Needs, files: readonly SecurityFile[]): Promise<void> => {
  for (const file of files) await rm(securityEntry(ctx.layout, file).path, { force: true });
};

export function vmId(ctx: Needs): Step {
  return {
    id: 'vm-id',
    title: 'VM id',
    isDone: async () => parseVmId((await readSecurityFile(ctx.layout, 'vmId')) ?? '') !== undefined,
    async apply() {
      const id = drawVmId(ctx.host.hostname);
      await writeSecurityFile(ctx.layout, 'vmId', id, (await ctx.owners()).service);
      return id;
    },
    undo: () => remove(ctx, ['vmId']),
  };
}

/** The key of the local HTTP interface; the orchestrator learns its hash alone. */
export function apiKey(ctx: Needs): Step {
  return {
    id: 'api-key',
    title: 'API key',
    isDone: async () => ((await readSecurityFile(ctx.layout, 'apiKey')) ?? '').length >= 32,
    async apply() {
      const key = `vmk_${randomBytes(32).toString('base64url')}`;
      await writeSecurityFile(ctx.layout, 'apiKey', key, (await ctx.owners()).service);
      return undefined;
    },
    undo: () => remove(ctx, ['apiKey']),
  };
}

/**
 * Key and request are on the disk, synced, before the orchestrator hears of them: an answer that is lost is asked for
 * again with the same key, and costs no second use of the token.
 */
export function keyAndCsr(ctx: Needs): Step {
  return {
    id: 'key-and-csr',
    title: 'Key and certificate request',
    async isDone() {
      const key = await readSecurityFile(ctx.layout, 'key');
      const csr = await readSecurityFile(ctx.layout, 'csr');
      return key !== undefined && csr !== undefined && (await csrMatchesKey(csr, key));
    },
    async apply() {
      const { service } = await ctx.owners();
      const id = (await readSecurityFile(ctx.layout, 'vmId')) ?? '';
      const kept = await readSecurityFile(ctx.layout, 'key');
      const key = kept ?? createKey();
      if (kept === undefined) await rememberInstance(ctx);
      if (kept === undefined) await writeSecurityFile(ctx.layout, 'key', key, service);
      await writeSecurityFile(ctx.layout, 'csr', await createCsr(key, id), service);
      if (ctx.privilegedExecutor) await makeExecutorKey(ctx);
      return 'P-256';
    },
    async undo() {
      await remove(ctx, ['key', 'csr']);
      for (const entry of [trustEntries(ctx.layout).executorKey, trustEntries(ctx.layout).instance])
        await rm(entry.path, { force: true });
    },
  };
}

/** From now on the identity belongs to this machine: a copy of its disk, on another instance, is told by it. */
export async function rememberInstance(ctx: Pick<Needs, 'layout' | 'owners' | 'host'>): Promise<void> {
  const instance = await ctx.host.instance();
  if (instance === undefined) return;
  const entry = trustEntries(ctx.layout).instance;
  const owner = ownerOf(entry, await ctx.owners());
  await writeFileAtomic(entry.path, `${instance}\n`, { mode: entry.mode, owner });
}

/** Root's alone: with it the executor signs what it saw. The orchestrator learns the public half when it registers. */
async function makeExecutorKey(ctx: Needs): Promise<void> {
  const entry = trustEntries(ctx.layout).executorKey;
  if (await exists(entry.path)) return;
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  await writeFileAtomic(entry.path, pem, { mode: entry.mode, owner: ownerOf(entry, await ctx.owners()) });
}
