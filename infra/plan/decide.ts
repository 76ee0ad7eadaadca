import { createHash } from 'node:crypto';
import { DEPLOYMENT_LABEL, HOST_LABEL } from '../program/request.ts';
import type { SeenAgent } from '../program/rest.ts';

/** What the orchestrator knows at the time when a program begins. */
export interface Snapshot {
  agents: readonly SeenAgent[];
  /** Version of the release that agents are installed from. */
  served: string;
  /** `20261127T163207Z`: names the installations that this run begins. */
  now: string;
}

export interface WantedHost {
  /** The host's value of {@link HOST_LABEL}. */
  host: string;
  /** Undefined: the version that the orchestrator serves. */
  version: string | undefined;
  labels: Readonly<Record<string, string>>;
  /** Names where the machine is reached, 8 hex digits: {@link machineOf}. */
  machine: string;
  /** The machine is no more: nothing is done to it. */
  gone: boolean;
}

export type HostPlan =
  | {
      kind: 'ready';
      version: string;
      /**
       * Names the installation: `TIME-MACHINE`. It stays the same as long as the host is well, so that nothing
       * changes; another one makes a token and runs the installer. One that ends with `-r` asks for a new identity.
       */
      deployment: string;
      well: boolean;
      /** Why something is done, for people; `as wanted` if nothing is. */
      reason: string;
      agent: SeenAgent | undefined;
    }
  | { kind: 'failed'; message: string };

const DEPLOYMENT = /^\d{8}T\d{6}Z-([0-9a-f]{8})(-r)?$/;

/**
 * Names a machine by where it is reached. It is part of an installation's name, since an agent that is well on one
 * machine says nothing of another one that has taken its place in the program.
 */
export const machineOf = (address: string, port: number): string =>
  createHash('sha256').update(`${address} ${port}`).digest('hex').slice(0, 8);

/** The agent that is this host. What a token granted counts before what a VM says of itself. */
export function agentOf(host: string, agents: readonly SeenAgent[]): SeenAgent | undefined {
  const live = agents.filter(({ state }) => state !== 'revoked');
  const granted = live.filter(({ labels }) => labels[HOST_LABEL] === host);
  const reported = live.filter(({ reported_labels }) => reported_labels[HOST_LABEL] === host);
  const candidates = granted.length > 0 ? granted : reported;
  // Identifiers grow with time: the last is the newest.
  return candidates.find(({ online, state }) => online && state === 'active') ?? candidates.at(-1);
}

/** Compares a host with what the orchestrator knows of it. */
export function planHost(wanted: WantedHost, snapshot: Snapshot): HostPlan {
  const agent = agentOf(wanted.host, snapshot.agents);
  const version = wanted.version ?? snapshot.served;
  const reported = agent?.reported_labels[DEPLOYMENT_LABEL] ?? '';
  const last = DEPLOYMENT.test(reported) ? reported : undefined;
  const ready = (deployment: string, reason: string, well = false): HostPlan => ({
    kind: 'ready',
    version,
    deployment,
    well,
    reason,
    agent,
  });
  if (wanted.gone) return ready(last ?? 'gone', 'the machine is gone');
  const [reason, suffix] = whatIsWrong(wanted, version, agent, last);
  if (reason === undefined && last !== undefined) return ready(last, 'as wanted', true);
  if (version !== snapshot.served) {
    return {
      kind: 'failed',
      message: `${wanted.host}: version ${version} is to be installed (${reason}), and the orchestrator serves ${snapshot.served}. Leave version out, write ${snapshot.served}, or put the release ${version} on the orchestrator.`,
    };
  }
  return ready(`${snapshot.now}-${wanted.machine}${suffix}`, reason ?? '');
}

/** The first thing that is not as wanted, and what the name of the installation ends with. */
function whatIsWrong(
  { host, labels, machine }: WantedHost,
  version: string,
  agent: SeenAgent | undefined,
  last: string | undefined,
): [string | undefined, '' | '-r'] {
  if (agent === undefined) return ['no agent is known', ''];
  if (agent.state !== 'active') return [`${agent.vm_id} is ${agent.state}`, ''];
  if (!agent.online) return [`${agent.vm_id} is offline`, ''];
  if (agent.version !== version) return [`${agent.vm_id} runs ${agent.version ?? 'an unknown version'}`, ''];
  if (agent.reported_labels[HOST_LABEL] !== host || last === undefined)
    return [`${agent.vm_id} does not say which installation it is of`, ''];
  // Labels are granted when a machine enrolls; there is no other way to change them.
  const missing = Object.entries(labels).filter(([key, value]) => agent.labels[key] !== value);
  if (missing.length > 0)
    return [`${agent.vm_id} lacks ${missing.map((label) => label.join('=')).join(', ')}`, '-r'];
  const own = Object.keys(agent.labels).filter((key) => key !== HOST_LABEL);
  const over = agent.labels[HOST_LABEL] === undefined ? [] : own.filter((key) => labels[key] === undefined);
  if (over.length > 0) return [`${agent.vm_id} has ${over.join(', ')} still`, '-r'];
  if (DEPLOYMENT.exec(last)?.[1] !== machine)
    return [`${agent.vm_id} was installed at another address than the host has now`, ''];
  return [undefined, ''];
}
