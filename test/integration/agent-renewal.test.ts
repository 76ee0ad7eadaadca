import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createAgentHome } from '../fakes/agent-home.ts';
import { startAgent } from '../fakes/agent-process.ts';
import { serveHome } from '../fakes/agent-rig.ts';
import { answerRenewal } from '../fakes/renewal-answer.ts';

describe('renewal of the certificate', () => {
  it('gets a new one past half of its life, moves the session over, and closes the old connection', async () => {
    await using home = await createAgentHome();
    const minute = 60_000;
    const past = {
      notBefore: new Date(Date.now() - 40 * minute),
      notAfter: new Date(Date.now() + 10 * minute),
    };
    const old = await home.ca.agent(home.agentId, past);
    await writeFile(`${home.path}/security/vm_agent.key`, old.key);
    await writeFile(`${home.path}/security/vm_agent.crt`, old.certificate);
    const paths: string[] = [];
    const answer = async (request: IncomingMessage, response: ServerResponse) => {
      paths.push(`${request.method} ${request.url}`);
      let text = '';
      for await (const piece of request) text += piece;
      const csr = Buffer.from(JSON.parse(text).csr_base64, 'base64').toString();
      const { certificate } = await home.ca.agent(home.agentId, { publicKeyOfCsr: csr });
      answerRenewal(response, home, certificate);
    };
    await using server = await serveHome(home, {
      onRequest: (request, response) => void answer(request, response),
    });
    await using agent = startAgent({ home: home.path });
    const second = await server.connected(2);
    expect(second.session_id).toBeDefined();
    expect(paths).toEqual([`POST /api/v1/agents/${home.vmId}/renew`]);
    await server.until(() => server.closes.length === 1);
    expect((await server.run(home.signer.shell('true'))).state).toBe('succeeded');
    expect(await readFile(`${home.path}/security/vm_agent.crt`, 'utf8')).not.toBe(old.certificate);
    expect(agent.pid).toBeGreaterThan(0);
  });
});
