import { createHmac, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { commitBy, eventLeaf, hmac, type SaltedEvent } from '../../../../orchestrator/audit/events.ts';

it('commits by the HMAC that everybody knows', () => {
  for (const length of [1, 16, 32, 64]) {
    const key = randomBytes(length);
    for (const text of ['', 'alice', 'ü'.repeat(100)])
      expect(hmac(key, text).equals(createHmac('sha256', key).update(text).digest())).toBe(true);
  }
});

const event: SaltedEvent = {
  seq: 1,
  id: 1,
  at: 0,
  action: 'token.create',
  actor_type: 'user',
  actor_id: 'usr-1',
  actor_name: 'alice',
  address: null,
  target: null,
  detail: { name: 'x', uses: 1 },
  salts: '00'.repeat(16),
  erased: {},
};

// What was sealed by this version must verify by every later one.
it('hashes an event to this leaf', () => {
  expect(Buffer.from(eventLeaf('org-1', event)).toString('hex')).toBe(
    '33369eaaa1c211e770ee5f51feb898f4083b93f676d39caa1eec121dc3fc5514',
  );
});

it('commits to each field, and to a value in its place alone', () => {
  const commit = commitBy(event.salts);
  expect(commit('actor_name', 'alice')).not.toBe(commit('detail.name', 'alice'));
  const hex = (over: Partial<SaltedEvent>) =>
    Buffer.from(eventLeaf('org-1', { ...event, ...over })).toString('hex');
  const leaves = [
    {},
    { seq: 2 },
    { id: 2 },
    { at: 1 },
    { action: 'token.creat' },
    { actor_type: 'agent' },
    { actor_id: 'usr-2' },
    { actor_name: 'bob' },
    { address: '' },
    { target: '' },
    { detail: { uses: 1, name: 'x' } },
    { detail: { name: 'x', uses: 2 } },
    { detail: { name: 'y', uses: 1 } },
    { detail: { name: null, uses: 1 } },
    { salts: null },
  ].map(hex);
  expect(new Set(leaves).size).toBe(leaves.length);
  expect(Buffer.from(eventLeaf('org-2', event)).toString('hex')).not.toBe(leaves[0]);
});
