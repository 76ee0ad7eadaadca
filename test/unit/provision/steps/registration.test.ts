import { mkdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { readCommandKeys, readSecurityFile } from '../../../../agent/identity/credentials.ts';
import { csrMatchesKey } from '../../../../agent/identity/csr.ts';
import { diskLayout } from '../../../../protocol/disk-layout.ts';
import { AppError } from '../../../../protocol/errors.ts';
import {
  type RegisterRequest,
  type RegisterResponse,
  registerResponseSchema,
} from '../../../../protocol/rest-registration.ts';
import { apiKey, keyAndCsr, vmId } from '../../../../provision/steps/identity.ts';
import { registration } from '../../../../provision/steps/registration.ts';
import { fakeHost } from '../../../fakes/fake-host.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';

const TIME = '2026-11-23T00:00:00.000Z';

const answerTo = (request: RegisterRequest): RegisterResponse =>
  registerResponseSchema.parse({
    agent_id: 'agt-01arz3ndektsv4rrffq69g5fav',
    vm_id: request.vm_id,
    organization_id: 'org-01arz3ndektsv4rrffq69g5fav',
    certificate: 'PEM',
    ca_certificate: 'PEM',
    ca_certificates: ['PEM'],
    bundle_version: 1,
    trust_domain: 'test.internal',
    websocket_url: 'wss://o/ws',
    heartbeat_interval: 30,
    command_key: 'AAAA',
    command_key_id: 'k',
    expires_at: TIME,
    renew_after: TIME,
    server_time: TIME,
    state: 'active',
  });

/** Identity made, and a registration step before an orchestrator that says `vm_id_taken` so many times. */
async function prepared(home: TempHome, taken: number) {
  const layout = diskLayout(home.path);
  await mkdir(layout.security);
  await mkdir(layout.trust);
  const requests: RegisterRequest[] = [];
  const ctx = {
    layout,
    owners: async () => ({ root: undefined, service: undefined }),
    host: fakeHost({ hostname: 'web-1' }),
    token: { text: 'prov_secret', id: 'a' },
    labels: { rack: 'b12' },
    privilegedExecutor: true,
    server: new URL('https://o'),
    orchestrator: {
      register: async (request: RegisterRequest) => {
        requests.push(request);
        if (requests.length <= taken) throw new AppError('vm_id_taken');
        return answerTo(request);
      },
    } as Parameters<typeof registration>[0]['orchestrator'],
  };
  for (const step of [vmId(ctx), apiKey(ctx), keyAndCsr(ctx)]) await step.apply();
  return { layout, requests, step: registration(ctx) };
}

describe('the registration', () => {
  it('draws another vm_id when somebody has it, three times, and keeps its key', async () => {
    await using home = await createTempHome();
    const { layout, requests, step } = await prepared(home, 3);
    await step.apply();
    const names = requests.map(({ vm_id }) => vm_id);
    expect(new Set(names).size).toBe(4);
    expect(await readSecurityFile(layout, 'vmId')).toBe(names[3]);
    const key = (await readSecurityFile(layout, 'key')) ?? '';
    for (const { csr_base64: csr = '' } of requests)
      expect(await csrMatchesKey(Buffer.from(csr, 'base64').toString(), key)).toBe(true);
    expect(await step.isDone()).toBe(true);
  });

  it('gives up when the fourth is taken as well', async () => {
    await using home = await createTempHome();
    const { requests, step } = await prepared(home, 4);
    await expect(step.apply()).rejects.toThrow(expect.objectContaining({ code: 'vm_id_taken' }));
    expect(requests).toHaveLength(4);
    expect(await step.isDone()).toBe(false);
  });

  it('sends the hash of the API key and never the key', async () => {
    await using home = await createTempHome();
    const { layout, requests, step } = await prepared(home, 0);
    await step.apply();
    expect(requests[0]).toMatchObject({ labels: { rack: 'b12' }, hostname: 'web-1' });
    const own = (await readSecurityFile(layout, 'apiKey')) ?? '?';
    expect(JSON.stringify(requests)).not.toContain(own);
    expect((await readCommandKeys(layout))?.keys).toEqual([{ kid: 'k', key: 'AAAA' }]);
  });

  it('does not ask again when the answer is on the disk', async () => {
    await using home = await createTempHome();
    const { requests, step } = await prepared(home, 0);
    await step.apply();
    await step.apply();
    expect(requests).toHaveLength(1);
  });
});
