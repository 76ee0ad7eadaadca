import { basename, dirname } from 'node:path';
import { type PairDisk, pairDisk } from '../../../agent/identity/pair-files.ts';
import { runDaemon } from '../../../agent/main.ts';

/*
 * The daemon on a disk that fails where it is told to, for tests. DIE_AT: `before|amid|after NAME`, NAME being the
 * file that a step of a renewal makes: there the process ends as by a power cut. FULL_FOR: so many writes find no
 * room. The umask is none at all, so that every mode is one that the agent asked for.
 */
process.umask(0);

const [when = '', name = ''] = (process.env['DIE_AT'] ?? '').split(' ');
let full = Number(process.env['FULL_FOR'] ?? 0);

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
}

async function step(target: string, work: () => Promise<void>, half?: () => Promise<void>): Promise<void> {
  const isHere = basename(target) === name;
  if (isHere && when === 'before') await die();
  if (isHere && when === 'amid') {
    await half?.();
    await die();
  }
  await work();
  if (isHere && when === 'after') await die();
}

const failing: PairDisk = {
  async write(entry, text) {
    if (full-- > 0)
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const draft = { ...entry, path: `${dirname(entry.path)}/${basename(entry.path)}.0123456789ab.tmp` };
    await step(
      entry.path,
      () => pairDisk.write(entry, text),
      () => pairDisk.write(draft, text.slice(0, text.length / 2)),
    );
  },
  rename: (from, to) => step(to, () => pairDisk.rename(from, to)),
  remove: pairDisk.remove,
};

runDaemon({ home: process.argv[2], pairDisk: failing }).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  },
);
