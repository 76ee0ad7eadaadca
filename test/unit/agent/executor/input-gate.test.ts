import { describe, expect, it } from 'vitest';
import { InputGate } from '../../../../agent/executor/input-gate.ts';
import { EnvelopeVerifier } from '../../../../agent/policy/verify-envelope.ts';
import { systemClock } from '../../../../base/clock.ts';
import { newId } from '../../../../base/random.ts';
import { createCommandSigner } from '../../../fakes/command-signer.ts';

const orgId = newId('org', systemClock);
const agentId = newId('agt', systemClock);
const commandId = newId('cmd', systemClock);
const signer = createCommandSigner({ orgId, agentId, trustDomain: 'test' });

function gate(options: { trust?: typeof signer.trust; id?: string } = {}): InputGate {
  const verifier = new EnvelopeVerifier(options.trust ?? signer.trust);
  return new InputGate((signed) => verifier.verifyInput(signed, options.id ?? commandId, systemClock.now()));
}
const typed = (n: number, offset: number, text: string, over: object = {}) =>
  signer.input(commandId, {
    type: 'input',
    n,
    stream: 'stdin',
    offset,
    data: Buffer.from(text).toString('base64'),
    ...over,
  });

describe('the gate before a terminal', () => {
  it('lets input, sizes and signals through, each once and in their order', () => {
    const at = gate();
    expect(at.admit(typed(1, 0, 'ls\n'))).toMatchObject({ kind: 'ok', bytes: Buffer.from('ls\n') });
    const size = signer.input(commandId, { type: 'resize', n: 2, rows: 24, cols: 80 });
    expect(at.admit(size)).toMatchObject({ kind: 'ok', input: { rows: 24, cols: 80 } });
    expect(at.admit(size)).toEqual({ kind: 'again' });
    expect(at.admit(typed(1, 0, 'ls\n'))).toEqual({ kind: 'again' });
    expect(at.admit(typed(3, 3, 'x'))).toMatchObject({ kind: 'ok' });
  });

  it('refuses what leaves something out', () => {
    const at = gate();
    expect(at.admit(typed(2, 0, 'x'))).toMatchObject({ kind: 'refused', code: 'command_replayed' });
    expect(at.admit(typed(1, 1, 'x'))).toMatchObject({ kind: 'refused', code: 'command_replayed' });
    expect(at.admit(typed(1, 0, 'x'))).toMatchObject({ kind: 'ok' });
  });

  it('refuses what nobody signed whom this machine trusts', () => {
    const stranger = createCommandSigner({ orgId, agentId, trustDomain: 'test' });
    expect(gate({ trust: stranger.trust }).admit(typed(1, 0, 'x'))).toMatchObject({
      kind: 'refused',
      code: 'signature_invalid',
    });
    const good = typed(1, 0, 'x');
    const changed = { ...good.envelope, payload: Buffer.from('{}').toString('base64') };
    expect(gate().admit({ ...good, envelope: changed })).toMatchObject({ code: 'signature_invalid' });
  });

  it('refuses what was signed as a command, or for another terminal or machine', () => {
    const command = signer.shell('true');
    expect(gate().admit(command)).toMatchObject({ kind: 'refused', code: 'signature_invalid' });
    expect(gate({ id: newId('cmd', systemClock) }).admit(typed(1, 0, 'x'))).toMatchObject({
      code: 'wrong_agent',
    });
    expect(gate().admit(typed(1, 0, 'x', { agent_id: newId('agt', systemClock) }))).toMatchObject({
      code: 'wrong_agent',
    });
  });

  it('refuses what was signed when its key was not good', () => {
    const at = new Date(systemClock.now() - 30 * 86_400_000).toISOString();
    expect(gate().admit(typed(1, 0, 'x', { issued_at: at }))).toMatchObject({ code: 'signature_invalid' });
  });
});
