import { Readable } from 'node:stream';
import { z } from 'zod';
import { type CommandId, commandIdSchema } from '../../../protocol/ids.ts';
import { commandSchema, outputQuerySchema } from '../../../protocol/rest-jobs.ts';
import type { OutputKey, OutputStore } from '../../jobs/output-store.ts';
import { readCommand } from '../../jobs/read.ts';
import type { Store } from '../../store/store.ts';
import { defineRoute, type Route } from '../route.ts';

const params = z.object({ id: commandIdSchema });
/** Bytes that one answer holds in memory at a time. */
const PIECE = 256 * 1024;

/** The bytes from `from` to `to`, read as fast as the client takes them. */
async function* pieces(files: OutputStore, key: OutputKey, from: number, to: number) {
  for (let at = from; at < to; ) {
    const bytes = await files.read(key, at, Math.min(PIECE, to - at));
    if (bytes.length === 0) throw new Error(`the output of ${key.commandId} ends before ${to}`);
    yield bytes;
    at += bytes.length;
  }
}

export function commandRoutes(options: { store: Store; files: OutputStore }): Route[] {
  const { store, files } = options;
  const read = (organizationId: string, id: CommandId) => readCommand(store.db, organizationId, id);
  return [
    defineRoute({
      method: 'GET',
      path: '/api/v1/organizations/{org}/commands/{id}',
      summary: 'Read a command',
      auth: 'user',
      needs: 'jobs.read',
      params,
      response: commandSchema,
      handler: ({ org, params: { id } }) => read(org.id, id),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/organizations/{org}/commands/{id}/output',
      summary: 'Read a part of a command’s output; X-Output-Size says how much there is in all',
      auth: 'user',
      needs: 'jobs.read',
      params,
      query: outputQuerySchema,
      raw: { contentType: 'application/octet-stream', description: 'The bytes as the command wrote them' },
      async handler({ org, params: { id }, query: { stream, offset, limit } }) {
        const command = await read(org.id, id);
        const size = command.output[stream];
        const from = Math.min(offset, size);
        const to = Math.min(from + limit, size);
        const key: OutputKey = { organizationId: org.id, commandId: id, stream };
        return {
          headers: {
            'content-type': 'application/octet-stream',
            'content-length': String(to - from),
            // Whatever a VM printed is never a page.
            'content-disposition': `attachment; filename="${id}.${stream}"`,
            'x-content-type-options': 'nosniff',
            'x-output-size': String(size),
            'x-output-offset': String(from),
            'x-output-complete': String(command.ended_at !== null && to === size),
          },
          body: Readable.from(pieces(files, key, from, to), { objectMode: false, highWaterMark: PIECE }),
        };
      },
    }),
  ];
}
