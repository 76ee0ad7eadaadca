import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { loadAgentConfig } from '../../agent/config.ts';
import { pinnedRoots } from '../../agent/identity/certificates.ts';
import { readCaPins, readCredentials, readSecurityFile } from '../../agent/identity/credentials.ts';
import { systemClock } from '../../base/clock.ts';
import { SERVICE_USER, UNIT_DIR } from '../../protocol/disk-layout.ts';
import { createHost } from '../../provision/host.ts';
import { readEnrolment } from '../../provision/records.ts';
import { type CliContext, layoutFor } from '../context.ts';
import { agentPort } from '../status.ts';
import type { Bench, Room } from './bench.ts';
import { createProbes, type Way } from './way.ts';

/** What the checks look at on this very machine. */
export function openBench(flags: { home?: string }, ctx: CliContext): Bench {
  const { process } = ctx;
  const { env } = process;
  const layout = layoutFor(flags.home, ctx);
  const system = layout.home === undefined;
  const host = createHost(process, ctx.hostname);
  const own = () => readCredentials(layout).catch(() => undefined);
  // What the agent uses; the environment of who asks is not its own.
  const proxy = async () =>
    (await loadAgentConfig({ layout, env: {} }).catch(() => undefined))?.orchestrator.proxy;
  const way: Way = {
    ...createProbes(systemClock, proxy),
    proxy,
    async server() {
      const config = await loadAgentConfig({ layout, env }).catch(() => undefined);
      const address =
        config?.orchestrator.url ?? (await readEnrolment(layout).catch(() => undefined))?.orchestrator_url;
      return address === undefined ? undefined : new URL(address);
    },
    addressIs: `orchestrator.url in ${layout.config}/agent_config.yaml`,
    clock: systemClock,
    env,
    own,
    async trusted() {
      const pins = (await readCaPins(layout))?.roots;
      const ca = await readSecurityFile(layout, 'ca');
      if (pins === undefined || ca === undefined) return undefined;
      return { pins, roots: pinnedRoots(ca, pins).map((root) => root.toString()) };
    },
    pin: undefined,
    caFile: undefined,
  };
  return {
    layout,
    system,
    host,
    clock: systemClock,
    env,
    nodeVersion: process.version,
    unitDir: UNIT_DIR,
    command: '/usr/local/bin/vm-agent',
    proc: '/proc',
    owners: async () => ({
      root: system ? { uid: 0, gid: 0 } : undefined,
      service: system ? await host.userIds(SERVICE_USER) : undefined,
    }),
    port: () => agentPort(flags, ctx),
    room,
    own,
    way,
  };
}

/** Of the file system where a path is or will be. */
async function room(path: string): Promise<Room> {
  try {
    const { bavail, bsize, files, ffree } = await statfs(path);
    return { freeBytes: bavail * bsize, freeInodes: ffree, inodes: files };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT' || path === dirname(path)) throw cause;
    return room(dirname(path));
  }
}
