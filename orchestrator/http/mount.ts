import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { InvalidInput } from '../../base/http-problem.ts';
import type { Logger } from '../../base/logger.ts';
import { AppError } from '../../protocol/errors.ts';
import type { AuthenticateAgent, AuthenticateUser, Caller } from './auth.ts';
import { organizationOf, requireNeed } from './auth-user.ts';
import { type Answer, idempotencyKeyOf, type Replays } from './replay.ts';
import type { RawAnswer, Route, RouteContext } from './route.ts';

export interface MountOptions {
  authenticateUser: AuthenticateUser;
  authenticateAgent: AuthenticateAgent;
  /** @throws AppError `locked` when the caller is locked out of the organization. */
  refuseLocked?: ((caller: Caller, organizationId: string) => Promise<void>) | undefined;
  replays: Replays;
  log: Logger;
}

/** A request whose sender is known. */
export type Identified = FastifyRequest & { who?: Pick<RouteContext, 'caller' | 'org' | 'agent'> };

function parsed(schema: z.ZodType | undefined, value: unknown, what: string): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value);
  if (!result.success) throw new InvalidInput(result.error, { what });
  return result.data;
}

/** Who asks, and whether the path is his to ask for. Nothing of the request is looked at before. */
async function identify(
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  options: MountOptions,
): Promise<Pick<RouteContext, 'caller' | 'org' | 'agent'>> {
  const params = request.params as Record<string, string>;
  switch (route.auth) {
    case 'none':
      return {};
    case 'user': {
      const caller = await options.authenticateUser(request.raw, (cookie) =>
        reply.header('set-cookie', cookie),
      );
      const org = route.path.includes('{org}') ? organizationOf(caller, params['org'] ?? '') : undefined;
      // A route that forgot to say what it needs is open to the ruler of the whole orchestrator alone.
      if (org !== undefined) await options.refuseLocked?.(caller, org.id);
      requireNeed(route.needs ?? 'system', caller, org);
      return org === undefined ? { caller } : { caller, org };
    }
    case 'agent':
      return { agent: await options.authenticateAgent(request.raw, params['vm_id'] ?? '') };
  }
}

function closedSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

function sendRaw(reply: FastifyReply, answer: RawAnswer, status: number | undefined): FastifyReply {
  reply.code(answer.status ?? status ?? 200);
  reply.headers(answer.headers);
  return reply.send(answer.body ?? undefined);
}

function sendAnswer(reply: FastifyReply, { status, body }: Answer): FastifyReply {
  reply.code(status);
  return body === '' ? reply.send() : reply.type('application/json; charset=utf-8').send(body);
}

/** What people change by POST happens once for each Idempotency-Key. */
function keyOf(route: Route, request: FastifyRequest, params: unknown): string | undefined {
  if (route.method !== 'POST' || route.auth !== 'user' || route.ownIdempotency) return undefined;
  const key = idempotencyKeyOf(request.headers['idempotency-key']);
  const { readOnly } = route;
  return (typeof readOnly === 'function' ? readOnly(params as never) : readOnly) ? undefined : key;
}

/** Puts one route of the table on the server. */
export function mountRoute(app: FastifyInstance, route: Route, options: MountOptions): void {
  app.route({
    method: route.method,
    url: route.path.replace(/\{(\w+)\}/g, ':$1'),
    exposeHeadRoute: route.method === 'GET' && route.auth === 'none',
    // Machines, and who only looks whether we live, are never turned away by a count.
    ...(route.auth === 'user' ? {} : { config: { rateLimit: false } }),
    // Before the body is read: who may not ask sends nothing.
    onRequest: async (request, reply) => {
      (request as Identified).who = await identify(route, request, reply, options);
    },
    handler: async (request, reply) => {
      const { who } = request as Identified;
      let status = route.successStatus;
      const context: RouteContext = {
        ...who,
        params: parsed(route.params, request.params, 'The path'),
        query: parsed(route.query, request.query, 'The query'),
        body: parsed(route.body, request.body ?? {}, 'The body'),
        request: {
          id: request.id,
          address: request.raw.socket.remoteAddress ?? '',
          headers: request.headers,
          raw: request.raw,
        },
        reply: {
          status: (code) => {
            status = code;
          },
          header: (name, value) => void reply.header(name, value),
        },
        closed: closedSignal(reply),
        log: options.log,
      };
      if (route.raw) {
        const answer = await route.handler(context);
        return answer === undefined
          ? reply.code(status ?? 204).send()
          : sendRaw(reply, answer as RawAnswer, status);
      }
      const act = async (): Promise<Answer> => {
        const answer = await route.handler(context);
        if (route.response === undefined) return { status: status ?? 204, body: '' };
        const checked = route.response.safeParse(answer);
        if (!checked.success) throw new AppError('internal', { cause: checked.error });
        return { status: status ?? 200, body: JSON.stringify(checked.data) };
      };
      const key = keyOf(route, request, context.params);
      const { actor } = context.caller ?? {};
      if (key === undefined || actor === undefined) return sendAnswer(reply, await act());
      const { method, url } = request;
      const request_ = { actor: `${actor.type}:${actor.id}`, key, method, url, body: context.body };
      const { replayed, ...answer } = await options.replays.once(request_, act);
      if (replayed) reply.header('idempotent-replayed', 'true');
      return sendAnswer(reply, answer);
    },
  });
}
