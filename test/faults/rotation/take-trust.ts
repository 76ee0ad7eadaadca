import fs, { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/*
 * Takes a new set of roots and dies where it is told to, as by a power cut. DIE_AT: `before N` (the N-th step on disk)
 * or `amid N` (half of what that step writes is there). Prints how many steps there were.
 */
const [when = '', at = '0'] = (process.env['DIE_AT'] ?? '').split(' ');
let steps = 0;

type Work = (this: unknown, ...args: unknown[]) => Promise<unknown>;

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
}

function dies(target: object, name: string): void {
  const methods = target as Record<string, Work>;
  const work = methods[name] as Work;
  methods[name] = async function step(this: unknown, ...args) {
    steps += 1;
    if (steps !== Number(at)) return work.apply(this, args);
    if (when === 'amid' && name === 'writeFile') {
      const text = String(args[0]);
      await work.call(this, text.slice(0, text.length / 2));
    }
    return die();
  };
}

const [, , home = '', updateFile = ''] = process.argv;
const update = JSON.parse(await fs.readFile(updateFile, 'utf8'));
const handle = await open(updateFile);
const handles = Object.getPrototypeOf(handle);
await handle.close();
for (const name of ['writeFile', 'chmod', 'sync']) dies(handles, name);
dies(fs, 'rename');
syncBuiltinESMExports();

const { readCredentials } = await import('../../../agent/identity/credentials.ts');
const { TrustKeeper } = await import('../../../agent/identity/trust-update.ts');
const { silentLogger } = await import('../../../base/logger.ts');
const { diskLayout } = await import('../../../protocol/disk-layout.ts');
const layout = diskLayout(home);
const own = await readCredentials(layout);
const keeper = new TrustKeeper({
  layout,
  log: silentLogger,
  current: () => own,
  onChanged: () => undefined,
  onDue: () => undefined,
});
const ack = await keeper.take(update);
process.stdout.write(JSON.stringify({ steps, ack }));
