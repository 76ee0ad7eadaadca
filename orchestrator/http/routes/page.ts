import { join } from 'node:path';
import { AppError } from '../../../protocol/errors.ts';
import { fileAnswer } from '../files.ts';
import { defineRoute, type Route } from '../route.ts';
import { PAGE_HEADERS } from '../security-headers.ts';

const FILES: readonly { path: string; file: string; type: string }[] = [
  { path: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/index.html', file: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/app.js', file: 'app.js', type: 'text/javascript; charset=utf-8' },
  { path: '/charts.js', file: 'charts.js', type: 'text/javascript; charset=utf-8' },
  { path: '/sha256.js', file: 'sha256.js', type: 'text/javascript; charset=utf-8' },
  { path: '/style.css', file: 'style.css', type: 'text/css; charset=utf-8' },
  { path: '/terminal.js', file: 'terminal.js', type: 'text/javascript; charset=utf-8' },
  { path: '/terminal.css', file: 'terminal.css', type: 'text/css; charset=utf-8' },
];

/** The dashboard's files. */
export function pageRoutes(options: { dist: string }): Route[] {
  return FILES.map(({ path, file, type }) =>
    defineRoute({
      method: 'GET',
      path,
      summary: 'The dashboard',
      auth: 'none',
      raw: { contentType: type, description: 'File of the dashboard' },
      async handler() {
        const answer = await fileAnswer(join(options.dist, 'dashboard', file), {
          ...PAGE_HEADERS,
          'content-type': type,
        });
        if (answer !== undefined) return answer;
        throw new AppError('artifact_not_available', {
          detail: `The dashboard’s ${file} is not here.`,
          hint: 'Run `npm run build` where the orchestrator was built.',
        });
      },
    }),
  );
}
