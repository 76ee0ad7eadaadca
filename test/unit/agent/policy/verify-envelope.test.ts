import { describe, expect, it } from 'vitest';
import { EnvelopeVerifier } from '../../../../agent/policy/verify-envelope.ts';
import { createCommandSigner } from '../../../fakes/command-signer.ts';

const identity = {
  orgId: 'org-01arz3ndektsv4rrffq69g5fav',
  agentId: 'agt-01arz3ndektsv4rrffq69g5fav',
  trustDomain: 'test.internal',
};
const HOUR = 3_600_000;
const now = Date.now();

describe('verifying a command', () => {
  it('believes what a vouched key signed', () => {
    const signer = createCommandSigner(identity);
    const command = signer.shell('true');
    const verified = new EnvelopeVerifier(signer.trust).verify(command, now, 0);
    expect(verified).toMatchObject({ kind: 'ok', payload: { command_id: command.payload.command_id } });
  });

  it('calls a late command expired', () => {
    const signer = createCommandSigner(identity);
    const verified = new EnvelopeVerifier(signer.trust).verify(signer.shell('true'), now + 2 * HOUR, 0);
    expect(verified).toMatchObject({
      kind: 'refused',
      refusal: { state: 'expired', code: 'command_expired' },
    });
  });

  it('blames the clock when only this machine’s clock makes it late', () => {
    const signer = createCommandSigner(identity);
    const verifier = new EnvelopeVerifier(signer.trust);
    const verified = verifier.verify(signer.shell('true'), now + 2 * HOUR, -2 * HOUR);
    expect(verified).toMatchObject({
      kind: 'refused',
      refusal: { state: 'refused', reason: 'clock_skew', code: 'clock_skew' },
    });
    expect(verified.kind === 'refused' && verified.refusal.message).toContain('7200 s ahead of');
  });

  it('refuses a signing key that has ended, lives too long, or belongs to another organization', () => {
    const iso = (ms: number) => new Date(ms).toISOString();
    const ended = createCommandSigner({
      ...identity,
      delegation: { not_before: iso(now - 3 * HOUR), not_after: iso(now - HOUR) },
    });
    expect(new EnvelopeVerifier(ended.trust).verify(ended.shell('true'), now, 0)).toMatchObject({
      kind: 'refused',
      refusal: { code: 'signature_invalid' },
    });
    for (const delegation of [
      { not_before: iso(now), not_after: iso(now + 24 * 8 * HOUR) },
      { org_id: 'org-01arz3ndektsv4rrffq69g5fbb' },
    ]) {
      const signer = createCommandSigner({ ...identity, delegation });
      expect(new EnvelopeVerifier(signer.trust).verify(signer.shell('true'), now, 0)).toMatchObject({
        kind: 'rejected',
        refusal: { code: 'signature_invalid' },
      });
    }
  });

  it('believes a command that waited longer than the key that had signed it, but none that lives too long', () => {
    const iso = (ms: number) => new Date(ms).toISOString();
    const signer = createCommandSigner({
      ...identity,
      delegation: { not_before: iso(now - HOUR), not_after: iso(now + 24 * HOUR) },
    });
    const verifier = new EnvelopeVerifier(signer.trust);
    const times = (life: number) => ({ issued_at: iso(now), expires_at: iso(now + life) });
    const later = now + 3 * 24 * HOUR;
    expect(verifier.verify(signer.shell('true', times(7 * 24 * HOUR)), later, 0).kind).toBe('ok');
    expect(verifier.verify(signer.shell('true', times(8 * 24 * HOUR)), later, 0)).toMatchObject({
      refusal: { code: 'signature_invalid' },
    });
  });

  it('verifies a changed delegation again, though it bears a known name', () => {
    const signer = createCommandSigner(identity);
    const verifier = new EnvelopeVerifier(signer.trust);
    const command = signer.shell('true');
    expect(verifier.verify(command, now, 0).kind).toBe('ok');
    const [signature] = command.delegation.signatures;
    const forged = {
      ...command.delegation,
      signatures: [{ kid: signature?.kid ?? '', sig: Buffer.alloc(64).toString('base64') }],
    };
    expect(verifier.verify({ ...command, delegation: forged }, now, 0).kind).toBe('rejected');
  });
});
