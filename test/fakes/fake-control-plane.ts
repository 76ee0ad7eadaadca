import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SeenAgent } from '../../infra/program/rest.ts';
import { createTestCa } from './test-ca.ts';

/** What Pulumi's components ask of an orchestrator, over TLS with a CA of its own. */
export interface FakeControlPlane {
  readonly url: string;
  readonly caPem: string;
  readonly apiToken: string;
  /** Those that it knows; tests change it. */
  agents: SeenAgent[];
  served: string;
  /** What `/setup.sh` answers. */
  setup: string;
  /** `METHOD path`, in the order of their coming. */
  readonly requests: string[];
  readonly tokens: { id: string; body: Record<string, unknown>; revoked: boolean }[];
  /** From now on no connection is answered. */
  down: boolean;
  close(): Promise<void>;
}

const ORG = 'org-01jd0000000000000000000000';
const ORGANIZATION = '/api/v1/organizations/default';

export async function startFakeControlPlane(): Promise<FakeControlPlane> {
  const ca = await createTestCa({ orgId: ORG });
  const { certificate, key } = await ca.orchestrator();
  const apiToken = 'vmo_of-the-tests';

  const server = createServer({ cert: certificate, key, minVersion: 'TLSv1.3' }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (plane.down) return void request.socket.destroy();
      const url = new URL(request.url ?? '/', 'https://fake');
      plane.requests.push(`${request.method} ${url.pathname}`);
      const json = (value: unknown, status = 200) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
      const problem = (status: number, code: string) =>
        json({ title: `it is ${code}`, code, status }, status);
      if (url.pathname === '/setup.sh') return void response.end(plane.setup);
      if (url.pathname === '/artifacts/manifest.json') {
        const payload = Buffer.from(JSON.stringify({ version: plane.served })).toString('base64');
        return void json({ payload_type: 'test', payload, signatures: [{ kid: 'k', sig: 'c2ln' }] });
      }
      if (request.headers.authorization !== `Bearer ${apiToken}`) return void problem(401, 'unauthorized');
      const [, collection, id] = url.pathname.slice(ORGANIZATION.length).split('/');
      if (collection === 'agents' && id === undefined) return void page(url.searchParams, json);
      if (collection === 'agents') {
        const agent = plane.agents.find(({ agent_id }) => agent_id === id);
        if (agent === undefined) return void problem(404, 'not_found');
        agent.state = 'revoked';
        return void response.writeHead(204).end();
      }
      if (request.method === 'POST') return void mint(JSON.parse(Buffer.concat(chunks).toString()), json);
      const token = plane.tokens.find((one) => one.id === id);
      if (token === undefined) return void problem(404, 'not_found');
      token.revoked = true;
      response.writeHead(204).end();
    });
  });

  /** Two a page, so that whoever reads one page alone is found out. */
  function page(query: URLSearchParams, json: (value: unknown) => void): void {
    const [term = ''] = (query.get('selector') ?? 'all').split(',');
    const [, reported, name, value] = /^(agent\.)?([^=]+)=(.*)$/.exec(term) ?? [];
    const matching = plane.agents.filter(
      (agent) =>
        agent.state !== 'revoked' &&
        (name === undefined || (reported ? agent.reported_labels : agent.labels)[name] === value),
    );
    const from = Number(query.get('cursor') ?? '0');
    const end = from + 2;
    json({ items: matching.slice(from, end), next_cursor: end < matching.length ? String(end) : null });
  }

  function mint(body: Record<string, unknown>, json: (value: unknown, status: number) => void): void {
    const id = `t${String(plane.tokens.length).padStart(11, '0')}`;
    plane.tokens.push({ id, body, revoked: false });
    const token = `prov_${id}_${'s'.repeat(40)}_${ca.rootPin.slice(0, 32)}`;
    json({ id, token, expires_at: '2026-11-27T17:00:00.000Z', one_liner: '', setup_command: '' }, 201);
  }

  const plane: FakeControlPlane = {
    url: '',
    caPem: ca.rootPem,
    apiToken,
    agents: [],
    served: '1.2.3',
    setup: '#!/bin/sh\n',
    requests: [],
    tokens: [],
    down: false,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(plane, { url: `https://localhost:${(server.address() as AddressInfo).port}` });
}

let drawn = 0;
/** An agent that is well, of the version 1.2.3. */
export function seenAgent(over: Partial<SeenAgent> = {}): SeenAgent {
  const n = drawn++;
  return {
    agent_id: `agt-${String(n).padStart(26, '0')}`,
    vm_id: `vm-host${n}-abcdef`,
    hostname: `host${n}`,
    state: 'active',
    online: true,
    version: '1.2.3',
    labels: {},
    reported_labels: {},
    ...over,
  };
}
