import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unpackTar } from 'modern-tar';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archive } from '../../../../scripts/build/archive.ts';
import type { Recipe } from '../../../../scripts/image/containerfile.ts';
import { makeLayer } from '../../../../scripts/image/layer.ts';

const recipe: Recipe = {
  packages: [],
  copies: [
    { from: ['a.mjs'], to: '/usr/lib/p/' },
    { from: ['launcher.sh'], to: '/usr/local/bin/p' },
    { from: ['pages'], to: '/usr/lib/p/pages' },
  ],
  runtime: '/usr/lib/p/runtime',
  config: {
    user: { uid: 7, gid: 8 },
    workdir: '/',
    entrypoint: ['/usr/local/bin/p'],
    cmd: [],
    env: {},
    labels: {},
    volumes: ['/var/lib/p'],
    ports: [],
    stopSignal: 'SIGTERM',
  },
};

let dist: string;

beforeEach(async () => {
  dist = mkdtempSync(join(tmpdir(), 'vm-agent-dist-'));
  mkdirSync(join(dist, 'artifacts'));
  mkdirSync(join(dist, 'pages'));
  writeFileSync(join(dist, 'a.mjs'), 'a');
  writeFileSync(join(dist, 'launcher.sh'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(dist, 'pages/index.html'), 'page');
  const runtime = await archive([{ name: 'node', body: Buffer.from('elf'), executable: true }]);
  writeFileSync(join(dist, 'artifacts/abc.tar.gz'), runtime);
  writeFileSync(join(dist, 'artifacts/manifest.txt'), `abc ${runtime.length} runtime linux-x64\n`);
});

afterEach(() => rmSync(dist, { recursive: true }));

describe('the layer of an image', () => {
  it('holds our files as root’s, and the volumes as the image’s user’s own', async () => {
    const entries = await unpackTar(await makeLayer({ recipe, dist, platform: 'linux-x64', epoch: 1000 }));
    expect(entries.map(({ header }) => [header.name, header.mode?.toString(8), header.uid])).toEqual([
      ['usr/lib/p/', '755', 0],
      ['usr/lib/p/pages/', '755', 0],
      ['usr/lib/p/runtime/', '755', 0],
      ['var/lib/p/', '700', 7],
      ['usr/lib/p/a.mjs', '644', 0],
      ['usr/lib/p/pages/index.html', '644', 0],
      ['usr/lib/p/runtime/node', '755', 0],
      ['usr/local/bin/p', '755', 0],
    ]);
    expect(new Set(entries.map(({ header }) => header.mtime?.getTime()))).toEqual(new Set([1_000_000]));
  });

  it('is not made without the runtime of its platform, and says what brings it', async () => {
    await expect(makeLayer({ recipe, dist, platform: 'linux-arm64', epoch: 0 })).rejects.toMatchObject({
      code: 'artifact_not_available',
      hint: 'Run `npm run build -- --all-platforms` first.',
    });
  });

  it('is not made of files that are missing', async () => {
    rmSync(join(dist, 'a.mjs'));
    await expect(makeLayer({ recipe, dist, platform: 'linux-x64', epoch: 0 })).rejects.toMatchObject({
      code: 'artifact_not_available',
      hint: 'Run `npm run build` first.',
    });
  });
});
