import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readCredentials, writeSecurityFile } from '../../../agent/identity/credentials.ts';
import { writeCaPins } from '../../../agent/identity/trust-update.ts';
import { diskLayout } from '../../../protocol/disk-layout.ts';
import type { TrustUpdate } from '../../../protocol/trust-update.ts';
import { type AgentHome, createAgentHome } from '../../fakes/agent-home.ts';
import { type Authority, createAuthority, crossSigned, signTrust } from '../../fakes/authority.ts';
import { isFull } from '../support/size.ts';

const SCRIPT = fileURLToPath(new URL('./take-trust.ts', import.meta.url));
const VERSION = 2;

const one = await createAuthority();
const two = await createAuthority();
const issuing: Authority = await createAuthority('issuing', two);

/** A machine that trusts root one, and has the end of a rotation to root two before it. */
async function machineBefore(): Promise<{ home: AgentHome; updateFile: string }> {
  const home = await createAgentHome();
  await home.setUrl('wss://127.0.0.1/');
  const layout = diskLayout(home.path);
  await writeSecurityFile(layout, 'ca', `${one.pem}\n${issuing.pem}`);
  await writeCaPins(layout, { bundle_version: VERSION - 1, roots: [one.pin] });
  const statement = signTrust(
    {
      org_id: home.orgId,
      trust_domain: home.ca.trustDomain,
      version: VERSION,
      roots: [two.pem],
      vouchers: [one.pem, await crossSigned(two, one)],
      issuing: issuing.pin,
    },
    home.signer.root,
  );
  const update: TrustUpdate = {
    type: 'trust_update',
    bundle_version: VERSION,
    statement,
    issuing: [issuing.pem],
    spread_s: 0,
  };
  const updateFile = `${home.path}/update.json`;
  await writeFile(updateFile, JSON.stringify(update));
  return { home, updateFile };
}

async function take(machine: { home: AgentHome; updateFile: string }, dieAt = '') {
  const child = spawn(process.execPath, [SCRIPT, machine.home.path, machine.updateFile], {
    env: { ...process.env, DIE_AT: dieAt },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [out, [, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return { signal: signal as NodeJS.Signals | null, out };
}

const trusted = async ({ home }: { home: AgentHome }) => {
  const { roots, trust } = await readCredentials(diskLayout(home.path));
  return { roots: roots.map((pem) => pem.trim()), version: trust.caPins.bundle_version };
};
const ONE = { roots: [one.pem.trim()], version: VERSION - 1 };
const TWO = { roots: [two.pem.trim()], version: VERSION };

/** Each of three files is written, given its mode, synced and renamed, and its folder synced. */
const STEPS = 15;
/** What a change should wait for: the pins all but replaced, just replaced, and the certificates amid the last step. */
const DANGEROUS = ['before 9', 'before 10', 'amid 11'];
const EACH = [
  ...Array.from({ length: STEPS }, (_, at) => `before ${at + 1}`),
  ...[1, 6, 11].map((writing) => `amid ${writing}`),
];

describe('an agent that is killed while it takes a new set of roots [cert-40]', () => {
  it('trusts the set of before or the new one, wherever it was, and has the new one after the next try', async () => {
    const versions = new Set<number>();
    for (const dieAt of isFull ? EACH : DANGEROUS) {
      const machine = await machineBefore();
      await using _home = machine.home;
      expect((await take(machine, dieAt)).signal, dieAt).toBe('SIGKILL');
      const left = await trusted(machine);
      expect([ONE, TWO], dieAt).toContainEqual(left);
      versions.add(left.version);
      expect(JSON.parse((await take(machine)).out).ack).toEqual({ bundle_version: VERSION });
      expect(await trusted(machine)).toEqual(TWO);
    }
    expect(versions).toEqual(new Set([VERSION - 1, VERSION]));
  });

  it('was killed at each of its steps: there are no others', async () => {
    const machine = await machineBefore();
    await using _home = machine.home;
    expect(JSON.parse((await take(machine)).out)).toEqual({ steps: STEPS, ack: { bundle_version: VERSION } });
  });
});
