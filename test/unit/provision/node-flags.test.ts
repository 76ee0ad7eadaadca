import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NODE_FLAGS } from '../../../provision/node-flags.ts';

const ROOT = join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

describe.each(Object.entries(NODE_FLAGS))('what Node is started with for %s', (program, flags) => {
  it('is the same in every launcher', () => {
    expect(read(`bin/${program}`)).toContain(`/$pinned" ${flags.join(' ')} "$bundle"`);
    expect(read('provision/container/launcher.sh')).toContain(
      `${program}) exec /usr/lib/vm-agent/runtime/node ${flags.join(' ')} `,
    );
  });

  it('is known to the pinned Node', () => {
    const { status, stderr } = spawnSync(process.execPath, [...flags, '--eval', '0'], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });
});
