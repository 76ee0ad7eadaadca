import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, it, vi } from 'vitest';
import { startEarly } from '../../../../scripts/lib/early.ts';
import { ROOT } from '../../../../scripts/lib/root.ts';

it('starts the preflights that take long, but for the first suite’s own, at the lowest priority, and stops them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vm-agent-early-'));
  const suite = (name: string, startsEarly: boolean) => {
    const program = join(folder, `${name}.mjs`);
    writeFileSync(
      program,
      `import { renameSync, writeFileSync } from 'node:fs';
       import { getPriority } from 'node:os';
       writeFileSync('${program}.part', JSON.stringify([process.pid, getPriority()]));
       renameSync('${program}.part', '${program}.ran');
       setInterval(() => {}, 1000);`,
    );
    return { name, files: '', timeout: 1, preflight: relative(ROOT, program), startsEarly };
  };
  const ran = (name: string) => join(folder, `${name}.mjs.ran`);
  try {
    const stop = startEarly([suite('first', true), suite('quick', false), suite('slow', true)]);
    await vi.waitUntil(() => existsSync(ran('slow')), { timeout: 8000 });
    const [pid, priority] = JSON.parse(readFileSync(ran('slow'), 'utf8'));
    expect(priority).toBe(19);
    expect([existsSync(ran('first')), existsSync(ran('quick'))]).toEqual([false, false]);
    stop();
    await vi.waitUntil(() => !existsSync(`/proc/${pid}`), { timeout: 8000 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
