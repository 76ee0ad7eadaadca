import { describe, expect, it } from 'vitest';
import { checkOwnCertificate, pinnedRoots } from '../../../../agent/identity/certificates.ts';
import { createKey } from '../../../../agent/identity/csr.ts';
import { createTestCa } from '../../../fakes/test-ca.ts';

const ORG = 'org-01arz3ndektsv4rrffq69g5fav';
const AGENT = 'agt-01arz3ndektsv4rrffq69g5fav';
const ca = await createTestCa({ orgId: ORG });
const foreign = await createTestCa({ orgId: ORG });
const roots = pinnedRoots(`${ca.rootPem}\n${ca.issuingPem}`, [ca.rootPin]);
const now = Date.now();

describe('the roots of an agent', () => {
  it('are those that are pinned, whatever else the file holds', () => {
    const found = pinnedRoots(`${foreign.rootPem}\n${ca.rootPem}`, [ca.rootPin]);
    expect(found.map((root) => root.toString().trim())).toEqual([ca.rootPem.trim()]);
  });
});

describe('the certificate of an agent', () => {
  const check = (
    issued: { certificate: string; key: string },
    more: { agentId?: string; nowMs?: number } = {},
  ) => checkOwnCertificate({ ...issued, roots, agentId: AGENT, nowMs: now, ...more });

  it('is taken when chain, key, dates and role are right', async () => {
    expect(check(await ca.agent(AGENT)).role).toMatchObject({ role: 'agent', id: AGENT, orgId: ORG });
  });

  it('is refused from another CA', async () => {
    const issued = await foreign.agent(AGENT);
    expect(() => check(issued)).toThrow(/no chain leads/);
  });

  it('is refused for another key', async () => {
    const { certificate } = await ca.agent(AGENT);
    expect(() => check({ certificate, key: createKey() })).toThrow(/another key/);
  });

  it('is refused for another agent, and for another role', async () => {
    const other = await ca.agent('agt-01arz3ndektsv4rrffq69g5fax');
    expect(() => check(other)).toThrow(/role of agent/);
    const server = await ca.orchestrator();
    expect(() => check(server)).toThrow(/role of agent/);
  });

  it('is refused after its end', async () => {
    const issued = await ca.agent(AGENT, { notAfter: new Date(now + 1000) });
    expect(() => check(issued, { nowMs: now + 5000 })).toThrow(/valid from/);
  });
});
