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
      [
        '/style.css',
        { type: 'text/css; charset=utf-8', body: readFileSync(join(folder, 'dashboard/style.css')) },
      ],
      [
        '/app.js',
        { type: 'text/javascript; charset=utf-8', body: readFileSync(join(folder, 'dashboard/app.js')) },
      ],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
