import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { keyId, signEnvelope } from '../../../../base/dsse.ts';
import { checkAttestation } from '../../../../orchestrator/jobs/attestation.ts';
import type { CommandResult } from '../../../../protocol/command.ts';
import { PAYLOAD_TYPE } from '../../../../protocol/dsse.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const spki = publicKey.export({ type: 'spki', format: 'der' });
const of = { commandId: 'cmd-1', agentId: 'agt-1', executorKey: spki.toString('base64') };
const seen = {
  agent_id: 'agt-1',
  command_id: 'cmd-1',
  end: 'exited',
  exit_code: 0,
  stdout: { size: 3 },
  stderr: { size: 0 },
  audit_head: { seq: 1, hash: '0'.repeat(64) },
};
const result = (over: object = {}, signed: object = seen, key = privateKey): CommandResult => ({
  state: 'succeeded',
  reason: 'exit',
  exit_code: 0,
  ended_at: '2026-11-25T00:00:00.000Z',
  attestation: signEnvelope(PAYLOAD_TYPE.attestation, signed, { kid: keyId(spki), privateKey: key }),
  ...over,
});

describe('the executor’s signature on a result', () => {
  it('is good for just that end of just that command', () => {
    expect(checkAttestation(result(), of)).toBe(true);
    expect(checkAttestation(result({ exit_code: 1 }), of)).toBe(false);
    expect(checkAttestation(result(), { ...of, commandId: 'cmd-2' })).toBe(false);
    expect(checkAttestation(result(), { ...of, agentId: 'agt-2' })).toBe(false);
    expect(checkAttestation(result({ stdout: { size: 4, head: '', tail: '', omitted: 4 } }), of)).toBe(false);
  });

  it('covers the output, where all of it is there to be seen', () => {
    const sha256 = createHash('sha256').update('hi\n').digest('hex');
    const signed = { ...seen, stdout: { size: 3, sha256 } };
    const stdout = (text: string) => ({
      size: 3,
      head: Buffer.from(text).toString('base64'),
      tail: '',
      omitted: 0,
    });
    expect(checkAttestation(result({ stdout: stdout('hi\n') }, signed), of)).toBe(true);
    expect(checkAttestation(result({ stdout: stdout('ho\n') }, signed), of)).toBe(false);
  });

  it('is missed where there is an executor, and by another key does not count', () => {
    expect(checkAttestation(result({ attestation: undefined }), of)).toBe(false);
    const other = generateKeyPairSync('ed25519').privateKey;
    expect(checkAttestation(result({}, seen, other), of)).toBe(false);
  });

  it('is not asked for where nothing ran, or there is no executor', () => {
    expect(checkAttestation(result({ attestation: undefined }), { ...of, executorKey: null })).toBe('none');
    const refused = { state: 'refused', exit_code: undefined, attestation: undefined };
    expect(checkAttestation(result(refused), of)).toBe('none');
  });
});
