import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import type { Clock } from '../../../base/clock.ts';
import { randomHex } from '../../../base/random.ts';
import { AppError } from '../../../protocol/errors.ts';
import type { UploadFile } from '../../../protocol/file-tools.ts';
import {
  appendQuerySchema,
  beginUploadSchema,
  contentQuerySchema,
  finishUploadSchema,
  type Upload,
  uploadParamsSchema,
  uploadSchema,
} from '../../../protocol/rest-calls.ts';
import { record } from '../../audit/audit.ts';
import { parseByteRange } from '../../calls/byte-range.ts';
import type { Downloads, Who } from '../../calls/download.ts';
import type { Uploads } from '../../calls/upload.ts';
import type { GroupCommit } from '../../store/group-commit.ts';
import type { Agents } from '../../tenancy/agents.ts';
import type { Caller, OrganizationAccess } from '../auth.ts';
import { defineRoute, type RequestInfo, type Route } from '../route.ts';

const FILES = '/api/v1/organizations/{org}/agents/{id}/files';
const UPLOADS = `${FILES}/uploads`;
const params = z.object({ id: z.string().max(128).describe('agent_id, or the vm_id of a live agent') });

/** Whatever a VM keeps in a file is never a page, whoever opens the link. */
const AS_FILE = {
  'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
} as const;

/** A name for a saved file: the last part of the path, ASCII for old clients and UTF-8 for the rest (RFC 6266). */
export function dispositionOf(path: string): string {
  const name = posix.basename(path);
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

export function fileRoutes(options: {
  downloads: Downloads;
  uploads: Uploads;
  agents: Agents;
  commits: GroupCommit;
  clock: Clock;
}): Route[] {
  const { downloads, uploads, agents, commits, clock } = options;

  /** Resolved once: pieces of one transfer are for one agent. */
  async function whoOf(
    context: { caller: Caller; org: OrganizationAccess; request: RequestInfo; closed: AbortSignal },
    agent: string,
  ): Promise<Who> {
    const { agent_id } = await agents.get(context.org.id, agent);
    return {
      organizationId: context.org.id,
      agent: agent_id,
      actor: context.caller.actor,
      address: context.request.address,
      signal: context.closed,
    };
  }

  const audit = (who: Who, action: string, detail: Record<string, unknown>) =>
    commits.run((tx) =>
      record(tx, {
        at: clock.now(),
        organizationId: who.organizationId,
        action,
        actor: who.actor,
        address: who.address,
        target: who.agent,
        detail,
      }),
    );

  const shown = (uploadId: string, { file_path: path, ...rest }: UploadFile): Upload => ({
    upload_id: uploadId,
    path,
    ...rest,
  });

  return [
    defineRoute({
      method: 'GET',
      path: `${FILES}/content`,
      summary: 'Download a file of an agent; takes Range and If-Range, so that a download can go on',
      auth: 'user',
      needs: 'files.read',
      params,
      query: contentQuerySchema,
      raw: { contentType: 'application/octet-stream', description: 'The bytes of the file' },
      otherStatuses: { 206: 'The part that Range asked for', 416: 'Range lies behind the end of the file' },
      async handler({ params: { id }, query: { path }, ...context }) {
        const who = await whoOf(context, id);
        const { range } = context.request.headers;
        const ifRange = context.request.headers['if-range']?.toString();
        const asked = parseByteRange(range);
        const file = await downloads.open(who, path, asked, ifRange);
        const { size, part, version } = file;
        const headers = {
          ...AS_FILE,
          'accept-ranges': 'bytes',
          etag: `"${version}"`,
          'last-modified': new Date(file.modified).toUTCString(),
        };
        if (part === undefined)
          return { status: 416, headers: { ...headers, 'content-range': `bytes */${size}` }, body: null };
        const { from, to } = part;
        await audit(who, 'file.download', { path: file.path, size, from, to, version });
        const partial = from > 0 || to < size;
        return {
          status: partial ? 206 : 200,
          headers: {
            ...headers,
            'content-type': 'application/octet-stream',
            'content-disposition': dispositionOf(file.path),
            'content-length': String(to - from),
            ...(partial ? { 'content-range': `bytes ${from}-${to - 1}/${size}` } : {}),
          },
          body: Readable.from(file.body(), { objectMode: false }),
        };
      },
    }),
    defineRoute({
      method: 'POST',
      path: UPLOADS,
      summary: 'Begin an upload to an agent, or learn how far one has come',
      auth: 'user',
      needs: 'files.write',
      params,
      body: beginUploadSchema,
      response: uploadSchema,
      successStatus: 201,
      async handler({ params: { id }, body, ...context }) {
        const who = await whoOf(context, id);
        const { path: file_path, size, overwrite } = body;
        const upload_id = body.upload_id ?? randomHex(32);
        return shown(upload_id, await uploads.begin(who, { file_path, upload_id, size, overwrite }));
      },
    }),
    defineRoute({
      method: 'PUT',
      path: `${UPLOADS}/{upload_id}`,
      summary:
        'Add bytes to an upload: the body, as application/octet-stream; what came of a cut one is kept',
      auth: 'user',
      needs: 'files.write',
      params: params.extend(uploadParamsSchema.shape),
      query: appendQuerySchema,
      rawBody: { contentType: 'application/octet-stream', description: 'The bytes from `offset` on' },
      response: uploadSchema,
      async handler({ params: { id, upload_id }, query: { path: file_path, offset }, ...context }) {
        const who = await whoOf(context, id);
        if (context.request.headers['content-type'] !== 'application/octet-stream')
          throw new AppError('bad_request', {
            detail: 'The bytes of a file come as Content-Type: application/octet-stream.',
          });
        const received = await uploads.append(who, { file_path, upload_id, offset }, context.request.raw);
        return { upload_id, path: file_path, received, done: false };
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${UPLOADS}/{upload_id}/finish`,
      summary: 'Put an upload in its place, when all of it has come and its SHA-256 is right',
      auth: 'user',
      needs: 'files.write',
      params: params.extend(uploadParamsSchema.shape),
      body: finishUploadSchema,
      response: uploadSchema,
      async handler({
        params: { id, upload_id },
        body: { path: file_path, mode, expected_version, ...body },
        ...context
      }) {
        const who = await whoOf(context, id);
        const done = await uploads.finish(who, {
          file_path,
          upload_id,
          ...body,
          ...(mode === undefined ? {} : { mode }),
          ...(expected_version === undefined ? {} : { expected_version }),
        });
        const { size, sha256 } = body;
        await audit(who, 'file.upload', { path: done.file_path, size, sha256, created: done.created });
        return shown(upload_id, done);
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: `${UPLOADS}/{upload_id}`,
      summary: 'Throw away what came of an upload',
      auth: 'user',
      needs: 'files.write',
      params: params.extend(uploadParamsSchema.shape),
      query: contentQuerySchema,
      async handler({ params: { id, upload_id }, query: { path: file_path }, ...context }) {
        await uploads.abort(await whoOf(context, id), { file_path, upload_id });
        return undefined;
      },
    }),
  ];
}
