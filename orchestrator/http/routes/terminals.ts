import { z } from 'zod';
import { AppError } from '../../../protocol/errors.ts';
import { terminalIdSchema } from '../../../protocol/ids.ts';
import {
  listRecordingsQuerySchema,
  liveTerminalListSchema,
  recordingListSchema,
  recordingSchema,
} from '../../../protocol/rest-terminals.ts';
import { TERMINAL_SUBPROTOCOL } from '../../../protocol/terminal-codes.ts';
import type { Agents } from '../../tenancy/agents.ts';
import type { Terminals } from '../../terminals/terminals.ts';
import { defineRoute, type Route } from '../route.ts';

const ORG = '/api/v1/organizations/{org}';
const params = z.object({ id: terminalIdSchema });

export function terminalRoutes(options: { terminals: Terminals; agents: Pick<Agents, 'get'> }): Route[] {
  const { terminals, agents } = options;
  const { recordings } = terminals;
  return [
    defineRoute({
      method: 'GET',
      // The door of terminal-door.ts takes its upgrades, with the same questions.
      path: `${ORG}/agents/{id}/terminal`,
      summary: `Open a terminal, or attach to one: a WebSocket of the subprotocol ${TERMINAL_SUBPROTOCOL}`,
      auth: 'user',
      needs: 'terminal.open',
      params: z.object({ id: z.string().max(128).describe('agent_id, or the vm_id of a live agent') }),
      async handler({ org, params: { id } }): Promise<undefined> {
        await agents.get(org.id, id);
        throw new AppError('bad_request', {
          detail: 'This is a WebSocket.',
          hint: `Send an upgrade with Sec-WebSocket-Protocol: ${TERMINAL_SUBPROTOCOL}, or use vm-orchestrator shell.`,
        });
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/terminals`,
      summary: 'Terminals that are open now',
      auth: 'user',
      needs: 'terminal.open',
      response: liveTerminalListSchema,
      handler: ({ org, caller }) => ({ items: terminals.list(org.id, caller.actor) }),
    }),
    defineRoute({
      method: 'DELETE',
      path: `${ORG}/terminals/{id}`,
      summary: 'End a terminal: one’s own, or as an admin any',
      auth: 'user',
      needs: 'terminal.open',
      params,
      async handler({ org, caller, params: { id } }) {
        const rules = caller.systemAdmin || org.permissions.has('agents.write');
        await terminals.close({ organizationId: org.id, actor: caller.actor, rules }, id);
        return undefined;
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/recordings`,
      summary: 'Recordings of terminals, the newest first',
      auth: 'user',
      needs: 'recordings.read',
      query: listRecordingsQuerySchema,
      response: recordingListSchema,
      handler: ({ org, query: { agent, cursor, limit } }) =>
        recordings.list({ organizationId: org.id, agent, cursor, limit }),
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/recordings/{id}`,
      summary: 'About one recording',
      auth: 'user',
      needs: 'recordings.read',
      params,
      response: recordingSchema,
      handler: ({ org, params: { id } }) => recordings.get(org.id, id),
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/recordings/{id}/cast`,
      summary: 'The recording itself, as asciicast v2; that it was read is audited',
      auth: 'user',
      needs: 'recordings.read',
      params,
      raw: { contentType: 'application/x-asciicast', description: 'asciicast v2' },
      async handler({ org, caller, request, params: { id } }) {
        const asker = { organizationId: org.id, actor: caller.actor, address: request.address };
        const { size, body } = await recordings.read(asker, id);
        return {
          headers: {
            'content-type': 'application/x-asciicast',
            'content-length': String(size),
            // Whatever a VM showed is never a page.
            'content-disposition': `attachment; filename="${id}.cast"`,
            'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
            'x-content-type-options': 'nosniff',
          },
          body,
        };
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: `${ORG}/recordings/{id}`,
      summary: 'Delete a recording',
      auth: 'user',
      needs: 'recordings.write',
      params,
      async handler({ org, caller, request, params: { id } }) {
        await recordings.remove(
          { organizationId: org.id, actor: caller.actor, address: request.address },
          id,
        );
        return undefined;
      },
    }),
  ];
}
