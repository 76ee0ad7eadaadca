import { readFile } from 'node:fs/promises';
import { type DiskLayout, trustEntries } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';

/** Where cloud-init keeps the name that the platform gives this instance; it is written before the network is up. */
const CLOUD_INIT_FILE = '/var/lib/cloud/data/instance-id';

/** What cloud-init says on a boot at which it did not find its platform: it tells nothing. */
const NOWHERE = 'iid-datasource-none';

const readId = async (path: string): Promise<string | undefined> => {
  const text = await readFile(path, 'utf8').catch(() => '');
  const id = text.trim();
  return id === '' || id === NOWHERE ? undefined : id.slice(0, 255);
};

/** The platform's name for this machine, such as `i-0123…`; undefined where cloud-init does not tell. */
export const platformInstance = (file = CLOUD_INIT_FILE): Promise<string | undefined> => readId(file);

/** On which instance the identity in this folder was made. */
export interface Copied {
  from: string;
  here: string;
}

/**
 * Whether this disk came from another machine, its identity with it: the instance is not the one on which the key was
 * made. Undefined when it is the same, or when one of the two is not known.
 */
export async function copiedFrom(layout: DiskLayout, here: string | undefined): Promise<Copied | undefined> {
  const from = await readId(trustEntries(layout).instance.path);
  return from === undefined || here === undefined || from === here ? undefined : { from, here };
}

/** What is said about it, to whoever would use that identity. */
export const copiedError = ({ from, here }: Copied, advice?: string): AppError =>
  new AppError('machine_copied', {
    detail: `This disk is a copy: the agent's identity on it was made on the instance ${from}, and this is ${here}. Nothing was sent with it.`,
    hint: `${advice ?? 'To enroll this machine as one of its own'}: make a new token (vm-orchestrator token create) and run vm-agent install --token-stdin, with the token on its stdin. If it is the same machine, and the platform renamed it: vm-agent install --same-machine.`,
  });
