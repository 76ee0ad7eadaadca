import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { systemClock } from '../../base/clock.ts';
import { keyId, type SigningKey, signEnvelope } from '../../base/dsse.ts';
import { newId } from '../../base/random.ts';
import type { CommandPayload } from '../../protocol/command.ts';
import { type Envelope, type KeyDelegation, PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import { SHELL_TOOL } from '../../protocol/tool-manifest.ts';
import type { CommandKeysFile } from '../../protocol/trust-files.ts';

export interface SignedCommand {
  payload: CommandPayload;
  envelope: Envelope;
  delegation: Envelope;
}

type Wish = Omit<Partial<CommandPayload>, 'limits'> & { limits?: Partial<CommandPayload['limits']> };

/** Signs commands as an orchestrator's replica does: with a key that the organization's command root vouches for. */
export interface CommandSigner {
  /** What the agent must have in trust/command_keys.json. */
  trust: CommandKeysFile;
  /** The organization's command root itself. */
  root: SigningKey;
  /** A shell command; `wish` replaces what it says. `seq` counts up by itself. */
  shell(command: string, wish?: Wish): SignedCommand;
  sign(payload: CommandPayload): SignedCommand;
  /** Input for the terminal that a command is. */
  input(
    commandId: string,
    body: Record<string, unknown> & { type: 'input' | 'resize' | 'signal'; n: number },
  ): Omit<SignedCommand, 'payload'>;
}

function newKey(): SigningKey & { spki: Buffer; publicKey: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return { kid: keyId(spki), privateKey, publicKey, spki };
}

export function createCommandSigner(options: {
  orgId: string;
  agentId: string;
  trustDomain: string;
  delegation?: Partial<KeyDelegation>;
}): CommandSigner {
  const { orgId, agentId, trustDomain } = options;
  const root = newKey();
  const replica = newKey();
  const now = systemClock.now();
  const iso = (ms: number) => new Date(ms).toISOString();
  const delegation = signEnvelope(
    PAYLOAD_TYPE.delegation,
    {
      kid: replica.kid,
      key: replica.spki.toString('base64'),
      org_id: orgId,
      not_before: iso(now - 60_000),
      not_after: iso(now + 24 * 3600_000),
      version: 1,
      ...options.delegation,
    },
    root,
  );
  let seq = 0;
  const sign = (payload: CommandPayload): SignedCommand => ({
    payload,
    envelope: signEnvelope(PAYLOAD_TYPE.command, payload, replica),
    delegation,
  });
  return {
    trust: {
      organization_id: orgId,
      agent_id: agentId,
      trust_domain: trustDomain,
      keys: [{ kid: root.kid, key: root.spki.toString('base64') }],
    },
    root,
    sign,
    input: (commandId, body) => ({
      envelope: signEnvelope(
        PAYLOAD_TYPE.input,
        {
          org_id: orgId,
          agent_id: agentId,
          command_id: commandId,
          issued_at: iso(systemClock.now()),
          ...body,
        },
        replica,
      ),
      delegation,
    }),
    shell(command, wish = {}) {
      seq += 1;
      const job = newId('job', systemClock);
      const payload = {
        org_id: orgId,
        agent_id: agentId,
        command_id: newId('cmd', systemClock),
        job_id: job,
        epoch: 1,
        seq,
        tool: SHELL_TOOL,
        arguments: { command },
        run_as: null,
        lane: job,
        issued_at: iso(systemClock.now()),
        expires_at: iso(systemClock.now() + 3600_000),
        actor: { type: 'user', id: 'usr-1', name: 'tester' },
        approvals: [],
        critical: [],
        ...wish,
        limits: { timeout_s: 60, output_bytes: 1024 ** 3, ...wish.limits },
      };
      return sign(payload as CommandPayload);
    },
  };
}
