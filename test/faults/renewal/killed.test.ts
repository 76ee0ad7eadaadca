import { readdir } from 'node:fs/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { readCredentials } from '../../../agent/identity/credentials.ts';
import { createKey } from '../../../agent/identity/csr.ts';
import { belong } from '../../../agent/identity/pair.ts';
import { pairDisk } from '../../../agent/identity/pair-files.ts';
import { nextPairEntries } from '../../../protocol/disk-layout.ts';
import { startOrchestrator } from '../../integration/support/orchestrator.ts';
import { isFull } from '../support/size.ts';
import { enrolledHome, isConnected, isRenewed } from './machine.ts';

/** Long enough for a slow machine to start twice within it: what has ended needs another way back. */
const LIFE_S = 120;

/** Each step of a renewal on disk, in order; the request goes out before the certificate's. */
const STEPS = [
  'amid vm_agent.key.next',
  'after vm_agent.key.next',
  'amid vm_agent.csr.next',
  'after vm_agent.csr.next',
  'before vm_agent.crt.next',
  'amid vm_agent.crt.next',
  'after vm_agent.crt.next',
  // The orchestrator has welcomed the new certificate here, and refuses the old one.
  'before vm_agent.crt',
  'after vm_agent.crt',
  'after vm_agent.csr',
  'before vm_agent.key',
  'after vm_agent.key',
];
/** A renewal that comes of itself takes half of a life; the others begin with a key that an earlier one left. */
const OF_ITSELF = STEPS.slice(0, 2);
/** What a change should wait for: nothing answered, all but taken, and between the two halves. */
const DANGEROUS = ['before vm_agent.crt.next', 'before vm_agent.crt', 'after vm_agent.crt'];

const orchestrator = await startOrchestrator({ args: ['--agent-certificate-ttl', `${LIFE_S}s`] });
afterAll(() => orchestrator.stop());

describe('an agent that is killed in the middle of a renewal [cert-3]', () => {
  it.each(isFull ? STEPS : DANGEROUS)(
    '%s: it starts with a pair that counts, and ends the renewal',
    async (dieAt) => {
      await using machine = await enrolledHome(orchestrator);
      const before = await readCredentials(machine.layout);
      if (!OF_ITSELF.includes(dieAt)) await pairDisk.write(nextPairEntries(machine.layout).key, createKey());
      const killed = await machine.start({ DIE_AT: dieAt }).exited;
      expect(killed.signal).toBe('SIGKILL');

      const left = await readCredentials(machine.layout);
      expect(belong(left.certificate, left.key)).toBe(true);
      await using agent = machine.start();
      await agent.logged(isConnected);
      if (left.next !== undefined) await agent.logged(isRenewed);
      agent.signal('SIGTERM');
      await agent.exited;
      const now = await readCredentials(machine.layout);
      expect(belong(now.certificate, now.key)).toBe(true);
      if (left.next !== undefined || left.key !== before.key) {
        expect(now.key).not.toBe(before.key);
        expect((await readdir(machine.layout.security)).filter((name) => /next|tmp/.test(name))).toEqual([]);
      }
    },
  );
});
