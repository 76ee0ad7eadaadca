import { describe, expect, it } from 'vitest';
import {
  agentOf,
  machineOf,
  planHost,
  type Snapshot,
  type WantedHost,
} from '../../../../infra/plan/decide.ts';
import type { SeenAgent } from '../../../../infra/program/rest.ts';
import { seenAgent } from '../../../fakes/fake-control-plane.ts';

const MACHINE = machineOf('10.0.0.1', 22);
const LAST = `20261101T000000Z-${MACHINE}`;
const NOW = '20261127T120000Z';
const wanted: WantedHost = {
  host: 'p.s.web',
  version: undefined,
  labels: { env: 'test' },
  machine: MACHINE,
  gone: false,
};
const well = (over: Partial<SeenAgent> = {}): SeenAgent =>
  seenAgent({
    labels: { env: 'test', 'vm-agent.host': 'p.s.web' },
    reported_labels: { 'vm-agent.host': 'p.s.web', 'vm-agent.deployment': LAST },
    ...over,
  });
const snapshot = (...agents: SeenAgent[]): Snapshot => ({ agents, served: '1.2.3', now: NOW });
const plan = (agents: SeenAgent[], over: Partial<WantedHost> = {}) =>
  planHost({ ...wanted, ...over }, snapshot(...agents));

describe('the plan for a host', () => {
  it('keeps the installation of one that is well, so that nothing changes', () => {
    expect(plan([well()])).toMatchObject({ deployment: LAST, well: true, version: '1.2.3' });
  });

  it.each<[string, SeenAgent[], RegExp]>([
    ['is unknown', [], /no agent is known/],
    ['was revoked', [well({ state: 'revoked' })], /no agent is known/],
    ['is offline', [well({ online: false })], /offline/],
    ['is in quarantine', [well({ state: 'quarantined' })], /quarantined/],
    ['has another version', [well({ version: '1.0.0' })], /runs 1\.0\.0/],
    ['lost its labels', [well({ reported_labels: {} })], /does not say which installation/],
    [
      'says nonsense',
      [well({ reported_labels: { 'vm-agent.host': 'p.s.web', 'vm-agent.deployment': 'x' } })],
      /does not say which installation/,
    ],
  ])('begins a new installation when its agent %s', (_, agents, reason) => {
    expect(plan(agents)).toMatchObject({
      deployment: `${NOW}-${MACHINE}`,
      well: false,
      reason: expect.stringMatching(reason),
    });
  });

  it.each<[string, Record<string, string>]>([
    ['lacks a label', { env: 'prod' }],
    ['has one that is not wanted', {}],
  ])('asks for a new identity when the agent %s', (_, labels) => {
    expect(plan([well()], { labels })).toMatchObject({ deployment: `${NOW}-${MACHINE}-r`, well: false });
  });

  it('begins a new installation when the host is reached elsewhere, however well the agent is', () => {
    const machine = machineOf('10.0.0.2', 22);
    expect(plan([well()], { machine })).toMatchObject({
      deployment: `${NOW}-${machine}`,
      well: false,
      reason: expect.stringMatching(/another address/),
    });
    expect(machineOf('10.0.0.1', 2222)).not.toBe(MACHINE);
  });

  it('takes the name of a new identity for what it is, afterwards', () => {
    const agent = well({
      reported_labels: { 'vm-agent.host': 'p.s.web', 'vm-agent.deployment': `${LAST}-r` },
    });
    expect(plan([agent])).toMatchObject({ deployment: `${LAST}-r`, well: true });
  });

  it('takes over a machine that enrolled by itself and was labelled since', () => {
    const agent = well({ labels: {} });
    expect(plan([agent], { labels: {} })).toMatchObject({ deployment: LAST, well: true });
  });

  it('fails, and says what to do, when the orchestrator serves another version than is to be installed', () => {
    expect(plan([], { version: '9.9.9' })).toEqual({
      kind: 'failed',
      message: expect.stringMatching(/9\.9\.9.*serves 1\.2\.3.*Leave version out/),
    });
    // A host that has it needs no release.
    expect(plan([well({ version: '1.1.1' })], { version: '1.1.1' })).toMatchObject({ well: true });
  });

  it('does nothing to a machine that is gone', () => {
    expect(plan([well({ online: false })], { gone: true })).toMatchObject({ deployment: LAST });
  });
});

describe('the agent that is a host', () => {
  it('is the one that a token made it, whatever others say of themselves', () => {
    const liar = seenAgent({ reported_labels: { 'vm-agent.host': 'p.s.web' } });
    const granted = well({ online: false });
    expect(agentOf('p.s.web', [granted, liar])).toBe(granted);
    expect(agentOf('p.s.web', [liar])).toBe(liar);
  });

  it('is the one that is online, or else the newest', () => {
    const [old, online, newest] = [well({ online: false }), well(), well({ online: false })];
    expect(agentOf('p.s.web', [old, online, newest])).toBe(online);
    expect(agentOf('p.s.web', [old, newest])).toBe(newest);
  });
});
