import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AGENT_SNI } from '../../protocol/version.ts';
import { enrollAgent, ORG, submitJob } from './support/fleet.ts';
import { runOrchestratorCli, startOrchestrator } from './support/orchestrator.ts';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'start-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

describe('the server’s process', () => {
  it('serves a folder once, and again as soon as its server was killed', async () => {
    const data = join(scratch, 'held');
    const first = await startOrchestrator({ dataDir: data });
    const second = await runOrchestratorCli(['serve', '--data', data, '--listen', '127.0.0.1:0']);
    expect([second.code, second.stdout]).toEqual([1, '']);
    expect(second.stderr).toMatch(/Another vm-orchestrator \(pid \d+\) serves .*held\.\n {2}Stop it first/);
    expect((await first.call({ path: '/api/v1/session' })).status).toBe(200);
    await first.kill();
    const { credentials } = first;
    const third = await startOrchestrator({ dataDir: data, credentials });
    expect(await third.stop()).toBe(0);
  });

  it('stops in order, whoever is connected', async () => {
    const server = await startOrchestrator({ dataDir: join(scratch, 'busy') });
    const agent = (await enrollAgent(server)).fake(server);
    await agent.connect();
    const job = await submitJob(server);
    const { hostname, port } = new URL(server.url);
    const halfOpen = connectTcp({ host: hostname, port: Number(port) });
    const stream = httpsRequest(new URL(`${ORG}/jobs/${job.id}/events`, server.url), {
      ca: server.ca,
      servername: AGENT_SNI,
      agent: false,
      headers: { authorization: `Bearer ${server.credentials.api_token}` },
    });
    stream.end();
    const [events] = await once(stream, 'response');
    const followed = text(events);
    halfOpen.on('error', () => undefined).resume();
    const beside = runOrchestratorCli(['bootstrap', '--data', server.dataDir]);
    expect(await server.stop()).toBe(0);
    expect(await followed).toContain('event: state');
    expect((await beside).stderr).toContain('already printed');
  });

  it.each([
    ['a folder where none can be made', ['--data', '/proc/x'], '(ENOENT)'],
    ['a file', ['--data', '/etc/passwd'], '(EEXIST)'],
    ['a path through a file', ['--data', '/etc/passwd/x'], '(ENOTDIR)'],
    ['an address of another machine', ['--listen', '192.0.2.1:8443'], '(EADDRNOTAVAIL)'],
  ])('says in two lines why it cannot start: %s', async (_, flags, reason) => {
    const data = ['--data', join(scratch, 'unstarted')];
    const { code, stderr } = await runOrchestratorCli(['serve', ...data, '--log-level', 'error', ...flags]);
    expect(code).toBe(1);
    expect(stderr).toContain(reason);
    expect(stderr.trimEnd().split('\n')).toHaveLength(2);
  });

  it('says who has its port', async () => {
    const orchestrator = await startOrchestrator();
    const { host, port } = new URL(orchestrator.url);
    const data = ['--data', join(scratch, 'unstarted')];
    const { code, stderr } = await runOrchestratorCli(['serve', ...data, '--listen', host]);
    expect(code).toBe(1);
    expect(stderr).toContain('the port is in use by another program (EADDRINUSE)');
    expect(stderr).toContain(`sport = :${port}`);
    await orchestrator.stop();
  });
});
