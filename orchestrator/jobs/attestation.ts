import { createHash } from 'node:crypto';
import { ed25519PublicKey, keyId, openEnvelope } from '../../base/dsse.ts';
import type { CommandResult, OutputSummary } from '../../protocol/command.ts';
import { PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import { type Attestation, attestationSchema } from '../../protocol/executor.ts';

/**
 * What the executor's signature says of a result. `none`: the agent has no executor, or the command never came to it.
 * `false`: a result that only the daemon vouches for, although there is an executor that should.
 */
export type Attested = 'none' | boolean;

/** What the daemon delivered is what the executor saw, as far as head and tail show it; some of it may be missing. */
function isOutput(seen: Attestation['stdout'], got: OutputSummary | undefined): boolean {
  if (got === undefined || got.size !== seen.size) return (got?.size ?? 0) <= seen.size;
  if (got.omitted > 0 || seen.sha256 === undefined) return true;
  const whole = Buffer.concat([Buffer.from(got.head, 'base64'), Buffer.from(got.tail, 'base64')]);
  return createHash('sha256').update(whole).digest('hex') === seen.sha256;
}

/** Checks that the executor whose key the agent registered saw this very end of this very command. Pure. */
export function checkAttestation(
  result: CommandResult,
  of: { commandId: string; agentId: string; executorKey: string | null },
): Attested {
  const { attestation } = result;
  const hasRun = result.exit_code !== undefined || result.signal !== undefined;
  if (of.executorKey === null || (!hasRun && attestation === undefined)) return 'none';
  if (attestation === undefined) return false;
  try {
    const key = ed25519PublicKey(of.executorKey);
    const kid = keyId(key.export({ type: 'spki', format: 'der' }));
    const bytes = openEnvelope(attestation, PAYLOAD_TYPE.attestation, new Map([[kid, key]]));
    if (bytes === undefined) return false;
    const seen = attestationSchema.parse(JSON.parse(bytes.toString('utf8')));
    return (
      seen.command_id === of.commandId &&
      seen.agent_id === of.agentId &&
      seen.exit_code === result.exit_code &&
      seen.signal === result.signal &&
      isOutput(seen.stdout, result.stdout) &&
      isOutput(seen.stderr, result.stderr)
    );
  } catch {
    return false;
  }
}
