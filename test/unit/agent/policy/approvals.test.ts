import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { authorize } from '../../../../agent/executor/server/authorize.ts';
import { missingApproval } from '../../../../agent/policy/approvals.ts';
import { evaluate } from '../../../../agent/policy/evaluate.ts';
import { parsePolicy } from '../../../../agent/policy/source.ts';
import { EnvelopeVerifier } from '../../../../agent/policy/verify-envelope.ts';
import { systemClock } from '../../../../base/clock.ts';
import { newId } from '../../../../base/random.ts';
import { merkleTree } from '../../../../proof/merkle.ts';
import {
  type ApprovalSignature,
  type ApprovalSubject,
  approvalText,
  inTreeOrder,
  targetLeaf,
} from '../../../../protocol/approval.ts';
import type { CommandPayload } from '../../../../protocol/command.ts';
import { createAuthenticator } from '../../../fakes/authenticator.ts';
import { createCommandSigner } from '../../../fakes/command-signer.ts';
import { createSshApprover } from '../../../fakes/ssh-approver.ts';

const alice = createSshApprover('alice');
const carol = createSshApprover('carol');
const key = createAuthenticator({ rpId: 'orchestrator.example.com' });
const bob = { name: 'bob', webauthn: key.credential };
const signer = createCommandSigner({
  orgId: newId('org', systemClock),
  agentId: newId('agt', systemClock),
  trustDomain: 't',
});
const verifier = new EnvelopeVerifier(signer.trust);

const policyText = (approval: unknown) =>
  JSON.stringify({ version: 1, grants: { orchestrator: { tools: { allow: ['*'] }, approval } } });
const grant = (over: Record<string, unknown> = {}) =>
  parsePolicy(
    policyText({
      required: ['write_file', { tool: 'execute_shell_command', command: '*rm -rf*' }],
      approvers: [alice.approver, bob],
      ...over,
    }),
    'policy.yaml',
  );

/** A command as an orchestrator sends it, whose approvers sign `subject`. */
function approved(
  command: string,
  sign: (subject: ApprovalSubject) => readonly ApprovalSignature[],
  change: (payload: CommandPayload) => CommandPayload = (same) => same,
  others = 4,
) {
  const { payload } = signer.shell(command);
  const targets = inTreeOrder([
    { agent_id: payload.agent_id, command_id: payload.command_id },
    ...Array.from({ length: others }, () => ({
      agent_id: newId('agt', systemClock) as CommandPayload['agent_id'],
      command_id: newId('cmd', systemClock) as CommandPayload['command_id'],
    })),
  ]);
  const tree = merkleTree(targets.map(targetLeaf));
  const index = targets.findIndex(({ command_id }) => command_id === payload.command_id);
  const expires_at = new Date(Date.parse(payload.expires_at) + 1000).toISOString();
  const root = { count: targets.length, root: tree.root };
  const subject: ApprovalSubject = {
    v: 1,
    org_id: payload.org_id,
    job_id: payload.job_id,
    tool: payload.tool,
    arguments: payload.arguments,
    run_as: payload.run_as,
    limits: payload.limits,
    expires_at,
    targets: root,
  };
  return change({
    ...payload,
    approvals: sign(subject).map((signature, at) => ({
      id: `usr-${at}`,
      name: 'whoever',
      at: payload.issued_at,
      signature,
    })),
    approval_proof: { expires_at, targets: root, index, path: tree.pathOf(index) },
    critical: ['approval_proof'],
  });
}

/** What the executor says to it when the orchestrator's own key has signed it. */
function executor(payload: CommandPayload, policy = grant()) {
  const { envelope, delegation } = signer.sign(payload);
  return authorize(
    { type: 'start', id: payload.command_id, signed: { envelope, delegation } },
    {
      verify: (message) => verifier.verify(message, systemClock.now(), undefined),
      nowMs: systemClock.now(),
      decide: (name, tool) => evaluate(policy, name, tool),
      runAs: undefined,
      peerIsRoot: false,
    },
  );
}
const byAlice = (subject: ApprovalSubject) => [alice.sign(approvalText(subject))];
const byBob = (subject: ApprovalSubject) => [
  key.assert(createHash('sha256').update(approvalText(subject)).digest()),
];
const refused = { ok: false, denial: { code: 'approval_required' } };

describe('a policy that demands approvers’ own signatures', () => {
  it('lets what it does not name run without', () => {
    expect(executor(signer.shell('uptime').payload)).toMatchObject({ ok: true });
  });

  it('[approval-3] refuses what an orchestrator alone has signed, whatever it says of approvals', () => {
    const { payload } = signer.shell('rm -rf /srv');
    expect(executor(payload)).toMatchObject(refused);
    const claimed = { ...payload, approvals: [{ id: 'usr-1', name: 'alice', at: payload.issued_at }] };
    expect(executor(claimed)).toMatchObject(refused);
    // Through stdin, or by the environment, it is the same command.
    for (const hidden of [{ stdin: 'rm -rf /srv' }, { env: { X: 'rm -rf /srv' } }])
      expect(executor({ ...payload, arguments: { command: 'sh', ...hidden } })).toMatchObject(refused);
  });

  it('runs it with a signature by SSH or by WebAuthn', () => {
    expect(executor(approved('rm -rf /srv', byAlice))).toMatchObject({ ok: true });
    expect(executor(approved('rm -rf /srv', byBob))).toMatchObject({ ok: true });
    expect(executor(approved('rm -rf /srv', byAlice, undefined, 0))).toMatchObject({ ok: true });
  });

  it('[approval-3] refuses a signature that was given for anything else', () => {
    const change = (over: (payload: CommandPayload) => Partial<CommandPayload>) =>
      executor(approved('rm -rf /srv', byAlice, (payload) => ({ ...payload, ...over(payload) })));
    expect(change(() => ({ arguments: { command: 'rm -rf /' } }))).toMatchObject(refused);
    expect(change(() => ({ tool: 'write_file' }))).toMatchObject(refused);
    expect(change(() => ({ run_as: 'root' }))).toMatchObject(refused);
    expect(change(({ limits }) => ({ limits: { ...limits, timeout_s: 3600 } }))).toMatchObject(refused);
    expect(change(() => ({ job_id: newId('job', systemClock) as never }))).toMatchObject(refused);
    // The same approval for a second run: the command's identifier is in what was signed.
    expect(change(() => ({ command_id: newId('cmd', systemClock) as never }))).toMatchObject(refused);
    const later = (at: string, ms: number) => new Date(Date.parse(at) + ms).toISOString();
    expect(change(({ expires_at }) => ({ expires_at: later(expires_at, 5000) }))).toMatchObject(refused);
    expect(
      change(({ approval_proof: _proof, ...rest }) => ({ ...rest, approval_proof: undefined })),
    ).toMatchObject(refused);
  });

  it('refuses the signatures of others, and of fewer than the quorum', () => {
    const byCarol = (subject: ApprovalSubject) => [carol.sign(approvalText(subject))];
    expect(executor(approved('rm -rf /srv', byCarol))).toMatchObject(refused);
    const forGit = (subject: ApprovalSubject) => [alice.sign(approvalText(subject), 'git')];
    expect(executor(approved('rm -rf /srv', forGit))).toMatchObject(refused);
    const two = grant({ quorum: 2 });
    const twice = (subject: ApprovalSubject) => [...byAlice(subject), ...byAlice(subject)];
    expect(executor(approved('rm -rf /srv', twice), two)).toMatchObject(refused);
    const both = (subject: ApprovalSubject) => [...byAlice(subject), ...byBob(subject)];
    expect(executor(approved('rm -rf /srv', both), two)).toMatchObject({ ok: true });
    expect(missingApproval(approved('rm -rf /srv', byAlice), two.grants['orchestrator']?.approval)).toContain(
      'only that of alice',
    );
  });

  it('counts somebody with two keys once', () => {
    const second = createSshApprover('alice');
    const policy = grant({ approvers: [alice.approver, second.approver, bob], quorum: 2 });
    const sign = (subject: ApprovalSubject) => [...byAlice(subject), second.sign(approvalText(subject))];
    expect(executor(approved('rm -rf /srv', sign), policy)).toMatchObject(refused);
  });

  it.each([
    ['more signatures than approvers', { quorum: 3 }, /quorum: must be at most 2/],
    ['no command to approve', { required: [] }, /required/],
    ['no approver', { approvers: [] }, /approvers/],
    [
      'another kind of key',
      { approvers: [{ name: 'x', key: 'ssh-rsa AAAA' }] },
      /must be the line of a .pub file/,
    ],
    [
      'a key twice',
      { approvers: [alice.approver, { ...alice.approver, name: 'b' }] },
      /not name a key twice/,
    ],
    ['an unknown key', { quorums: 1 }, /quorums: unknown key.*quorum/s],
  ])('is not valid with %s', (_what, over, message) => {
    expect(() => grant(over)).toThrow(message);
  });

  it('stands in the orchestrator’s grant alone', () => {
    const text = policyText({ required: ['*'], approvers: [alice.approver] }).replace(
      'orchestrator',
      'local-api',
    );
    expect(() => parsePolicy(text, 'policy.yaml')).toThrow(/stands only in the grant orchestrator/);
  });
});
