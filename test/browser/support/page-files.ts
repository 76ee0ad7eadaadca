import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundlePages } from '../../../scripts/build/bundle.ts';
import { ROOT } from '../../../scripts/lib/root.ts';

const SOURCE = join(ROOT, 'orchestrator/dashboard');

/** The dashboard's files as the build makes them, by path. */
export async function buildPageFiles(): Promise<Map<string, { type: string; body: Buffer }>> {
  const folder = mkdtempSync(join(tmpdir(), 'vm-agent-page-'));
  try {
    await bundlePages(folder);
    return new Map([
      ['/', { type: 'text/html; charset=utf-8', body: readFileSync(join(SOURCE, 'index.html')) }],
      ['/style.css', { type: 'text/css; charset=utf-8', body: readFileSync(join(SOURCE, 'style.css')) }],
      [
        '/app.js',
        { type: 'text/javascript; charset=utf-8', body: readFileSync(join(folder, 'dashboard/app.js')) },
      ],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** As strict as the page allows: nothing inline, nothing from elsewhere, and no string ever becomes markup or script. */
export const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'x-content-type-options': 'nosniff',
};
