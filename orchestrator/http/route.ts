import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { Logger } from '../../base/logger.ts';
import type { Permission } from '../../protocol/roles.ts';
import type { AuthenticatedAgent, Caller, OrganizationAccess } from './auth.ts';

/**
 * Routes are data: one table feeds the server and the OpenAPI document, so that neither can know a route that the
 * other does not. Paths are written as OpenAPI writes them (`/api/v1/organizations/{org}/agents`).
 *
 * `user`: an API token or a dashboard session. `{org}` (identifier or name) is resolved against what the caller
 * may see before the handler runs; anything else is 404. `agent`: a client certificate of role agent whose vm_id
 * is the path's `{vm_id}`.
 */
export type RouteAuth = 'none' | 'user' | 'agent';
/**
 * What the caller of a `user` route must have: a right within the path’s organization; `self`: whoever he is;
 * `system`: the rule over the whole orchestrator.
 */
export type Need = Permission | 'self' | 'system';
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** An answer that is no JSON of a schema: files, streams, Server-Sent Events. A stream is destroyed when the client goes. */
export interface RawAnswer {
  status?: number;
  headers: Readonly<Record<string, string>>;
  body: string | Uint8Array | Readable | null;
}

export interface RequestInfo {
  id: string;
  /** Address of the socket; never taken from a header. */
  address: string;
  headers: IncomingHttpHeaders;
  raw: IncomingMessage;
}

interface BaseContext {
  request: RequestInfo;
  /** For a status or a header that depends on what the handler found; the defaults come from the route. */
  reply: { status(code: number): void; header(name: string, value: string): void };
  /** Aborted when the client has gone before the answer was complete. */
  closed: AbortSignal;
  log: Logger;
}

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;
type OrgOf<Path extends string> = Path extends `${string}{org}${string}` ? OrganizationAccess : undefined;
type WhoOf<A extends RouteAuth, Path extends string> = A extends 'user'
  ? { caller: Caller; org: OrgOf<Path> }
  : A extends 'agent'
    ? { agent: AuthenticatedAgent }
    : unknown;
type Answer<R> = R extends z.ZodType ? z.input<R> : RawAnswer | undefined;

export interface RouteDefinition<
  A extends RouteAuth,
  Path extends string,
  P extends z.ZodObject | undefined,
  Q extends z.ZodObject | undefined,
  B extends z.ZodType | undefined,
  R extends z.ZodType | undefined,
> {
  method: Method;
  path: Path;
  /** One line for the OpenAPI document. */
  summary: string;
  auth: A;
  /** Every `user` route says it; the others have nobody to ask it of. */
  needs?: A extends 'user' ? Need : undefined;
  /** Path parameters besides `{org}`. */
  params?: P;
  query?: Q;
  body?: B;
  /** The answer goes through this schema, so nothing leaves that it does not name. */
  response?: R;
  /** Media type and description of a raw answer. Without `response` and `raw` the answer is empty (204). */
  raw?: { contentType: string; description: string; schema?: z.ZodType };
  /** 200, or 204 when there is nothing to say. */
  successStatus?: number;
  /** The handler itself looks after the header Idempotency-Key; every other POST of people has it for nothing. */
  ownIdempotency?: boolean;
  /** A POST that only looks: its Idempotency-Key means nothing, and no answer of it is kept. */
  readOnly?: boolean | ((params: Parsed<P>) => boolean);
  /** A body of bytes that the handler reads itself, for the document. */
  rawBody?: { contentType: string; description: string };
  /** Headers of good answers, for the document. */
  responseHeaders?: Readonly<Record<string, string>>;
  /** Other good answers of the same shape, for the document. */
  otherStatuses?: Readonly<Record<number, string>>;
  handler(
    context: BaseContext & WhoOf<A, Path> & { params: Parsed<P>; query: Parsed<Q>; body: Parsed<B> },
  ): Answer<R> | Promise<Answer<R>>;
}

/** What the server and the document see of a route. */
export interface Route
  extends Omit<
    RouteDefinition<
      RouteAuth,
      string,
      z.ZodObject | undefined,
      z.ZodObject | undefined,
      z.ZodType | undefined,
      undefined
    >,
    'handler' | 'response' | 'needs'
  > {
  needs?: Need | undefined;
  response?: z.ZodType | undefined;
  handler(context: RouteContext): unknown;
}

export interface RouteContext extends BaseContext {
  params: unknown;
  query: unknown;
  body: unknown;
  caller?: Caller;
  org?: OrganizationAccess | undefined;
  agent?: AuthenticatedAgent;
}

/** Checks a route's types and forgets them: what the handler is given has been parsed by these very schemas. */
export function defineRoute<
  A extends RouteAuth,
  const Path extends string,
  P extends z.ZodObject | undefined = undefined,
  Q extends z.ZodObject | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  R extends z.ZodType | undefined = undefined,
>(route: RouteDefinition<A, Path, P, Q, B, R> & (A extends 'user' ? { needs: Need } : unknown)): Route {
  return route as unknown as Route;
}
