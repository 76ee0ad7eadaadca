import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { ed25519PublicKey, openEnvelope } from '../../../../base/dsse.ts';
import { createCommandKeys, createCommandRoot } from '../../../../orchestrator/ca/command-keys.ts';
import { createSealer } from '../../../../orchestrator/store/sealed.ts';
import { openStore } from '../../../../orchestrator/store/store.ts';
import { type CommandPayload, commandPayloadSchema } from '../../../../protocol/command.ts';
import { type Envelope, keyDelegationSchema, PAYLOAD_TYPE } from '../../../../protocol/dsse.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { insertOrganization } from '../../../fakes/store-rows.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const DAY = 86_400_000;
const ORG = `org-${'0'.repeat(26)}`;
const payload: CommandPayload = commandPayloadSchema.parse({
  org_id: ORG,
  agent_id: `agt-${'0'.repeat(26)}`,
  command_id: `cmd-${'0'.repeat(26)}`,
  job_id: `job-${'0'.repeat(26)}`,
  epoch: 1,
  seq: 1,
  tool: 'execute_shell_command',
  arguments: { command: 'true' },
  run_as: null,
  lane: 'x',
  limits: { timeout_s: 1, output_bytes: 1 },
  issued_at: '2026-01-01T00:00:00.000Z',
  expires_at: '2026-01-02T00:00:00.000Z',
  actor: { type: 'user', id: 'usr-1', name: 'alice' },
});

async function startKeys() {
  const home = await createTempHome();
  const store = await openStore(home.join('store.db'));
  const sealer = createSealer(randomBytes(32));
  const clock = createFakeClock();
  await insertOrganization(store.db, ORG, 'one');
  await store.transaction((tx) => createCommandRoot(tx, { organizationId: ORG, sealer, now: clock.now() }));
  return {
    clock,
    make: () => createCommandKeys({ store, sealer, clock }),
    async [Symbol.asyncDispose]() {
      await store.close();
      await home.remove();
    },
  };
}

/** As an agent reads it, which keeps the organization's root alone. */
function delegationOf(root: { kid: string; publicKey: string }, delegation: Envelope) {
  const roots = new Map([[root.kid, ed25519PublicKey(root.publicKey)]]);
  const bytes = openEnvelope(delegation, PAYLOAD_TYPE.delegation, roots);
  return bytes && keyDelegationSchema.parse(JSON.parse(bytes.toString()));
}

it('signs a command so that who knows the root alone can trust it', async () => {
  await using rig = await startKeys();
  const keys = rig.make();
  const signed = (await keys.prepareSigner(ORG)).sign(payload);
  const delegated = delegationOf(await keys.root(ORG), signed.delegation);
  if (!delegated) throw new Error('the delegation is not by the root');
  expect(delegated.org_id).toBe(ORG);
  expect(Date.parse(delegated.not_after) - Date.parse(delegated.not_before)).toBeLessThanOrEqual(7 * DAY);
  const bytes = openEnvelope(
    signed.envelope,
    PAYLOAD_TYPE.command,
    new Map([[delegated.kid, ed25519PublicKey(delegated.key)]]),
  );
  expect(JSON.parse(bytes?.toString() ?? '')).toEqual(payload);
});

it('keeps its delegated key over restarts and replaces it at half of its life', async () => {
  await using rig = await startKeys();
  const kidOf = async (keys = rig.make()) =>
    (await keys.prepareSigner(ORG)).sign(payload).envelope.signatures[0]?.kid;
  const first = rig.make();
  const kid = await kidOf(first);
  expect(await kidOf()).toBe(kid);
  await rig.clock.advance(3 * DAY);
  expect(await kidOf(first)).toBe(kid);
  await rig.clock.advance(DAY);
  const next = await kidOf(first);
  expect(next).not.toBe(kid);
  expect(await kidOf()).toBe(next);
});
