// The components as a package for programs in any language: the engine starts them as a provider.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as command from '@pulumi/command';
import * as pulumi from '@pulumi/pulumi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentFleet, AgentUserData } from '../../infra/index.ts';
import { ROOT } from '../../scripts/lib/root.ts';
import { type FakeControlPlane, startFakeControlPlane } from '../fakes/fake-control-plane.ts';
import { runProgramOk } from '../host/harness/command.ts';
import { providePulumi } from './engine/engine.ts';
import { openStack, type Run } from './support/stack.ts';

const folder = mkdtempSync(join(tmpdir(), 'vm-agent-components-'));
const program = join(folder, 'pulumi-resource-vm-agent');
let plane: FakeControlPlane;

beforeAll(async () => {
  writeFileSync(
    program,
    `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'infra/provider/main.ts')}' "$@"\n`,
    { mode: 0o755 },
  );
  plane = await startFakeControlPlane();
});
afterAll(async () => {
  await plane.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What a program in another language declares. */
class Remote extends pulumi.ComponentResource {
  declare readonly userDataBase64: pulumi.Output<string>;
  declare readonly tokenId: pulumi.Output<string>;

  constructor(kind: string, name: string, args: pulumi.Inputs) {
    super(
      `vm-agent:index:${kind}`,
      name,
      { ...args, userDataBase64: undefined, tokenId: undefined },
      {},
      true,
    );
  }
}

describe('the component package', () => {
  it('tells the command line its schema', async () => {
    const { command } = (await providePulumi()) as unknown as { command: string };
    const { out } = await runProgramOk([command, 'package', 'get-schema', program]);
    const text = readFileSync(join(ROOT, 'infra/provider/schema.json'), 'utf8');
    // The engine tells optional fields by their absence from `required`.
    const shipped = JSON.parse(text, (key, value) => (key === 'optional' ? undefined : value));
    const told = JSON.parse(out);
    expect(Object.keys(told.resources).sort()).toEqual(Object.keys(shipped.resources).sort());
    expect(told.types).toEqual(shipped.types);
  });

  it('makes components with secrets in them, which stay secret', async () => {
    const stack = await openStack({
      providers: { 'vm-agent': folder },
      program: async () => {
        const orchestrator = {
          url: plane.url,
          apiToken: pulumi.secret(plane.apiToken),
          caPem: plane.caPem,
        };
        const { userDataBase64, tokenId } = new Remote('AgentUserData', 'vm', {
          orchestrator,
          labels: { env: 'test' },
        });
        return { userDataBase64, tokenId };
      },
    });
    try {
      const first = await stack.up();
      expect(first.error).toBeUndefined();
      expect(first.outputs['tokenId']).toBe(plane.tokens[0]?.id);
      const userData = Buffer.from(String(first.outputs['userDataBase64']), 'base64').toString();
      expect(userData).toMatch(/^#cloud-config\n/);
      expect(userData).toContain(`prov_${plane.tokens[0]?.id}_`);
      expect(plane.tokens).toMatchObject([{ body: { labels: { env: 'test' }, ttl_s: 900, uses: 1 } }]);
      expect((await stack.up()).touched).toEqual([]);
      expect(stack.filesWith(plane.apiToken)).toEqual([]);
      expect(stack.filesWith(/prov_[a-z0-9]{12}_/)).toEqual([]);
      const gone = await stack.destroy();
      expect(gone.error).toBeUndefined();
      expect(plane.tokens).toMatchObject([{ revoked: true }]);
    } finally {
      stack.dispose();
    }
  });
});

describe('the user-data of a machine', () => {
  it('stays as it is, until what replaces the machine brings a new token with it', async () => {
    let image = 'debian-12';
    let env = 'test';
    const stack = await openStack({
      program: async () => {
        const { userData } = new AgentUserData('boot', {
          orchestrator: { url: plane.url, apiToken: plane.apiToken, caPem: plane.caPem },
          labels: { env },
          triggers: [image],
        });
        // Like a cloud's machine, which another image replaces.
        const vm = new command.local.Command(
          'vm',
          { create: 'true', stdin: userData, triggers: [image] },
          { ignoreChanges: ['stdin'] },
        );
        return { userData: vm.stdin };
      },
    });
    const tokenOf = (run: Run) => /prov_([a-z0-9]{12})_/.exec(String(run.outputs['userData']))?.[1];
    const newest = () => plane.tokens.at(-1)?.id;
    try {
      const first = await stack.up();
      expect(first.error).toBeUndefined();
      expect(tokenOf(first)).toBe(newest());

      // Another release of the orchestrator comes with another script, and user-data made anew would name it.
      plane.setup = '#!/bin/sh\n# of the next release\n';
      expect((await stack.up()).touched).toEqual([]);

      // Other labels need another token, for machines that are still to come; the one that runs keeps its own.
      env = 'prod';
      const relabelled = await stack.up();
      expect(relabelled.touched).toContain('replace boot-frozen');
      expect(relabelled.touched.filter((step) => step.endsWith(' vm'))).toEqual([]);
      expect(tokenOf(relabelled)).not.toBe(newest());

      image = 'debian-13';
      const replaced = await stack.up();
      expect(replaced.touched).toContain('replace vm');
      expect(tokenOf(replaced)).toBe(newest());
      expect(plane.tokens.filter(({ revoked }) => !revoked)).toMatchObject([{ id: newest() }]);
    } finally {
      stack.dispose();
    }
  });
});

it('a preview that cannot ask the orchestrator fails, says so, and removes nothing', async () => {
  const stack = await openStack({
    program: async () => {
      const connection = { host: '192.0.2.1', hostKey: 'ssh-ed25519 AAAA' };
      const orchestrator = { url: plane.url, apiToken: plane.apiToken, caPem: plane.caPem };
      new AgentFleet('fleet', { orchestrator, hosts: { web: { connection } } });
    },
  });
  try {
    expect((await stack.preview()).error).toBeUndefined();
    plane.down = true;
    const failed = await stack.preview();
    expect(failed.error).toMatch(/The orchestrator .* cannot be reached/);
    expect(failed.touched.filter((step) => step.startsWith('delete'))).toEqual([]);
    expect(failed.touched).toContain('create fleet-web-install');
  } finally {
    plane.down = false;
    stack.dispose();
  }
});
