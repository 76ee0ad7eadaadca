import { z } from 'zod';
import type { OutputSummary } from '../../../protocol/command.ts';
import {
  agentCommandListSchema,
  type CallResult,
  callArgumentsSchema,
  callQuerySchema,
  callResultSchema,
} from '../../../protocol/rest-calls.ts';
import { originSchema } from '../../../protocol/rest-jobs.ts';
import { listQuerySchema } from '../../../protocol/rest-pages.ts';
import type { Permission } from '../../../protocol/roles.ts';
import { rightFor } from '../../../protocol/tool-rights.ts';
import type { Calls, Ended } from '../../calls/call.ts';
import { listAgentCommands } from '../../jobs/read.ts';
import type { Store } from '../../store/store.ts';
import type { Agents } from '../../tenancy/agents.ts';
import { requireNeed } from '../auth-user.ts';
import { numberCursor, writeCursor } from '../cursor.ts';
import { defineRoute, type Route } from '../route.ts';

const READS: ReadonlySet<Permission> = new Set(['inspect.read', 'files.read']);
const AGENT = '/api/v1/organizations/{org}/agents/{id}';
const id = z.string().max(128).describe('agent_id, or the vm_id of a live agent');
const tool = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be the name of a tool');

function streamText({ head, tail, size, omitted }: OutputSummary): {
  text: string;
  size: number;
  omitted: number;
} {
  const [first, last] = [head, tail].map((part) => Buffer.from(part, 'base64').toString('utf8'));
  return { text: omitted === 0 ? `${first}${last}` : `${first}\n…\n${last}`, size, omitted };
}

export function shownCall({ commandId, jobId, state, reason, result, value }: Ended): CallResult {
  const { exit_code, signal, duration_ms, error, stdout, stderr } = result ?? {};
  return {
    command_id: commandId,
    job_id: jobId,
    state,
    reason,
    value,
    ...(exit_code === undefined ? {} : { exit_code }),
    ...(signal === undefined ? {} : { signal }),
    ...(duration_ms === undefined ? {} : { duration_ms }),
    // What a tool answered stands in `value`.
    ...(stdout === undefined || value !== null ? {} : { stdout: streamText(stdout) }),
    ...(stderr === undefined ? {} : { stderr: streamText(stderr) }),
    ...(error === undefined ? {} : { error }),
  };
}

export function callRoutes(options: { calls: Calls; agents: Agents; store: Store }): Route[] {
  const { calls, agents, store } = options;
  return [
    defineRoute({
      method: 'POST',
      path: `${AGENT}/tools/{tool}`,
      summary: 'Call a tool of an agent and wait for its result; needs the right of that tool as well',
      auth: 'user',
      needs: 'inspect.read',
      // What a tool reads of a machine rests nowhere.
      readOnly: (asked) => READS.has(rightFor(asked.tool)),
      params: z.object({ id, tool }),
      query: callQuerySchema,
      body: callArgumentsSchema,
      response: callResultSchema,
      async handler({ org, caller, request, closed, params, query, body }) {
        requireNeed(rightFor(params.tool), caller, org);
        return shownCall(
          await calls.call({
            organizationId: org.id,
            agent: params.id,
            actor: caller.actor,
            address: request.address,
            tool: params.tool,
            args: body,
            waitS: query.wait,
            signal: closed,
          }),
        );
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${AGENT}/commands`,
      summary: 'What an agent was given, newest first',
      auth: 'user',
      needs: 'jobs.read',
      params: z.object({ id }),
      query: listQuerySchema.extend({
        origin: originSchema.optional().describe('Both when missing'),
        open: z.enum(['true', 'false']).default('false').describe('Only those that have not ended'),
      }),
      response: agentCommandListSchema,
      async handler({ org, params, query }) {
        const { agent_id: agentId } = await agents.get(org.id, params.id);
        const { items, nextBefore } = await listAgentCommands(store.db, {
          organizationId: org.id,
          agentId,
          limit: query.limit,
          before: query.cursor === undefined ? undefined : numberCursor(query.cursor),
          origin: query.origin,
          open: query.open === 'true',
        });
        return { items, next_cursor: nextBefore === null ? null : writeCursor(String(nextBefore)) };
      },
    }),
  ];
}
