import { describe, expect, it } from 'vitest';
import { agentSubjectAltNames, parseRoleUri, roleUri } from '../../../protocol/certificate-profile.ts';

describe('role URIs', () => {
  it.each([
    { role: 'agent' as const, trustDomain: 'td.internal', orgId: 'org-1', id: 'agt-1' },
    { role: 'client' as const, trustDomain: 'td.internal', orgId: 'org-1', id: 'alice' },
    { role: 'orchestrator' as const, trustDomain: 'td.internal' },
  ])('come back from their text: $role', (role) => {
    expect(parseRoleUri(roleUri(role))).toEqual(role);
  });

  it.each([
    'spiffe://td/org/o/agent/',
    'spiffe://td/org/o/agent/a/b',
    'spiffe://td/org/o/root/a',
    'spiffe://td/orchestrator/',
    'spiffe://td/orchestrator?x',
    'spiffe://td/org/o/agent/a\nspiffe://td/orchestrator',
    'https://td/orchestrator',
    'spiffe://td/org/../orchestrator',
  ])('that are not exactly one of ours name no role: %j', (uri) => {
    expect(parseRoleUri(uri)).toBeUndefined();
  });

  it('of an agent come with the names that its local HTTPS answers to', () => {
    expect(agentSubjectAltNames({ trustDomain: 'td', orgId: 'org-1', agentId: 'agt-1' })).toEqual({
      uris: ['spiffe://td/org/org-1/agent/agt-1'],
      dns: ['agt-1.agent.internal', 'localhost'],
      ips: ['127.0.0.1', '::1'],
    });
  });
});
