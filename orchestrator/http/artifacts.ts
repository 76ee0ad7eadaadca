import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../protocol/errors.ts';
import { fileAnswer, isFresh } from './files.ts';
import { defineRoute, type Route } from './route.ts';

const TYPES: Readonly<Record<string, string>> = {
  'manifest.json': 'application/json; charset=utf-8',
  'manifest.txt': 'text/plain; charset=utf-8',
  'release-keys.json': 'application/json; charset=utf-8',
  'release-keys-update.json': 'application/json; charset=utf-8',
};
const ARCHIVE = /^([0-9a-f]{64})\.tar\.gz$/;
/** An archive is named by its hash and never changes. */
const FOREVER = 'public, max-age=31536000, immutable';

const missing = (name: string): AppError =>
  new AppError('artifact_not_available', {
    detail: `This orchestrator does not have the artifact ${name}.`,
    hint: 'Run `npm run build` where the orchestrator was built; `npm run build -- --all-platforms` adds the runtimes of other platforms.',
  });

/** What the installer downloads: the signed manifest, the keys that sign it, and archives named by their SHA-256. */
export function artifactRoutes(options: { dist: string }): Route[] {
  const folder = join(options.dist, 'artifacts');
  return [
    defineRoute({
      method: 'GET',
      path: '/artifacts/{name}',
      summary: 'A file of the release that agents are installed from',
      auth: 'none',
      params: z.object({ name: z.string().max(128) }),
      raw: { contentType: 'application/octet-stream', description: 'The file' },
      async handler({ params: { name }, request }) {
        const hash = ARCHIVE.exec(name)?.[1];
        const type = hash === undefined ? TYPES[name] : 'application/gzip';
        // Only names of these forms ever become paths.
        if (type === undefined) throw missing(JSON.stringify(name));
        if (hash === undefined) {
          const answer = await fileAnswer(join(folder, name), {
            'content-type': type,
            'cache-control': 'no-cache',
          });
          if (answer === undefined) throw missing(name);
          return answer;
        }
        const etag = `"${hash}"`;
        const headers = { 'content-type': type, 'cache-control': FOREVER, etag };
        if (isFresh(request.headers['if-none-match'], etag)) return { status: 304, headers, body: null };
        const answer = await fileAnswer(join(folder, name), headers);
        if (answer === undefined) throw missing(name);
        return answer;
      },
    }),
  ];
}
