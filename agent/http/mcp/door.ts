import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../../tools/tool.ts';
import { McpCalls, type McpCallsOptions } from './call.ts';
import type { McpEndpoint } from './endpoint.ts';

export interface McpDoorOptions extends McpCallsOptions {
  version: string;
  hostname: string;
}

/** `/mcp`. The protocol's implementation is loaded by the first request: an agent that nobody asks stays small. */
export class McpDoor {
  readonly #options: McpDoorOptions;
  readonly #calls: McpCalls;
  #endpoint: Promise<McpEndpoint> | undefined;

  constructor(options: McpDoorOptions) {
    this.#options = options;
    this.#calls = new McpCalls(options);
  }

  async handle(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void> {
    this.#endpoint ??= this.#load();
    await (await this.#endpoint).handle(request, response, caller);
  }

  /** Ends running calls and open sessions. */
  async close(): Promise<void> {
    await this.#calls.close();
    await (await this.#endpoint)?.close();
  }

  async #load(): Promise<McpEndpoint> {
    const { createEndpoint } = await import('./endpoint.ts');
    const { toolServers } = await import('./server.ts');
    return createEndpoint({
      ...this.#options,
      factory: toolServers({ ...this.#options, calls: this.#calls }),
    });
  }
}
