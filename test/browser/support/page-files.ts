import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundlePages } from '../../../scripts/build/bundle.ts';
import { ROOT } from '../../../scripts/lib/root.ts';

/** Makes `<dist>/dashboard/` from the sources, as the build does. */
export async function buildPage(dist: string): Promise<void> {
  await bundlePages(dist);
  copyFileSync(join(ROOT, 'orchestrator/dashboard/index.html'), join(dist, 'dashboard/index.html'));
}

const SERVED = [
  { path: '/', name: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/style.css', name: 'style.css', type: 'text/css; charset=utf-8' },
  { path: '/terminal.css', name: 'terminal.css', type: 'text/css; charset=utf-8' },
  { path: '/terminal.js', name: 'terminal.js', type: 'text/javascript; charset=utf-8' },
  { path: '/charts.js', name: 'charts.js', type: 'text/javascript; charset=utf-8' },
  { path: '/sha256.js', name: 'sha256.js', type: 'text/javascript; charset=utf-8' },
  { path: '/app.js', name: 'app.js', type: 'text/javascript; charset=utf-8' },
];

/** The dashboard's files by path. */
export async function buildPageFiles(): Promise<Map<string, { type: string; body: Buffer }>> {
  const dist = mkdtempSync(join(tmpdir(), 'vm-agent-page-'));
  try {
    await buildPage(dist);
    return new Map(
      SERVED.map(({ path, name, type }) => [
        path,
        { type, body: readFileSync(join(dist, 'dashboard', name)) },
      ]),
    );
  } finally {
    rmSync(dist, { recursive: true });
  }
}
