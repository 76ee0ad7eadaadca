import { createParser } from 'eventsource-parser';
import { z } from 'zod';
import { AppError, ERROR_CODES, type ErrorCode } from '../../protocol/errors.ts';
import { TOOL_ERROR_META } from '../../protocol/tool-manifest.ts';
import { type AgentAddress, exchange, readText, refusal } from './exchange.ts';

/** Each request stands alone in this revision, so there is no session to keep. */
const REVISION = '2026-07-28';
const META = 'io.modelcontextprotocol/';

const messageSchema = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string().optional(),
  params: z.record(z.string(), z.unknown()).optional(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
});
type Message = z.infer<typeof messageSchema>;

const toolResultSchema = z.object({
  isError: z.boolean().optional(),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
  content: z.array(z.object({ type: z.string(), text: z.string().optional() })).default([]),
  _meta: z.record(z.string(), z.unknown()).optional(),
});
const failureSchema = z.object({
  code: z.enum(ERROR_CODES).catch('internal'),
  message: z.string(),
  hint: z.string().optional(),
});

/** How far a call is. */
export interface Progress {
  progress: number;
  total?: number;
  message?: string;
}

export interface CallOptions {
  /** Aborting it ends the call, and on the VM everything that it started. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Asks by one method of MCP. @throws AppError for every refusal. */
export async function ask(
  address: AgentAddress,
  method: string,
  params: Readonly<Record<string, unknown>>,
  options: CallOptions = {},
): Promise<Record<string, unknown>> {
  const name = params['name'];
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method,
    params: {
      ...params,
      _meta: {
        [`${META}protocolVersion`]: REVISION,
        [`${META}clientInfo`]: { name: 'vm-agent-client', version: '1' },
        [`${META}clientCapabilities`]: {},
        ...(options.onProgress === undefined ? {} : { progressToken: 1 }),
      },
    },
  });
  const response = await exchange(address, {
    method: 'POST',
    path: '/mcp',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': REVISION,
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    },
    body,
    signal: options.signal,
  });
  const type = response.headers['content-type'] ?? '';
  const status = response.statusCode ?? 0;
  try {
    if (type.startsWith('text/event-stream')) return await readEvents(response, options);
    const text = await readText(response);
    const message = type.startsWith('application/json') ? parseMessage(text) : undefined;
    if (message === undefined) throw refusal(status, text);
    return resultOf(message);
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw cause;
  }
}

/** Calls a tool. @returns its structured answer. @throws AppError with the tool's own code and hint. */
export async function callTool(
  address: AgentAddress,
  name: string,
  args: Readonly<Record<string, unknown>>,
  options: CallOptions = {},
): Promise<Record<string, unknown>> {
  const result = toolResultSchema.parse(await ask(address, 'tools/call', { name, arguments: args }, options));
  if (result.isError !== true && result.structuredContent !== undefined) return result.structuredContent;
  const failure = failureSchema.safeParse(result._meta?.[TOOL_ERROR_META]).data;
  const said = result.content.map(({ text }) => text ?? '').join('\n');
  throw new AppError((failure?.code ?? 'internal') satisfies ErrorCode, {
    detail: failure?.message ?? (said || `The tool ${name} failed.`),
    ...(failure?.hint === undefined ? {} : { hint: failure.hint }),
  });
}

function parseMessage(text: string): Message | undefined {
  try {
    const message = messageSchema.parse(JSON.parse(text));
    return message.result === undefined && message.error === undefined && message.method === undefined
      ? undefined
      : message;
  } catch {
    return undefined;
  }
}

function resultOf({ result, error }: Message): Record<string, unknown> {
  if (result !== undefined) return result;
  throw new AppError('bad_request', { detail: error?.message ?? 'The agent gave no answer.' });
}

async function readEvents(
  response: AsyncIterable<unknown> & NodeJS.ReadableStream,
  { onProgress }: CallOptions,
): Promise<Record<string, unknown>> {
  let answer: Message | undefined;
  const parser = createParser({
    onEvent: ({ data }) => {
      const message = parseMessage(data);
      if (message === undefined) return;
      if (message.method === undefined) answer = message;
      else if (message.method === 'notifications/progress')
        onProgress?.(message.params as unknown as Progress);
    },
  });
  response.setEncoding('utf8');
  for await (const chunk of response) {
    parser.feed(String(chunk));
    if (answer !== undefined) break;
  }
  if (answer === undefined)
    throw new AppError('unavailable', { detail: 'The agent ended the connection without an answer.' });
  return resultOf(answer);
}
