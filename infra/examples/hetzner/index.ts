// Machines at Hetzner Cloud that enroll themselves when they boot for the first time.
import * as hcloud from '@pulumi/hcloud';
import * as pulumi from '@pulumi/pulumi';
import { AgentUserData } from 'vm-agent/infra';

const config = new pulumi.Config();
const names = config.getObject<string[]>('names') ?? ['web-1', 'web-2'];
const image = config.get('image') ?? 'debian-13';
const location = config.get('location') ?? 'nbg1';
const orchestrator = {
  url: config.require('orchestratorUrl'),
  apiToken: config.requireSecret('apiToken'),
  caPem: config.get('orchestratorCa'),
};

const servers = names.map((name) => {
  const boot = new AgentUserData(name, {
    orchestrator,
    labels: { role: 'web', stack: pulumi.getStack() },
    // The vm_id is made of the hostname: the token enrolls no other machine.
    vmIdPattern: `vm-${name}-*`,
    // What replaces the machine makes a new token too.
    triggers: [image, location],
  });
  return new hcloud.Server(
    name,
    { name, image, location, serverType: config.get('serverType') ?? 'cx23', userData: boot.userData },
    // A new token, for other labels for instance, is no reason to replace a machine that runs. One that is replaced
    // for another reason gets the newest.
    { ignoreChanges: ['userData'] },
  );
});

export const addresses = servers.map((server) => server.ipv4Address);
