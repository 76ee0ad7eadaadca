export type JsonObject = Record<string, unknown>;

/** A JSON-RPC message, as far as a bridge looks at it. */
export interface Message extends JsonObject {
  id?: unknown;
  method?: string;
  params?: JsonObject;
}

export const asObject = (value: unknown): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;

const VERSION_META = 'io.modelcontextprotocol/protocolVersion';

/**
 * The headers that Streamable HTTP wants beside a message. From revision 2026-07-28 on a message names its revision
 * itself and its headers repeat what is in it; before, they name the session.
 */
export function requestHeaders(
  message: Message | undefined,
  state: { session: string | undefined; version: string | undefined },
): Record<string, string> {
  const common = {
    Accept: 'application/json, text/event-stream',
    ...(message === undefined ? {} : { 'Content-Type': 'application/json' }),
  };
  const params = asObject(message?.params);
  const own = asObject(params?.['_meta'])?.[VERSION_META];
  if (typeof own === 'string') {
    const name = params?.['name'] ?? params?.['uri'];
    return {
      ...common,
      'MCP-Protocol-Version': own,
      ...(message?.method === undefined ? {} : { 'Mcp-Method': message.method }),
      ...(typeof name === 'string' ? { 'Mcp-Name': headerText(name) } : {}),
    };
  }
  const opens = message?.method === 'initialize';
  return {
    ...common,
    ...(state.session === undefined || opens ? {} : { 'Mcp-Session-Id': state.session }),
    ...(state.version === undefined || opens ? {} : { 'MCP-Protocol-Version': state.version }),
  };
}

/** As it is where a header can carry it, else in the form that the specification gives for the rest. */
const headerText = (text: string): string =>
  /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !/^=\?base64\?.*\?=$/.test(text)
    ? text
    : `=?base64?${Buffer.from(text).toString('base64')}?=`;
