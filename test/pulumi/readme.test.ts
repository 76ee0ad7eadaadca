// README.md's way to a fleet by Pulumi, as it stands there: the packed package, a copy of the example, and the CLI,
// against five machines. Two parts of Pulumi are not on every machine, and have a stand-in then: its language host for
// Node, and the `command` provider.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { type Outcome, runProgram } from '../host/harness/command.ts';
import { providePulumi } from './engine/engine.ts';
import { bootMachines, type Machines } from './support/machines.ts';
import { officialCommandProvider } from './support/stack.ts';

const NAMES = ['web-1', 'web-2', 'web-3', 'web-4', 'web-5'];
const LONG_MS = 280_000;
const PASSPHRASE = 'of a test';
/** The one machine that the page names. */
const ADDRESS = '192.0.2.10';

/** The shell block below a line that begins so. */
function blockAfter(words: string): string {
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, block] = /```sh\n(.*?)```/s.exec(text.slice(text.indexOf(words))) ?? [];
  if (!text.includes(words) || block === undefined) throw new Error(`README.md has no block after ${words}`);
  return block;
}

/** The lines about the one machine, for each of ours. */
const forAll = (block: string, addresses: ReadonlyMap<string, string>): string =>
  block
    .split('\n')
    .flatMap((line) =>
      line.includes('machines.web-1.')
        ? [...addresses].map(([name, address]) =>
            line.replaceAll('machines.web-1.', `machines.${name}.`).replaceAll(ADDRESS, address),
          )
        : [line],
    )
    .join('\n');

let machines: Machines;
let home: string;
let env: Record<string, string>;

beforeAll(async () => {
  machines = await bootMachines(NAMES);
  home = mkdtempSync(join(tmpdir(), 'vm-agent-readme-'));
  const bin = join(home, 'bin');
  mkdirSync(join(home, '.ssh'), { mode: 0o700 });
  for (const folder of [bin, join(home, 'state')]) mkdirSync(folder);
  writeFileSync(join(home, '.ssh/id_ed25519'), machines.key.privateKey, { mode: 0o600 });
  const program = (name: string, ...words: string[]) =>
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${words.map((word) => `'${word}'`).join(' ')} "$@"\n`, {
      mode: 0o755,
    });
  program('pulumi', (await providePulumi()).command);
  program('pulumi-language-nodejs', process.execPath, join(import.meta.dirname, 'support/language-host.mjs'));
  const official = officialCommandProvider();
  if (official === undefined)
    program('pulumi-resource-command', process.execPath, join(import.meta.dirname, 'provider/main.ts'));
  else copyFileSync(join(official, 'pulumi-resource-command'), join(bin, 'pulumi-resource-command'));
  const { orchestrator } = machines;
  env = {
    // How this machine reaches npm's registry.
    ...(process.env as Record<string, string>),
    PATH: [bin, dirname(process.execPath), process.env['PATH']].join(delimiter),
    HOME: home,
    PULUMI_HOME: join(home, '.pulumi'),
    PULUMI_SKIP_UPDATE_CHECK: 'true',
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
    // What a person at a terminal is asked for.
    PULUMI_SKIP_CONFIRMATIONS: 'true',
    PULUMI_CONFIG_PASSPHRASE: PASSPHRASE,
    npm_config_cache: join(homedir(), '.npm'),
    npm_config_userconfig: join(homedir(), '.npmrc'),
    VM_ORCHESTRATOR_URL: orchestrator.url,
    VM_ORCHESTRATOR_API_TOKEN: orchestrator.apiToken,
    VM_ORCHESTRATOR_CA_FILE: join(orchestrator.data, 'client-ca.pem'),
  };
}, LONG_MS);
afterAll(async () => {
  await machines?.dispose();
  rmSync(home, { recursive: true, force: true });
});

const sh = (text: string): Promise<Outcome> =>
  runProgram(['bash', '-ec', `cd '${ROOT}'\n${text}`], {
    env,
    // The passphrase that the block reads.
    input: `${PASSPHRASE}\n`,
    timeoutMs: LONG_MS,
  });

it(
  'makes five machines agents by the block of the README, changes nothing by another up, and takes them off',
  async () => {
    const addresses = new Map(NAMES.map((name) => [name, machines.get(name).machine.address]));
    const block = blockAfter('**Machines that exist');
    // It means the home that the system's list of users has, which is not the test's.
    expect(block).toContain('pulumi login --local ');
    const own = block.replace('pulumi login --local ', `pulumi login file://${home}/state `);
    const first = await sh(forAll(own, addresses));
    expect({ code: first.code, said: first.code === 0 ? '' : first.out + first.err }).toEqual({
      code: 0,
      said: '',
    });
    const agents = await machines.orchestrator.agents();
    expect(agents.map(({ hostname, online }) => ({ hostname, online }))).toEqual(
      expect.arrayContaining(NAMES.map((hostname) => ({ hostname, online: true }))),
    );
    const again = await sh('cd ~/fleet && pulumi up');
    expect(again.out).toMatch(/Resources:\n\s+\d+ unchanged\n/);
    expect(first.out + first.err + again.out).not.toMatch(/prov_[0-9a-z]+_|vmo_|PRIVATE KEY/);
    const gone = await sh('cd ~/fleet && pulumi destroy');
    expect({ code: gone.code, err: gone.err }).toMatchObject({ code: 0 });
    expect(await machines.orchestrator.agents()).toEqual([]);
  },
  LONG_MS * 2,
);
