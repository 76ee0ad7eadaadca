import { describe, expect, it } from 'vitest';
import {
  type AuthorizeFacts,
  authorize,
  withinBoth,
} from '../../../../../agent/executor/server/authorize.ts';
import { EnvelopeVerifier } from '../../../../../agent/policy/verify-envelope.ts';
import { systemClock } from '../../../../../base/clock.ts';
import { newId } from '../../../../../base/random.ts';
import type { PolicyDecision } from '../../../../../protocol/policy.ts';
import { createCommandSigner } from '../../../../fakes/command-signer.ts';

const signer = createCommandSigner({
  orgId: newId('org', systemClock),
  agentId: newId('agt', systemClock),
  trustDomain: 't',
});
const verifier = new EnvelopeVerifier(signer.trust);
const grants = (decisions: Record<string, PolicyDecision>): AuthorizeFacts => ({
  verify: (message) => verifier.verify(message, systemClock.now(), undefined),
  nowMs: systemClock.now(),
  decide: (grant) => decisions[grant] ?? { allowed: false, why: `nothing for ${grant}` },
  runAs: undefined,
  peerIsRoot: false,
});
const all: PolicyDecision = { allowed: true, read: ['/'], write: ['/'] };
const signed = (run_as: string | null = null) => {
  const { payload, envelope, delegation } = signer.shell('id', { run_as });
  return { type: 'start', id: payload.command_id, signed: { envelope, delegation } } as const;
};

describe('who may do what', () => {
  it('runs what is signed as root, unless its owner says otherwise', () => {
    expect(authorize(signed(), grants({ orchestrator: all }))).toMatchObject({
      ok: true,
      call: { runAs: 'root' },
    });
    const configured = { ...grants({ orchestrator: all }), runAs: 'deploy' };
    expect(authorize(signed(), configured)).toMatchObject({ call: { runAs: 'deploy' } });
    const policy = { ...grants({ orchestrator: { ...all, runAs: 'ops' } }), runAs: 'deploy' };
    expect(authorize(signed(), policy)).toMatchObject({ call: { runAs: 'ops' } });
  });

  it('lets a command be another user’s only where it could be root’s', () => {
    expect(authorize(signed('web'), grants({ orchestrator: all }))).toMatchObject({ call: { runAs: 'web' } });
    const narrow = grants({ orchestrator: { ...all, runAs: 'ops' } });
    expect(authorize(signed('root'), narrow)).toMatchObject({
      ok: false,
      denial: { code: 'policy_refused' },
    });
  });

  it('[schedule-1] starts nothing before the time that was signed for it', () => {
    const at = (ms: number) => {
      const not_before = new Date(systemClock.now() + ms).toISOString();
      const { payload, envelope, delegation } = signer.shell('id', { not_before, critical: ['not_before'] });
      return { type: 'start', id: payload.command_id, signed: { envelope, delegation } } as const;
    };
    const facts = grants({ orchestrator: all });
    expect(authorize(at(60_000), facts)).toMatchObject({ ok: false, denial: { code: 'command_early' } });
    expect(authorize(at(-60_000), facts)).toMatchObject({ ok: true });
  });

  it('gives what nobody signed the rights of local-api, whoever is said to ask', () => {
    const local = { type: 'start', id: 'x', local: { tool: 'read_file', arguments: {} } } as const;
    expect(authorize(local, grants({ orchestrator: all, 'local-api': all }))).toMatchObject({
      ok: true,
      call: { runAs: 'vm-agent-run', signed: undefined },
    });
    expect(authorize(local, grants({ orchestrator: all, 'client:root': all }))).toMatchObject({
      ok: false,
      denial: { code: 'policy_refused' },
    });
  });

  it('[executor-3] gives root on this VM root’s rights, whatever the policy says, by the kernel’s word alone', () => {
    const local = {
      type: 'start',
      id: 'x',
      local: { tool: 'execute_shell_command', arguments: {} },
    } as const;
    expect(authorize(local, { ...grants({}), peerIsRoot: true })).toMatchObject({
      ok: true,
      call: { runAs: 'root', grant: 'root', signed: undefined },
    });
    // A signature is still checked: it says who asked.
    expect(authorize(signed(), { ...grants({}), peerIsRoot: true })).toMatchObject({
      denial: { code: 'policy_refused' },
    });
  });

  it('refuses a start that is neither or both', () => {
    expect(authorize({ type: 'start', id: 'x' }, grants({}))).toMatchObject({
      denial: { code: 'bad_request' },
    });
    const both = { ...signed(), local: { tool: 'read_file', arguments: {} } };
    expect(authorize(both, grants({ orchestrator: all }))).toMatchObject({ denial: { code: 'bad_request' } });
  });

  it('narrows folders to what both sides allow', () => {
    expect(withinBoth(['/'], ['/var/log'])).toEqual(['/var/log']);
    expect(withinBoth(['/var/log/app'], ['/var'])).toEqual(['/var/log/app']);
    expect(withinBoth(['/srv'], ['/etc'])).toEqual([]);
    expect(withinBoth(['/srv'], ['/srv'])).toEqual(['/srv']);
    expect(withinBoth(['/srv'], undefined)).toEqual(['/srv']);
  });
});
