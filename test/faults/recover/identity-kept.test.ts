import { createHash } from 'node:crypto';
import { readdir, readFile, rename } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { tlsServerOptions } from '../../../base/tls-server.ts';
import { ERRORS, type ErrorCode } from '../../../protocol/errors.ts';
import { CLOSE, SUBPROTOCOL } from '../../../protocol/version.ts';
import { createAgentHome } from '../../fakes/agent-home.ts';
import { startAgent } from '../../fakes/agent-process.ts';
import { freePort } from '../../fakes/free-port.ts';
import { startMachine } from '../../integration/support/machine.ts';
import { startOrchestrator } from '../../integration/support/orchestrator.ts';
import { isFull } from '../support/size.ts';
import { agentOf, until } from '../support/sleepers.ts';

/** Every file of these folders, by name and hash. */
async function fingerprint(home: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const folder of ['security', 'trust', 'config'])
    for (const name of await readdir(join(home, folder)))
      found[`${folder}/${name}`] = createHash('sha256')
        .update(await readFile(join(home, folder, name)))
        .digest('hex');
  return found;
}

/** What an agent may hear instead of a welcome. */
const STATUSES: readonly (number | ErrorCode)[] = [
  400,
  401,
  403,
  404,
  405,
  409,
  410,
  418,
  429,
  500,
  503,
  'client_certificate_required',
  'certificate_expired',
  'certificate_revoked',
  'wrong_agent',
  'not_found',
  'unauthenticated',
  'recovery_refused',
  'locked',
  'unsupported',
  'conflict',
];

it('[return-1] an agent that is told no in every way there is keeps its identity and comes again', async () => {
  await using home = await createAgentHome();
  const certificate = await home.ca.orchestrator();
  const answers: (number | ErrorCode)[] = [...STATUSES];
  const codes: number[] = [...Object.values(CLOSE), 1008, 1011, 1002];
  let heard = 0;
  const problemOf = (answer: number | ErrorCode) => {
    const status = typeof answer === 'number' ? answer : ERRORS[answer].status;
    const code = typeof answer === 'number' ? 'bad_request' : answer;
    return { status, body: JSON.stringify({ type: 'about:blank', title: 'no', status, code, detail: 'no' }) };
  };
  const credentials = { cert: certificate.certificate, key: certificate.key, ca: [home.ca.rootPem] };
  const server = createServer(
    tlsServerOptions(credentials, { demand: 'per-request' }),
    (request, response) => {
      // What goes over to polls is told no there; renewal and the way back are as well.
      const polls = request.url?.endsWith('/poll') === true;
      if (polls) heard += 1;
      const { status, body } = problemOf((polls ? answers.shift() : undefined) ?? 'recovery_refused');
      const headers = { 'content-type': 'application/problem+json', 'retry-after': '0' };
      response.writeHead(status, headers).end(body);
    },
  );
  const webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });
  server.on('upgrade', (request, socket, head) => {
    heard += 1;
    const answer = answers.shift();
    if (answer !== undefined) {
      const { status, body } = problemOf(answer);
      socket.end(
        `HTTP/1.1 ${status} No\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => undefined);
      webSocket.once('message', () => {
        webSocket.send(JSON.stringify({ type: 'goaway', reason: 'no', retry_after: 0 }));
        webSocket.close(codes.shift() ?? CLOSE.certificateRevoked, 'no');
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await home.setUrl(`wss://127.0.0.1:${port}/api/v1/agents/${home.vmId}/ws`);
  const before = await fingerprint(home.path);
  await using agent = startAgent({ home: home.path });
  const all = STATUSES.length + Object.values(CLOSE).length + 3;
  await until(async () => answers.length + codes.length === 0 && heard > all, `${all} refusals`);
  // What a renewal has begun lies beside it.
  expect(await fingerprint(home.path)).toMatchObject(before);
  // It lives, and says what is wrong.
  const health = await fetch(`http://127.0.0.1:${await agent.port()}/health`);
  expect(await health.json()).toMatchObject({ vm_id: home.vmId, agent_id: home.agentId, status: 'degraded' });
  agent.signal('SIGTERM');
  expect((await agent.exited).code).toBe(0);
  server.closeAllConnections();
  server.close();
});

it('[return-1] an agent outlives an orchestrator that lost its database, and is back when that is', async () => {
  const listen = `127.0.0.1:${await freePort()}`;
  let orchestrator = await startOrchestrator({ listen });
  const { dataDir, credentials } = orchestrator;
  await using vm = await startMachine(orchestrator);
  const home = vm.join('agent');
  // Its first connection brings the pin of the backup root as well.
  await vm.agent.logged(({ msg }) => msg === 'the trusted root certificates were replaced');
  const before = await fingerprint(home);
  await orchestrator.kill();
  await rename(dataDir, `${dataDir}.lost`);
  // Another one, with another CA and none of its agents, at the same address.
  const empty = await startOrchestrator({ listen });
  await vm.agent.logged(({ msg }) => String(msg).includes('its certificate is not of the CA'));
  expect(await fingerprint(home)).toMatchObject(before);
  await empty.stop();
  await rename(`${dataDir}.lost`, dataDir);
  orchestrator = await startOrchestrator({ listen, dataDir, credentials });
  // By itself within half a minute; one that is started anew does not wait that long.
  if (!isFull) vm.agent.signal('SIGKILL');
  await using again = isFull ? undefined : startAgent({ home });
  await until(async () => (await agentOf(orchestrator, vm.agentId)).online, 'the agent');
  expect(await fingerprint(home)).toMatchObject(before);
  expect(again === undefined).toBe(isFull);
  await orchestrator.stop();
});
