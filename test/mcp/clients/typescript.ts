import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v2 from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import type { DoorTicket } from '../support/agent.ts';
import { peerModules } from '../support/cached.ts';

/** What both lines of the TypeScript client have in common, as far as the tests use it. */
export interface AnyClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  call(name: string, args: object, options?: CallOptions): Promise<AnyResult>;
  close(): Promise<void>;
}

export interface CallOptions {
  signal?: AbortSignal;
  onprogress?: (progress: { progress: number; message?: string }) => void;
}

export interface AnyResult {
  isError?: boolean;
  structuredContent?: Record<string, unknown>;
  content: { type: string; text?: string }[];
}

interface V1 {
  Client: new (info: object) => V1Client;
}
interface V1Http {
  StreamableHTTPClientTransport: new (url: URL, options: object) => unknown;
}
interface V1Stdio {
  StdioClientTransport: new (program: object) => unknown;
}
interface V1Client {
  connect(transport: unknown): Promise<void>;
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(params: object, schema: undefined, options: CallOptions): Promise<AnyResult>;
  close(): Promise<void>;
}

export const TS_CLIENTS = ['TypeScript v1', 'TypeScript v2 (2025)', 'TypeScript v2'] as const;
export type TsClient = (typeof TS_CLIENTS)[number];

/** A client that has come in by this door. */
export async function connectTs(kind: TsClient, door: DoorTicket): Promise<AnyClient> {
  const options = {
    fetch: await fetchFor(door),
    requestInit: { headers: door.key === undefined ? {} : { Authorization: `Bearer ${door.key}` } },
  };
  const url = new URL(door.url);
  if (kind !== 'TypeScript v1') return connected(kind, new v2.StreamableHTTPClientTransport(url, options));
  const { StreamableHTTPClientTransport } = await v1<V1Http>('streamableHttp.js');
  return connected(kind, new StreamableHTTPClientTransport(url, options));
}

/** A client of a program that speaks over its stdin and stdout. */
export async function connectStdio(kind: TsClient, program: StdioProgram): Promise<AnyClient> {
  if (kind !== 'TypeScript v1')
    return connected(kind, new StdioClientTransport({ ...program, stderr: 'pipe' }));
  const sdk = await v1<V1Stdio>('stdio.js');
  return connected(kind, new sdk.StdioClientTransport({ ...program, stderr: 'pipe' }));
}

export interface StdioProgram {
  command: string;
  args: string[];
  env: Record<string, string>;
}

async function connected(kind: TsClient, transport: unknown): Promise<AnyClient> {
  const info = { name: kind, version: '1' };
  if (kind === 'TypeScript v1') {
    const { Client } = await v1<Pick<V1, 'Client'>>('index.js');
    const client = new Client(info);
    await client.connect(transport);
    return {
      listTools: () => client.listTools(),
      call: (name, args, more = {}) => client.callTool({ name, arguments: args }, undefined, more),
      close: () => client.close(),
    };
  }
  const client = new v2.Client(info, {
    versionNegotiation: { mode: kind === 'TypeScript v2' ? 'auto' : 'legacy' },
  });
  await client.connect(transport as v2.Transport);
  return {
    listTools: () => client.listTools(),
    call: async (name, args, more = {}) =>
      (await client.callTool(
        { name, arguments: args as Record<string, unknown> },
        more as never,
      )) as AnyResult,
    close: () => client.close(),
  };
}

async function v1<Module>(file: string): Promise<Module> {
  return (await import(
    join(await peerModules(), '@modelcontextprotocol/sdk/dist/esm/client', file)
  )) as Module;
}

/** Node's own fetch takes neither a CA nor a client certificate. */
async function fetchFor(door: DoorTicket): Promise<typeof fetch> {
  if (door.ca === undefined) return fetch;
  const undici = (await import(join(await peerModules(), 'undici/index.js'))) as {
    Agent: new (options: object) => unknown;
    fetch: (url: unknown, init: object) => Promise<Response>;
  };
  const dispatcher = new undici.Agent({
    connect: {
      ca: readFileSync(door.ca, 'utf8'),
      ...(door.certificate && {
        cert: readFileSync(door.certificate.cert, 'utf8'),
        key: readFileSync(door.certificate.privateKey, 'utf8'),
      }),
    },
  });
  return ((url: unknown, init: object) => undici.fetch(url, { ...init, dispatcher })) as typeof fetch;
}
