// Machines that let the test in by SSH, and an orchestrator which all of them reach.
import type { Machine } from '../../host/harness/machine.ts';
import { type HostOrchestrator, serve } from '../../host/support/orchestrator.ts';
import { Releases } from '../../host/support/releases.ts';
import { bootSshMachine, type SshKey, type SshMachine, sshKey } from './ssh-machine.ts';

export interface Machines {
  readonly key: SshKey;
  readonly orchestrator: HostOrchestrator;
  readonly releases: Releases;
  /** By hostname. */
  get(hostname: string): SshMachine;
  all(): readonly Machine[];
  dispose(): Promise<void>;
}

/** Boots them side by side. The orchestrator serves the built release until `releases.offer` says another. */
export async function bootMachines(hostnames: readonly string[]): Promise<Machines> {
  const key = await sshKey();
  const releases = new Releases();
  const booted = await Promise.allSettled(hostnames.map((hostname) => bootSshMachine(hostname, key)));
  const machines = booted.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  let orchestrator: HostOrchestrator | undefined;
  const dispose = async () => {
    await orchestrator?.dispose();
    releases.dispose();
    await Promise.all(machines.map(({ machine }) => machine.dispose()));
  };
  try {
    const failed = booted.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const [first] = machines;
    if (first === undefined) throw new Error('bootMachines wants a hostname');
    // The host answers at each of its addresses on every cable, so one of them does for all machines.
    orchestrator = await serve({ address: first.machine.hostAddress, program: releases.program });
    return {
      key,
      orchestrator,
      releases,
      get(hostname) {
        const found = machines.find(({ machine }) => machine.hostname === hostname);
        if (found === undefined) throw new Error(`no machine ${hostname} was booted`);
        return found;
      },
      all: () => machines.map(({ machine }) => machine),
      dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
