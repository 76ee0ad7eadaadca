import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { z } from 'zod';
import type { ErrorCode } from '../../protocol/errors.ts';
import { ERRORS } from '../../protocol/errors.ts';
import { problemSchema } from '../../protocol/problem.ts';
import {
  agentListSchema,
  agentSchema,
  createTokenRequestSchema,
  createTokenResponseSchema,
  loginRequestSchema,
  tokenListSchema,
  whoamiSchema,
} from '../../protocol/rest-fleet.ts';
import {
  cancelResponseSchema,
  createJobRequestSchema,
  jobListSchema,
  jobSchema,
  jobWithCommandsSchema,
  outputQuerySchema,
} from '../../protocol/rest-jobs.ts';
import { fleetEventSchema, machineListSchema, overviewSchema } from '../../protocol/rest-overview.ts';
import { PERMISSIONS } from '../../protocol/roles.ts';
import { type FakeFleet, ORG } from './fake-fleet.ts';

/** Answers the orchestrator's REST from a {@link FakeFleet}; every answer passes the schema that the real one uses. */
export interface FakeRestApi {
  readonly url: string;
  /** What came, as `METHOD path`, with the headers that tests look at. */
  readonly requests: readonly { line: string; idempotencyKey: string; lastEventId: string }[];
  /** Ends the session, as time does, and with it the open streams. */
  endSession(): void;
  /** Cuts the open event streams; browsers are to come back. */
  cutStreams(): void;
  /** `down`: connections are closed without an answer. */
  setDown(down: boolean): void;
  close(): Promise<void>;
}

export interface FakeRestApiOptions {
  fleet: FakeFleet;
  username: string;
  password: string;
  /** Files of the page by path (`/`, `/app.js` …). */
  files: ReadonlyMap<string, { type: string; body: Buffer | string }>;
  /** Headers of every page file, the content security policy above all. */
  fileHeaders: Readonly<Record<string, string>>;
}

export async function startFakeRestApi(options: FakeRestApiOptions): Promise<FakeRestApi> {
  const { fleet } = options;
  const requests: { line: string; idempotencyKey: string; lastEventId: string }[] = [];
  const streams = new Set<ServerResponse>();
  const sessions = new Set<string>();
  let down = false;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    const path = url.pathname;
    const method = request.method ?? 'GET';
    const file = options.files.get(path);
    if (file !== undefined) {
      response.writeHead(200, { 'content-type': file.type, ...options.fileHeaders }).end(file.body);
      return;
    }
    requests.push({
      line: `${method} ${path}`,
      idempotencyKey: String(request.headers['idempotency-key'] ?? ''),
      lastEventId: String(request.headers['last-event-id'] ?? ''),
    });
    const json = <S extends z.ZodType>(schema: S, value: z.input<S>, status = 200) =>
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify(schema.parse(value)));
    const refuse = (code: ErrorCode, hint?: string) => {
      const { status, message } = ERRORS[code];
      const body = {
        type: `urn:vm-agent:error:${code}`,
        title: message,
        status,
        code,
        ...(hint ? { hint } : {}),
      };
      response
        .writeHead(status, { 'content-type': 'application/problem+json' })
        .end(JSON.stringify(problemSchema.parse(body)));
    };
    const who = {
      actor: { type: 'user' as const, id: 'usr-01jd0000000000000000000000', name: options.username },
      system_admin: true,
      organizations: [{ id: ORG, name: 'default', role: 'admin' as const, permissions: [...PERMISSIONS] }],
    };

    if (path === '/api/v1/session' && method === 'POST') {
      const login = loginRequestSchema.parse(await readBody(request));
      if (login.username !== options.username || login.password !== options.password) {
        return refuse('login_failed', 'Ask an administrator, or run vm-orchestrator admin reset.');
      }
      const session = `s${sessions.size + 1}`;
      sessions.add(session);
      response.setHeader('set-cookie', `session=${session}; HttpOnly; SameSite=Strict; Path=/`);
      json(whoamiSchema, who);
      return;
    }
    const session = /session=(s\d+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';
    if (!sessions.has(session)) return refuse('unauthenticated', 'Sign in.');
    if (path === '/api/v1/session') {
      if (method === 'DELETE') {
        sessions.delete(session);
        response.writeHead(204).end();
      } else json(whoamiSchema, who);
      return;
    }
    const [noun = '', id = '', verb = ''] = path.replace(`/api/v1/organizations/${ORG}/`, '').split('/');
    switch (`${method} ${noun}${id === '' ? '' : '/:id'}${verb === '' ? '' : `/${verb}`}`) {
      case 'GET agents':
        json(agentListSchema, { items: [...fleet.agents.values()], next_cursor: null });
        return;
      case 'GET agents/:id': {
        const agent = fleet.agents.get(id);
        if (agent === undefined) return refuse('not_found');
        json(agentSchema, agent);
        return;
      }
      case 'DELETE agents/:id':
        fleet.removeAgent(id);
        response.writeHead(204).end();
        return;
      case 'GET overview':
        json(overviewSchema, fleet.overview());
        return;
      case 'GET fleet':
        json(machineListSchema, { items: fleet.machines() });
        return;
      case 'GET fleet/:id':
        streamFleet(response);
        return;
      case 'GET provisioning-tokens':
        json(tokenListSchema, { items: [...fleet.tokens] });
        return;
      case 'POST provisioning-tokens':
        json(
          createTokenResponseSchema,
          fleet.createToken(createTokenRequestSchema.parse(await readBody(request))),
          201,
        );
        return;
      case 'DELETE provisioning-tokens/:id':
        fleet.revokeToken(id);
        response.writeHead(204).end();
        return;
      case 'GET jobs':
        json(jobListSchema, { items: fleet.listJobs(), next_cursor: null });
        return;
      case 'POST jobs': {
        const job = fleet.createJob(createJobRequestSchema.parse(await readBody(request)));
        if (job === undefined) return refuse('no_agents_match', 'Look at the labels with the agents list.');
        json(jobSchema, job, 202);
        return;
      }
      case 'POST jobs/:id/cancel':
        json(
          cancelResponseSchema,
          { id: fleet.job(id).id, cancel_requested: fleet.cancel(id), already_ended: 0 },
          202,
        );
        return;
      case 'GET jobs/:id':
        if (!fleet.jobs.has(id)) return refuse('not_found');
        json(jobWithCommandsSchema, fleet.job(id));
        return;
      case 'GET jobs/:id/events':
        streamEvents(id, request, response);
        return;
      case 'GET commands/:id/output': {
        const { stream, offset, limit } = outputQuerySchema.parse(Object.fromEntries(url.searchParams));
        const body = fleet.output(id, stream).subarray(offset, offset + limit);
        response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(body);
        return;
      }
      default:
        return refuse('not_found');
    }
  }

  function streamFleet(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': hello\n\n');
    streams.add(response);
    const stop = fleet.followFleet((event) => {
      response.write(`event: ${event.type}\ndata: ${JSON.stringify(fleetEventSchema.parse(event))}\n\n`);
    });
    response.on('close', () => {
      streams.delete(response);
      stop();
    });
  }

  function streamEvents(id: string, request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': hello\n\n');
    streams.add(response);
    const from = Number(request.headers['last-event-id'] ?? 0);
    const stop = fleet.follow(id, from, (number, event) => {
      response.write(`id: ${number}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      if (event.type === 'end') response.end();
    });
    response.on('close', () => {
      streams.delete(response);
      stop();
    });
  }

  const server = createServer((request, response) => {
    if (down) {
      request.socket.destroy();
      return;
    }
    handle(request, response).catch((error: unknown) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error));
    });
  });
  await listen(server);
  const { port } = server.address() as AddressInfo;
  const cutStreams = () => {
    for (const stream of streams) stream.destroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    endSession() {
      sessions.clear();
      cutStreams();
    },
    cutStreams,
    setDown(value) {
      down = value;
      if (down) cutStreams();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const listen = (server: Server): Promise<void> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve()));

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
