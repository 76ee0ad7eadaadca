import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { PROBLEM_TYPE } from '../../base/http-problem.ts';
import { problemSchema } from '../../protocol/problem.ts';
import type { Route } from './route.ts';

type Json = Record<string, unknown>;

/** JSON Schema 2020-12, which OpenAPI 3.1 takes as it is. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    cycles: 'ref',
  }) as Json;
  return rest;
}

function parameters(schema: z.ZodObject | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }));
}

const pathParameter = (name: string, description: string): Json => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: { type: 'string' },
});

function pathParameters(route: Route): Json[] {
  const given = parameters(route.params, 'path');
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  return names.map(
    (name) =>
      given.find((parameter) => parameter['name'] === name) ??
      pathParameter(name, name === 'org' ? 'Identifier or name of the organization' : ''),
  );
}

function successOf(route: Route): Json {
  const status = route.successStatus ?? (route.response || route.raw ? 200 : 204);
  const content = route.response
    ? { 'application/json': { schema: jsonSchema(route.response, 'output') } }
    : route.raw && {
        [route.raw.contentType]: {
          schema: route.raw.schema
            ? jsonSchema(route.raw.schema, 'output')
            : /json/.test(route.raw.contentType)
              ? {}
              : { type: 'string' },
        },
      };
  const described = (code: number, description: string): Json => ({
    [code]: { description, ...(content ? { content } : {}) },
  });
  return {
    ...described(status, route.raw?.description ?? STATUS_CODES[status] ?? 'OK'),
    ...Object.assign(
      {},
      ...Object.entries(route.otherStatuses ?? {}).map(([code, text]) => described(Number(code), text)),
    ),
  };
}

const SECURITY: Readonly<Record<Route['auth'], Json[]>> = {
  none: [],
  user: [{ apiToken: [] }, { dashboardSession: [] }],
  agent: [{ agentCertificate: [] }],
};

const IDEMPOTENCY_KEY: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'A repeat with the same key gets the first answer and changes nothing; kept for a day',
  schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
};

const takesKey = ({ auth, method, readOnly }: Route): boolean =>
  auth === 'user' && method === 'POST' && readOnly !== true;

function operationId(route: Route): string {
  const words = route.path
    .replace(/^\/api\/v1\//, '')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  return [route.method.toLowerCase(), ...words].join('_');
}

/** The document of the API, made from the same table that the server is made from. */
export function openApiDocument(routes: readonly Route[], options: { version: string; url: string }): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    if (!route.path.startsWith('/api/v1/')) continue;
    const own = paths[route.path] ?? {};
    own[route.method.toLowerCase()] = {
      operationId: operationId(route),
      summary: route.summary,
      tags: [route.path.replace('/organizations/{org}', '').split('/')[3] ?? 'organizations'],
      security: SECURITY[route.auth],
      ...(route.needs === undefined ? {} : { 'x-needs': route.needs }),
      parameters: [
        ...pathParameters(route),
        ...parameters(route.query, 'query'),
        ...(takesKey(route) ? [IDEMPOTENCY_KEY] : []),
      ],
      ...(route.body
        ? {
            requestBody: {
              required: true,
              content: { 'application/json': { schema: jsonSchema(route.body, 'input') } },
            },
          }
        : route.rawBody
          ? {
              requestBody: {
                required: true,
                description: route.rawBody.description,
                content: { [route.rawBody.contentType]: {} },
              },
            }
          : {}),
      responses: {
        ...successOf(route),
        ...(route.auth === 'agent' ? {} : { 429: { $ref: '#/components/responses/TooManyRequests' } }),
        default: { $ref: '#/components/responses/Problem' },
      },
    };
    paths[route.path] = own;
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'vm-agent orchestrator',
      version: options.version,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: options.url }],
    paths,
    components: {
      schemas: { Problem: jsonSchema(problemSchema, 'output') },
      responses: {
        TooManyRequests: {
          description: 'Too many requests of this user or token, or too many failures from this address',
          headers: {
            'Retry-After': {
              description: 'Seconds to wait',
              required: true,
              schema: { type: 'integer', minimum: 1 },
            },
          },
          content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
        },
        Problem: {
          description: 'RFC 9457 problem with a stable code',
          content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
      securitySchemes: {
        apiToken: { type: 'http', scheme: 'bearer', description: 'API token, vmo_…' },
        dashboardSession: { type: 'apiKey', in: 'cookie', name: '__Host-vm_session' },
        agentCertificate: { type: 'mutualTLS', description: 'Certificate that registration returned' },
      },
    },
  };
}
