// Machines that exist are made agents, and kept so: each `pulumi up` looks for those that are not well.
import * as pulumi from '@pulumi/pulumi';
import { AgentFleet } from 'vm-agent/infra';

/** What is in the stack's configuration about a machine. */
interface Machine {
  address: string;
  /** From `ssh-keyscan -t ed25519 ADDRESS`, without the address, compared with what the machine's console shows. */
  hostKey: string;
  labels?: Record<string, string>;
}

const config = new pulumi.Config();
const machines = config.requireObject<Record<string, Machine>>('machines');
const privateKey = config.requireSecret('privateKey');

const fleet = new AgentFleet('fleet', {
  orchestrator: {
    url: config.require('orchestratorUrl'),
    apiToken: config.requireSecret('apiToken'),
    caPem: config.get('orchestratorCa'),
  },
  hosts: Object.fromEntries(
    Object.entries(machines).map(([name, { address, hostKey, labels }]) => [
      name,
      {
        connection: { host: address, user: config.get('user') ?? 'root', privateKey, hostKey },
        labels: labels ?? {},
      },
    ]),
  ),
  labels: { stack: pulumi.getStack() },
  // One machine first, then a tenth of them, then all; a wave begins when the one before is online.
  waves: ['1', '10%', '100%'],
  concurrency: 10,
});

export const agents = fleet.agentIds;
export const dashboard = fleet.dashboardUrls;
export const status = fleet.status;
