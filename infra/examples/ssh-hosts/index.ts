// Machines that exist are made agents, and kept so: each `pulumi up` looks for those that are not well.
import * as pulumi from '@pulumi/pulumi';
import { AgentFleet, type FleetHostArgs } from 'vm-agent/infra';

/** What is in the stack's configuration about a machine. */
interface Machine {
  address: string;
  /** From `ssh-keyscan -t ed25519 ADDRESS`, without the address, compared with what the machine's console shows. */
  hostKey: string;
  /** Root, or somebody who may sudo without a password; the stack's `user` if left out, or else `root`. */
  user?: string;
  /** Of SSH; 22 if left out. */
  port?: number;
  /** `pulumi config set --path` makes numbers and booleans of what looks so. */
  labels?: Record<string, string | number | boolean>;
  /** The machine does not exist any more. `pulumi up` with this, and remove it from the configuration after that. */
  gone?: boolean;
}

const config = new pulumi.Config();
const machines = config.requireObject<Record<string, Machine>>('machines');
const privateKey = config.requireSecret('privateKey');

/** @throws Error naming the machine and what it must not have */
function hostOf(name: string, machine: Machine): FleetHostArgs {
  const { address, hostKey, user, port, labels = {}, gone, ...others } = machine;
  const unknown = Object.keys(others);
  if (unknown.length > 0)
    throw new Error(
      `machines: ${name} has the unknown key ${unknown.join(', ')}; there are address, hostKey, user, port, labels and gone. ` +
        `A name with dots is written --path 'machines["web.example.com"].address'.`,
    );
  if (gone !== undefined && typeof gone !== 'boolean')
    throw new Error(`machines: gone of ${name} must be true or false.`);
  return {
    connection: {
      host: address,
      ...(port === undefined ? {} : { port }),
      user: user ?? config.get('user') ?? 'root',
      privateKey,
      hostKey,
    },
    labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)])),
    gone: gone === true,
  };
}

const fleet = new AgentFleet('fleet', {
  orchestrator: {
    url: config.require('orchestratorUrl'),
    apiToken: config.requireSecret('apiToken'),
    caPem: config.get('orchestratorCa'),
  },
  hosts: Object.fromEntries(Object.entries(machines).map(([name, machine]) => [name, hostOf(name, machine)])),
  labels: { stack: pulumi.getStack() },
  // One machine first, then a tenth of them, then all; a wave begins when the one before is online.
  waves: ['1', '10%', '100%'],
  concurrency: 10,
});

export const agents = fleet.agentIds;
export const dashboard = fleet.dashboardUrls;
export const status = fleet.status;
