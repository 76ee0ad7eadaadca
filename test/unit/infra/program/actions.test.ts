import { beforeEach, describe, expect, it, vi } from 'vitest';
import { runAction } from '../../../../infra/program/actions.ts';
import type { Action } from '../../../../infra/program/request.ts';
import { restOf } from '../../../../infra/program/rest.ts';
import { PROGRAM } from '../../../../infra/program/text.ts';
import {
  type FakeControlPlane,
  seenAgent,
  startFakeControlPlane,
} from '../../../fakes/fake-control-plane.ts';

let plane: FakeControlPlane;

beforeEach(async () => {
  plane = await startFakeControlPlane();
  return () => plane.close();
});

const run = (action: Action, request: object, env: Record<string, string> = {}, sleep = async () => {}) =>
  runAction(
    action,
    {
      VM_ORCHESTRATOR_URL: plane.url,
      VM_ORCHESTRATOR_API_TOKEN: plane.apiToken,
      VM_ORCHESTRATOR_CA: plane.caPem,
      VM_AGENT_REQUEST: JSON.stringify(request),
      ...env,
    },
    restOf,
    sleep,
  );

const LIMITS = { limits: { uses: 1, ttl_s: 900, labels: {}, description: 'd' } };
const web = { host: 'p.s.web', version: '1.2.3', deployment: '20261127T120000Z' };
const agentOf = (host: string, over = {}) =>
  seenAgent({
    labels: { 'vm-agent.host': host },
    reported_labels: { 'vm-agent.host': host, 'vm-agent.deployment': web.deployment },
    ...over,
  });

describe('a token', () => {
  it('is made once, kept over changes of the settings, and revoked', async () => {
    const made = await run('mint', LIMITS);
    expect(JSON.parse(made)).toMatchObject({
      id: plane.tokens[0]?.id,
      setup_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(plane.tokens[0]?.body).toEqual(LIMITS.limits);
    expect(await run('keep', LIMITS, { PULUMI_COMMAND_STDOUT: made })).toBe(made);
    await run('revoke', LIMITS, { PULUMI_COMMAND_STDOUT: made });
    expect(plane.tokens).toMatchObject([{ revoked: true }]);
  });

  it('that the orchestrator has forgotten counts as revoked', async () => {
    await expect(run('revoke', LIMITS, { PULUMI_COMMAND_STDOUT: '{"id":"unknown"}' })).resolves.toBe('');
  });

  it('that is not revoked, since the saved API token counts no more, keeps nobody from going on', async () => {
    const warned = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const made = await run('mint', LIMITS);
    const stale = { PULUMI_COMMAND_STDOUT: made, VM_ORCHESTRATOR_API_TOKEN: 'vmo_of-last-year' };
    await expect(run('revoke', LIMITS, stale)).resolves.toBe('');
    expect(warned.mock.calls.join()).toMatch(/warning: the provisioning token t0+ was not revoked.*expires/);
    expect(warned.mock.calls.join()).not.toContain('last-year');
    warned.mockRestore();
    expect(plane.tokens).toMatchObject([{ revoked: false }]);
    plane.down = true;
    await expect(run('revoke', LIMITS, stale)).rejects.toThrow('cannot be reached');
  });

  it('is not made when the orchestrator could not be asked before', async () => {
    await expect(run('mint', { ...LIMITS, fail: 'it is down' })).rejects.toThrow('it is down');
    await expect(run('keep', { ...LIMITS, fail: 'it is down' })).rejects.toThrow('it is down');
    expect(plane.tokens).toEqual([]);
  });

  it('is refused without a trace of the API token', async () => {
    const error = await run('mint', LIMITS, { VM_ORCHESTRATOR_API_TOKEN: 'vmo_wrong-secret' }).catch(
      (e) => e,
    );
    expect(error.message).toMatch(/refused POST \/provisioning-tokens \(401 unauthorized\).*Check apiToken/);
    expect(error.message).not.toContain('wrong-secret');
  });
});

describe('an agent', () => {
  it('is waited for until it is online in this version and of this installation', async () => {
    const agent = agentOf(web.host, { online: false });
    plane.agents = [agent];
    const steps = [
      () => Object.assign(agent, { online: true, version: '1.0.0' }),
      () => Object.assign(agent, { version: '1.2.3' }),
    ];
    const told = await run('await', { ...web, timeout_s: 60 }, {}, async () => void steps.shift()?.());
    expect(JSON.parse(told)).toMatchObject({ agent_id: agent.agent_id, version: '1.2.3' });
    expect(steps).toEqual([]);
  });

  it('that does not come is named with what is wrong', async () => {
    plane.agents = [agentOf(web.host, { online: false })];
    await expect(run('await', { ...web, timeout_s: 0 })).rejects.toThrow(
      /p\.s\.web: its agent .* is offline, after 0 s/,
    );
    plane.agents = [];
    await expect(run('await', { ...web, timeout_s: 0 })).rejects.toThrow(/did not report/);
  });

  it('ends those that were the same host before', async () => {
    plane.agents = [agentOf(web.host, { online: false }), agentOf(web.host), agentOf('p.s.other')];
    await run('await', { ...web, timeout_s: 0 });
    expect(plane.agents.map(({ state }) => state)).toEqual(['revoked', 'active', 'active']);
  });

  it('is revoked with its host, page by page, and no other is', async () => {
    plane.agents = [1, 2, 3, 4, 5].map(() => agentOf(web.host));
    plane.agents.push(agentOf('p.s.web2'));
    await run('end', { ...web, timeout_s: 0 });
    expect(plane.agents.map(({ state }) => state)).toEqual([...Array(5).fill('revoked'), 'active']);
  });
});

describe('an agent whose host is removed', () => {
  const end = (env = {}) => run('end', { ...web, timeout_s: 0 }, env);

  it('is left alone when a token has made it another host since, whatever it says of itself', async () => {
    plane.agents = [
      agentOf('p.s.new'),
      agentOf(web.host, { labels: { 'vm-agent.host': 'p.s.new' } }),
      agentOf(web.host, { labels: { role: 'enrolled by itself' } }),
      agentOf('p.s.new', { labels: { 'vm-agent.host': web.host } }),
    ];
    await end();
    expect(plane.agents.map(({ state }) => state)).toEqual(['active', 'active', 'revoked', 'revoked']);
  });

  it('is not forgotten when the saved API token counts no more: it says what to do', async () => {
    plane.agents = [agentOf(web.host)];
    await expect(end({ VM_ORCHESTRATOR_API_TOKEN: 'vmo_of-last-year' })).rejects.toThrow(
      /p\.s\.web: its agent was not revoked.*saved with an older API token: declare the host again, run pulumi up, then remove it/,
    );
    expect(plane.agents[0]?.state).toBe('active');
  });
});

describe('the gate between waves', () => {
  const request = (over: object) => ({
    wave: 1,
    hosts: [
      { ...web, name: 'web' },
      { ...web, name: 'db', host: 'p.s.db' },
    ],
    failed: [],
    max_failures: 0,
    timeout_s: 0,
    ...over,
  });

  it('opens when all are well', async () => {
    plane.agents = [agentOf('p.s.web'), agentOf('p.s.db'), agentOf('p.s.else', { online: false })];
    expect(JSON.parse(await run('gate', request({})))).toEqual({ well: 2, failed: [] });
  });

  it('stays closed and names who is not', async () => {
    plane.agents = [agentOf('p.s.web', { version: '0.9.0' })];
    await expect(run('gate', request({ failed: ['db'] }))).rejects.toThrow(
      /Wave 1 is not well: web \(its agent .* runs version 0\.9\.0, not 1\.2\.3\), db \(its installation failed\)/,
    );
  });

  it('opens when no more failed than may', async () => {
    plane.agents = [agentOf('p.s.web')];
    const told = JSON.parse(await run('gate', request({ failed: ['db'], max_failures: 1 })));
    expect(told).toEqual({ well: 1, failed: ['db (its installation failed)'] });
  });
});

describe('frozen user-data', () => {
  it('is what it was, whatever comes later', async () => {
    expect(await run('freeze', {}, { VM_AGENT_USER_DATA: 'first' })).toBe('first');
    expect(await run('freeze', {}, { VM_AGENT_USER_DATA: 'next', PULUMI_COMMAND_STDOUT: 'first' })).toBe(
      'first',
    );
  });
});

describe('the program', () => {
  it('names no module and no path, so that it is the same wherever pulumi runs', () => {
    expect(PROGRAM).not.toMatch(/\bimport\b|\brequire\b|file:|\.ts\b/);
  });

  it('says that the orchestrator is down, and where', async () => {
    plane.down = true;
    await expect(run('end', web)).rejects.toThrow(`The orchestrator ${plane.url} cannot be reached`);
  });
});
