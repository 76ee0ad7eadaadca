// What `npm run image` writes, as other programs than ours read it.
import { readdirSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PACKAGE } from '../../scripts/lib/root.ts';
import { runProgramOk } from '../host/harness/command.ts';
import { makeImages, npmRunImage, readImageConfig } from './support/images.ts';

const ARCH = process.arch === 'x64' ? 'amd64' : process.arch;
const TAGS = ['latest', PACKAGE.version, `${PACKAGE.version}-${ARCH}`];

let images: Awaited<ReturnType<typeof makeImages>>;

beforeAll(async () => {
  images = await makeImages();
});

afterAll(() => images?.dispose());

describe.each(['agent', 'orchestrator'])('the image of the %s', (name) => {
  it('is one that skopeo and umoci take, under each of its tags', async () => {
    const layout = join(images.folder, name);
    for (const tag of TAGS) {
      const { out } = await runProgramOk(['skopeo', 'inspect', `oci:${layout}:${tag}`]);
      const inspected = JSON.parse(out);
      expect(inspected).toMatchObject({ Architecture: ARCH, Os: 'linux' });
      expect(inspected.Layers).toHaveLength(2);
      expect(images.output).toContain(inspected.Digest);
      const stat = await runProgramOk(['umoci', 'stat', '--json', '--image', `${layout}:${tag}`]);
      expect(JSON.parse(stat.out).history).toHaveLength(2);
    }
  });

  it('can be copied to another place, which checks every digest', async () => {
    const to = join(images.folder, `${name}-copied`);
    await runProgramOk(['skopeo', 'copy', `oci:${join(images.folder, name)}:latest`, `dir:${to}`]);
    expect(readdirSync(to)).toContain('manifest.json');
  });

  it('keeps nothing that no tag leads to', () => {
    // A manifest, a configuration, two layers.
    expect(readdirSync(join(images.folder, name, 'blobs/sha256'))).toHaveLength(4);
  });
});

describe('the configuration', () => {
  it('of the agent: no root, its volume, its port, and what it is', () => {
    const { config } = readImageConfig(join(images.folder, 'agent'), 'latest');
    expect(config).toMatchObject({
      User: '10001:10001',
      Entrypoint: ['/usr/local/bin/vm-agent-container'],
      Cmd: ['run'],
      Volumes: { '/opt/vm-agent': {} },
      ExposedPorts: { '8080/tcp': {} },
      WorkingDir: '/tmp',
      StopSignal: 'SIGTERM',
    });
    expect(config.Env).toContain('VM_AGENT_HOME=/opt/vm-agent');
    expect(config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'vm-agent',
      'org.opencontainers.image.version': PACKAGE.version,
      'org.opencontainers.image.licenses': 'MIT',
    });
  });

  it('of the orchestrator', () => {
    const { config } = readImageConfig(join(images.folder, 'orchestrator'), 'latest');
    expect(config).toMatchObject({
      User: '10001:10001',
      Cmd: ['serve', '--data', '/var/lib/vm-orchestrator', '--listen', '0.0.0.0:8443'],
      Volumes: { '/var/lib/vm-orchestrator': {} },
      ExposedPorts: { '8443/tcp': {} },
    });
  });
});

describe('npm run image', () => {
  it('makes the same bytes of the same dist/', async () => {
    const again = await mkdtemp(join(tmpdir(), 'vm-agent-images-'));
    try {
      const { code, out } = await npmRunImage(['--only', 'agent', '--out', again]);
      expect(code).toBe(0);
      const digest = /sha256:[0-9a-f]{64}/.exec(out)?.[0];
      expect(digest).toBeDefined();
      expect(images.output).toContain(digest);
    } finally {
      rmSync(again, { recursive: true, force: true });
    }
  });

  it('names the packages that bring what is missing', async () => {
    const { code, err } = await npmRunImage([], {
      env: { PATH: dirname(process.execPath), HOME: '/nowhere' },
    });
    expect({ code, err }).toEqual({
      code: 3,
      err: 'image: mmdebstrap and umoci missing: apt-get install mmdebstrap umoci\n',
    });
  });

  it.each([
    ['--onyl', 'agent'],
    ['--only', 'agents'],
    ['--platform', 'linux/s390x'],
    ['--tag', 'not a tag'],
  ])('refuses %s %s as wrong usage', async (...words) => {
    const { code, err } = await npmRunImage(words);
    expect(code).toBe(2);
    expect(err).toContain('npm run image -- --help');
  });
});
