import { describe, expect, it } from 'vitest';
import { type Credentials, readCredentials } from '../../../../agent/identity/credentials.ts';
import type { Way } from '../../../../cli/checks/way.ts';
import { proxyOf, WAY_CHECKS } from '../../../../cli/checks/way-checks.ts';
import { diskLayout } from '../../../../protocol/disk-layout.ts';
import { AppError } from '../../../../protocol/errors.ts';
import { type AgentHome, createAgentHome } from '../../../fakes/agent-home.ts';
import { fakeWay, findingsOf } from '../../../fakes/fake-bench.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { createTestCa } from '../../../fakes/test-ca.ts';

const failure = (code: string) => Object.assign(new Error(code), { code });

/** The way of an enrolled machine, on which all is well. */
async function enrolled(home: AgentHome, over: Partial<Way> = {}): Promise<Way> {
  await home.setUrl('wss://fleet.test:8443/');
  const own: Credentials = await readCredentials(diskLayout(home.path));
  const clock = createFakeClock(Date.now());
  return fakeWay({
    clock,
    own: async () => own,
    trusted: async () => ({ pins: [home.ca.rootPin], roots: [home.ca.rootPem] }),
    offer: async () => ({ status: 200, pem: home.ca.rootPem, date: new Date(clock.now()).toUTCString() }),
    ownStatus: async () => ({
      agent_id: own.agentId,
      vm_id: own.vmId,
      online: true,
      last_heartbeat_at: null,
      certificate_expires_at: new Date(0).toISOString(),
      server_time: new Date(0).toISOString(),
    }),
    ...over,
  });
}

async function look(over: Partial<Way> = {}) {
  await using home = await createAgentHome();
  const found = await findingsOf(WAY_CHECKS, await enrolled(home, over));
  return { found, failed: found.filter(({ result }) => result === 'fail').map(({ id }) => id) };
}

describe('the way to the orchestrator', () => {
  it('is free where all is well', async () => {
    const { found } = await look();
    expect(found.map(({ id, result }) => `${id} ${result}`)).toEqual([
      'dns ok',
      'tcp ok',
      'ca ok',
      'clock ok',
      'tls ok',
      'orchestrator ok',
      'registration ok',
      'websocket ok',
    ]);
  });

  it('[poll-1] warns where WebSockets are blocked and polls pass, and fails where neither does', async () => {
    const upgrade = async () => 'the upgrade was answered with HTTP status 403, not by the orchestrator';
    const { found, failed } = await look({ upgrade });
    expect(failed).toEqual([]);
    expect(found.at(-1)).toMatchObject({
      id: 'websocket',
      result: 'warn',
      detail: expect.stringContaining('status 403, not by the orchestrator. Polls pass'),
    });
    const neither = await look({ upgrade, poll: () => Promise.reject(failure('ECONNRESET')) });
    expect(neither.failed).toEqual(['websocket']);
  });

  it.each<[string, string, Partial<Way>]>([
    ['a name that is not known', 'dns', { lookup: () => Promise.reject(failure('ENOTFOUND')) }],
    ['nothing that listens', 'tcp', { openTcp: () => Promise.reject(failure('ECONNREFUSED')) }],
    ['a route into nothing', 'tcp', { openTcp: () => Promise.reject(failure('EINVAL')) }],
    [
      'an answer without a certificate',
      'ca',
      { offer: async () => ({ status: 502, pem: '', date: undefined }) },
    ],
    ['a handshake that is cut', 'tls', { handshake: () => Promise.reject(failure('ECONNRESET')) }],
    [
      'something else that answers',
      'orchestrator',
      { ask: async () => ({ status: 200, date: undefined, body: Buffer.from('') }) },
    ],
    [
      'a revoked certificate',
      'registration',
      { ownStatus: () => Promise.reject(new AppError('certificate_revoked')) },
    ],
    [
      'an upgrade that a proxy refuses',
      'websocket',
      { upgrade: () => Promise.reject(new AppError('forbidden')) },
    ],
  ])('names one cause: %s', async (_what, id, over) => {
    const { found, failed } = await look(over);
    expect(failed).toEqual([id]);
    expect(found.find((finding) => finding.id === id)?.hint).toBeTypeOf('string');
  });

  it('tells another CA from a wrong clock', async () => {
    const other = await createTestCa({ orgId: 'org-x' });
    const date = new Date().toUTCString();
    const changed = await look({ offer: async () => ({ status: 200, pem: other.rootPem, date }) });
    expect(changed.failed).toEqual(['ca']);
    await using home = await createAgentHome();
    const way = await enrolled(home);
    const early = {
      ...way,
      offer: async () => ({ status: 200, pem: home.ca.rootPem, date: 'Thu, 01 Jan 2026 00:00:00 GMT' }),
    };
    const found = await findingsOf(WAY_CHECKS, early);
    expect(found.filter(({ result }) => result === 'fail').map(({ id }) => id)).toEqual(['clock']);
  });

  it('is not judged where nothing says whom to trust', async () => {
    const found = await findingsOf(WAY_CHECKS, fakeWay());
    expect(found.find(({ id }) => id === 'tls')).toMatchObject({ result: 'skipped', waits_for: 'ca' });
    expect(found.some(({ result }) => result === 'fail')).toBe(false);
  });
});

describe('the proxy', () => {
  it('is shown without its password', () => {
    expect(proxyOf({ https_proxy: 'http://ana:secret@proxy:3128' })).toBe('http://…@proxy:3128');
    expect(proxyOf({})).toBeUndefined();
  });
});
