import type { z } from 'zod';
import { AppError } from '../../protocol/errors.ts';
import { callResultSchema } from '../../protocol/rest-calls.ts';
import type { RestClient } from './client.ts';

/** Calls a tool of an agent and waits. @throws AppError: the orchestrator's, or what the agent said no with. */
export async function callTool<S extends z.ZodType>(
  client: RestClient,
  call: {
    agent: string;
    tool: string;
    args: Record<string, unknown>;
    answer: S;
    /** Seconds. */
    wait?: number;
    signal?: AbortSignal;
  },
): Promise<z.output<S>> {
  const { agent, tool, args, answer, wait, signal } = call;
  const result = await client.call({
    method: 'POST',
    path: `/agents/${encodeURIComponent(agent)}/tools/${tool}`,
    query: { wait },
    body: args,
    answer: callResultSchema,
    ...(signal === undefined ? {} : { signal }),
  });
  const parsed = answer.safeParse(result.value);
  if (parsed.success) return parsed.data;
  const { code = 'unavailable', message, hint } = result.error ?? {};
  throw new AppError(code, {
    detail: message ?? `The call of ${tool} ended as ${result.state}.`,
    ...(hint === undefined ? {} : { hint }),
  });
}
