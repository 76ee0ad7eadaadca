// Certificates that count no more, or never did, at each door of a real orchestrator: fresh handshakes, sessions that a
// client wants to resume, and sockets that stay open.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { orchestratorTls } from '../../../base/tls-client.ts';
import { secureContext, tlsServerOptions } from '../../../base/tls-server.ts';
import { makeCertificate, newP256, spkiOf } from '../../../orchestrator/ca/x509.ts';
import { agentSubjectAltNames } from '../../../protocol/certificate-profile.ts';
import { CLOSE } from '../../../protocol/version.ts';
import { FakeAgent } from '../../fakes/fake-agent.ts';
import { createTestCa } from '../../fakes/test-ca.ts';
import { type EnrolledMachine, enroll } from '../../integration/support/enroll.ts';
import { type OrchestratorProcess, startOrchestrator } from '../../integration/support/orchestrator.ts';
import { type Made, type OwnCa, openOwnCa } from '../support/own-certificates.ts';
import { type Exchange, exchange, problemOf, REQUESTS } from '../support/tls-client.ts';

let orchestrator: OrchestratorProcess;
let ca: OwnCa;
let machine: EnrolledMachine;

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  ca = await openOwnCa(orchestrator.dataDir);
  machine = await enroll(orchestrator);
});
afterAll(async () => {
  await ca?.close();
  await orchestrator?.stop();
});

const doors = Object.entries(REQUESTS);
const own = () => ({
  organizationId: machine.response.organization_id,
  agentId: machine.response.agent_id,
});
const vmId = () => machine.response.vm_id;
const refusedBy = (answer: Exchange) => [answer.status, problemOf(answer)];

/** A ticket that this listener hands out to a certificate that counts. */
async function ticketOf(made: { cert: string; key: string }): Promise<Buffer> {
  const answer = await exchange(orchestrator, made, REQUESTS.status(vmId()));
  expect(answer.status).toBe(200);
  const ticket = answer.tickets.at(-1);
  if (ticket === undefined) throw new Error('the listener offered nothing to resume');
  return ticket;
}

function fakeAgent(made: { cert: string; key: string }): FakeAgent {
  return new FakeAgent({
    url: `${orchestrator.url.replace('https', 'wss')}/api/v1/agents/${vmId()}/ws`,
    tls: orchestratorTls({ ca: [orchestrator.ca], cert: made.cert, key: made.key }),
  });
}

describe('a session that was saved', () => {
  it('[cert-31] is never resumed: what is offered to the listener ends in a whole handshake', async () => {
    const session = await ticketOf(machine.tls);
    for (const [, request] of doors) {
      const answer = await exchange(orchestrator, machine.tls, request(vmId()), { session });
      expect(answer.resumed).toBe(false);
      expect(answer.status).not.toBe(403);
    }
  });

  it('[cert-31] of one listener means nothing to another one', async () => {
    const session = await ticketOf(machine.tls);
    const other = await startOrchestrator();
    try {
      const at = { url: other.url, ca: orchestrator.ca };
      const foreign = await exchange(at, machine.tls, REQUESTS.status(vmId()), { session });
      // Another CA: its own server certificate is refused, so nothing was resumed.
      expect([foreign.resumed, foreign.status]).toEqual([false, undefined]);
      const known = await exchange(other, machine.tls, REQUESTS.status(vmId()), { session });
      expect([known.resumed, ...refusedBy(known)]).toEqual([false, 403, 'client_certificate_required']);
    } finally {
      await other.stop();
    }
  });

  it('would be resumed by a listener with Node’s defaults, and its ended certificate believed', async () => {
    const { response } = machine;
    const test = await createTestCa({ orgId: response.organization_id });
    const server = await test.orchestrator();
    const options = tlsServerOptions(
      { cert: server.certificate, key: server.key, ca: [test.rootPem] },
      { demand: 'per-request' },
    );
    const listener = createServer({ ...options, secureOptions: 0 }, (socket) => {
      socket.on('error', () => undefined);
      socket.end(`HTTP/1.1 200 OK\r\n\r\n${socket.authorized}`);
    });
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    try {
      const at = { url: `https://127.0.0.1:${(listener.address() as AddressInfo).port}`, ca: test.rootPem };
      const agent = await test.agent('agt-1', { notAfter: new Date(Date.now() + 2000) });
      const mine = { cert: agent.certificate, key: agent.key };
      const first = await exchange(at, mine, 'x');
      const session = first.tickets.at(-1);
      expect(first.text).toContain('true');
      let fresh = first;
      while (!fresh.text.includes('false')) fresh = await exchange(at, mine, 'x');
      const again = await exchange(at, mine, 'x', { session: session as Buffer });
      expect([again.resumed, again.text.includes('true')]).toEqual([true, true]);
      // The same with our own options.
      listener.setSecureContext(
        secureContext({ cert: server.certificate, key: server.key, ca: [test.rootPem] }),
      );
      const ours = await exchange(at, mine, 'x', { session: session as Buffer });
      expect([ours.resumed, ours.text.includes('true')]).toEqual([false, false]);
    } finally {
      listener.close();
    }
  });
});

describe('a certificate that has ended', () => {
  it('[cert-32] closes its open socket at that moment, and opens nothing afresh or resumed', async () => {
    const made = await ca.leaf({ ...own(), lifeS: 2, known: true });
    const session = await ticketOf(made);
    const agent = fakeAgent(made);
    await agent.connect();
    const { code } = await agent.closed();
    const late = Date.now() - made.notAfterMs;
    expect(code).toBe(CLOSE.certificateEnded);
    expect(late).toBeLessThan(1000);
    for (const [, request] of doors)
      for (const resume of [{}, { session }]) {
        const answer = await exchange(orchestrator, made, request(vmId()), resume);
        expect(answer.resumed).toBe(false);
        expect(answer.status).toBe(403);
        expect(['client_certificate_required', 'certificate_expired']).toContain(problemOf(answer));
      }
    // The orchestrator itself goes on.
    machine = await enroll(orchestrator);
    expect((await exchange(orchestrator, machine.tls, REQUESTS.status(vmId()))).status).toBe(200);
  });
});

describe('a certificate that never counted', () => {
  const tried: [string, () => Promise<Made>][] = [
    [
      'another organization’s CA signed, for this one’s name',
      async () => {
        const made = await orchestrator.call<{ id: string }>({
          path: '/api/v1/organizations',
          body: { name: `other-${process.pid}` },
        });
        return ca.leaf({ ...own(), lifeS: 3600, by: await ca.signerOf(made.body.id), known: true });
      },
    ],
    [
      'an agent’s certificate signed',
      async () => {
        const { createPrivateKey } = await import('node:crypto');
        const by = { pem: machine.tls.cert, key: createPrivateKey(machine.tls.key) };
        return ca.leaf({ ...own(), lifeS: 3600, by, known: true });
      },
    ],
    [
      'an issuing certificate signed that has ended',
      async () =>
        ca.leaf({
          ...own(),
          lifeS: 3600,
          by: await ca.expiredIssuing(own().organizationId),
          known: true,
        }),
    ],
    [
      'its own key signed, with the subject of a good one',
      async () => {
        const keys = await newP256();
        const { organizationId, agentId } = own();
        const made = await makeCertificate({
          subject: { organization: organizationId, commonName: agentId },
          publicKey: spkiOf(keys.publicKey),
          signingKey: keys.privateKey,
          kind: 'agent',
          names: agentSubjectAltNames({ trustDomain: ca.trustDomain, orgId: organizationId, agentId }),
          nowMs: Date.now(),
          lifetimeS: 3600,
        });
        const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
        return { cert: made.pem, key, fingerprint: made.fingerprint, notAfterMs: made.notAfterMs };
      },
    ],
    ['the right key signed, and that the orchestrator never gave', () => ca.leaf({ ...own(), lifeS: 3600 })],
    ['that was over before it was shown', () => ca.leaf({ ...own(), lifeS: -60, known: true })],
  ];

  it.each(tried)('[cert-33] that %s opens no door', async (_, make) => {
    const made = await make();
    for (const [, request] of doors) {
      const answer = await exchange(orchestrator, made, request(vmId()));
      const [status, code] = refusedBy(answer);
      // One that is over says so: its machine may ask to come back by the key.
      expect([403, expect.stringMatching(/^(client_certificate_required|certificate_expired)$/)]).toEqual([
        status,
        code,
      ]);
    }
  });

  it('and one that does is let in by the same requests', async () => {
    const made = await ca.leaf({ ...own(), lifeS: 3600, known: true });
    const seen = [];
    for (const [, request] of doors) seen.push((await exchange(orchestrator, made, request(vmId()))).status);
    // The renewal reads the request, and finds that it is none.
    expect(seen).toEqual([101, 400, 200]);
    // It is in use from now on, so the one before it counts no more.
    machine = { ...machine, tls: made };
  });
});
