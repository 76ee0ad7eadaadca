// Each machine has a network namespace and one cable: a veth pair whose other end is on the host.
import { runProgram, runProgramOk } from './command.ts';

export interface Network {
  readonly namespace: string;
  /** The host's end of the cable: where a server that the machine shall reach listens. */
  readonly hostAddress: string;
  readonly address: string;
}

const subnets = 16_384;

/** The namespace's name goes with the machine's, so that whoever cleans up needs to know nothing else. */
export function namespaceOf(id: string): string {
  return `vm-agent-${id}`;
}

/** Makes namespace and cable with a /30 of 10.97.0.0/16. No way leads from there to any other network. */
export async function createNetwork(id: string): Promise<Network> {
  const namespace = namespaceOf(id);
  await runProgramOk(['ip', 'netns', 'add', namespace]);
  const index = await plugCable(namespace, Number.parseInt(id, 16) % subnets);
  const cable = cableOf(index);
  const prefix = `10.97.${index >> 6}.`;
  const base = (index & 63) * 4;
  const hostAddress = `${prefix}${base + 1}`;
  const address = `${prefix}${base + 2}`;
  await runProgramOk(['sysctl', '-qw', `net.ipv4.conf.${cable}.forwarding=0`]);
  await ip('addr', 'add', `${hostAddress}/30`, 'dev', cable);
  await ip('link', 'set', cable, 'up');
  await ip('-n', namespace, 'addr', 'add', `${address}/30`, 'dev', 'host0');
  await ip('-n', namespace, 'link', 'set', 'lo', 'up');
  await ip('-n', namespace, 'link', 'set', 'host0', 'up');
  await ip('-n', namespace, 'route', 'add', 'default', 'via', hostAddress);
  return { namespace, hostAddress, address };
}

/** Removes cable and namespace; what is gone already is no error. */
export async function removeNetwork(id: string): Promise<void> {
  const namespace = namespaceOf(id);
  // The pair goes at once with either end; the namespace's own end would make the kernel take its time.
  await runProgram(['ip', '-n', namespace, 'link', 'del', 'host0']);
  await runProgram(['ip', 'netns', 'del', namespace]);
}

/** The kernel gives each interface name once, so the name is the lease of its subnet. */
async function plugCable(namespace: string, first: number): Promise<number> {
  for (let step = 0; step < subnets; step += 1) {
    const index = (first + step) % subnets;
    const argv = [
      'ip',
      'link',
      'add',
      cableOf(index),
      'type',
      'veth',
      'peer',
      'name',
      'host0',
      'netns',
      namespace,
    ];
    const outcome = await runProgram(argv);
    if (outcome.code === 0) return index;
    if (!outcome.err.includes('File exists')) throw new Error(`${argv.join(' ')}: ${outcome.err}`);
  }
  throw new Error(
    'all subnets of 10.97.0.0/16 are taken: remove interfaces whose name begins with vm-agent-',
  );
}

function cableOf(index: number): string {
  return `vm-agent-${index.toString(16).padStart(4, '0')}`;
}

async function ip(...args: string[]): Promise<void> {
  await runProgramOk(['ip', ...args]);
}
