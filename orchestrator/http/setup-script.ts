import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../protocol/errors.ts';
import { fileAnswer } from './files.ts';
import { defineRoute, type Route } from './route.ts';

/** SHA-256 of the bootstrap script, hex: user-data names it, so that a machine runs no other. */
export async function setupScriptSha256(dist: string): Promise<string | undefined> {
  const text = await readFile(join(dist, 'bootstrap.sh')).catch(() => undefined);
  return text && createHash('sha256').update(text).digest('hex');
}

/** The bootstrap script, byte for byte: nothing of the request goes into it, so nobody can make it say something. */
export function setupScriptRoutes(options: { dist: string }): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/setup.sh',
      summary: 'The bootstrap script that the enrolling line runs',
      auth: 'none',
      raw: { contentType: 'text/x-shellscript', description: 'POSIX shell script' },
      async handler() {
        const answer = await fileAnswer(join(options.dist, 'bootstrap.sh'), {
          'content-type': 'text/x-shellscript; charset=utf-8',
          'cache-control': 'no-cache',
        });
        if (answer !== undefined) return answer;
        throw new AppError('artifact_not_available', {
          detail: 'This orchestrator was started without its bootstrap script.',
          hint: 'Run `npm run build` where the orchestrator was built.',
        });
      },
    }),
  ];
}
