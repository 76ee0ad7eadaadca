// The Kubernetes manifests against the schemas of real releases, and against the image that they start.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { readContainerfile } from '../../scripts/image/containerfile.ts';
import { ROOT } from '../../scripts/lib/root.ts';
import { runProgramOk } from '../host/harness/command.ts';
import { provideKustomize } from './support/kustomize.ts';
import { type PythonTool, providePython } from './support/python.ts';

const KUBERNETES = join(ROOT, 'infra/kubernetes');
/** The oldest that we name in docs/kubernetes.md, and the newest that the validator has. */
const RELEASES = ['1.29', '1.37'];

/** Or why this machine has none. */
let validator: PythonTool | string;
let kustomize: { program: string } | string;

// biome-ignore lint/suspicious/noExplicitAny: what YAML holds; the schemas are checked by the validator.
type Manifest = any;

const base = readdirSync(join(KUBERNETES, 'base')).filter((name) => name !== 'kustomization.yaml');
const read = (name: string): Manifest => parse(readFileSync(join(KUBERNETES, 'base', name), 'utf8'));

let work: string;

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'vm-agent-manifests-'));
  validator = await providePython('kubernetes-validate');
  kustomize = await provideKustomize();
});

afterAll(() => rm(work, { recursive: true, force: true }));

async function render(folder: string): Promise<{ text: string; objects: Manifest[] }> {
  if (typeof kustomize === 'string') throw new Error(kustomize);
  const { out } = await runProgramOk([kustomize.program, 'build', resolve(KUBERNETES, folder)]);
  return { text: out, objects: parseAllDocuments(out).map((document) => document.toJS()) };
}

/** What the validator says against it; empty when all is valid. */
async function complaints(text: string, release: string): Promise<string> {
  if (typeof validator === 'string') throw new Error(validator);
  const file = join(work, 'rendered.yaml');
  writeFileSync(file, text);
  const { code, out, err } = await validator.run(['kubernetes_validate', '--strict', '-k', release, file]);
  return code === 0 ? '' : out + err;
}

describe('each file of the base', () => {
  beforeEach((context) => {
    if (typeof validator === 'string') context.skip(validator);
  });

  it.each(base.flatMap((name) => RELEASES.map((release) => [name, release] as const)))(
    '%s is strictly valid for Kubernetes %s',
    async (name, release) => {
      expect(await complaints(readFileSync(join(KUBERNETES, 'base', name), 'utf8'), release)).toBe('');
    },
  );

  it('would not be, with a word that Kubernetes does not know', async () => {
    const text = readFileSync(join(KUBERNETES, 'base/daemonset.yaml'), 'utf8');
    expect(await complaints(text.replace('hostNetwork:', 'hostNetwrok:'), '1.37')).toContain('hostNetwrok');
  });
});

describe('what kustomize renders', () => {
  beforeEach((context) => {
    if (typeof validator === 'string') context.skip(validator);
    if (typeof kustomize === 'string') context.skip(kustomize);
  });

  it.each(['base', 'overlays/node-access'])('of %s is strictly valid', async (folder) => {
    const { text, objects } = await render(folder);
    for (const release of RELEASES) expect(await complaints(text, release)).toBe('');
    expect(objects.map(({ kind }) => kind).sort()).toEqual([
      'DaemonSet',
      'Namespace',
      'NetworkPolicy',
      'PriorityClass',
      'ServiceAccount',
    ]);
  });

  it('restarts no agent for a new token, with a kustomization as the page has it', async () => {
    const page = readFileSync(join(KUBERNETES, 'README.md'), 'utf8');
    const [, block = ''] = /```yaml\n# kustomization.yaml\n(.*?)```/s.exec(page) ?? [];
    const folder = join(work, 'cluster');
    mkdirSync(folder);
    const resources = [relative(folder, join(KUBERNETES, 'base'))];
    writeFileSync(join(folder, 'kustomization.yaml'), stringify({ ...parse(block), resources }));
    const rendered = [];
    for (const token of ['prov_first', 'prov_second']) {
      writeFileSync(join(folder, 'token.env'), `PROVISIONING_TOKEN=${token}\n`);
      const { text, objects } = await render(folder);
      expect(await complaints(text, '1.37')).toBe('');
      rendered.push(objects.find(({ kind }) => kind === 'DaemonSet'));
    }
    expect(rendered[0].spec.template.spec.containers[0].image).toBe('registry.example.com/vm-agent:0.1.0');
    expect(rendered[1]).toEqual(rendered[0]);
  });

  it('gives the node away in the overlay that says so alone', async () => {
    const podOf = async (folder: string) =>
      (await render(folder)).objects.find(({ kind }) => kind === 'DaemonSet').spec.template.spec;
    const plain = await podOf('base');
    expect(plain).not.toHaveProperty('hostPID');
    expect(plain.volumes.filter(({ hostPath }: Manifest) => hostPath?.path === '/')).toEqual([]);
    const open = await podOf('overlays/node-access');
    expect(open.hostPID).toBe(true);
    expect(open.containers[0].securityContext).toMatchObject({ privileged: true, runAsUser: 0 });
    expect(open.containers[0].securityContext).not.toHaveProperty('capabilities');
    expect(open.containers[0].volumeMounts).toHaveLength(3);
  });
});

describe('the DaemonSet', () => {
  const pod = read('daemonset.yaml').spec.template.spec;
  const [container] = pod.containers;
  const image = readContainerfile(
    readFileSync(join(ROOT, 'infra/containers/agent/Containerfile'), 'utf8'),
    {},
  ).config;

  it('is one of the base’s resources, as every file there is', () => {
    const listed: string[] = read('kustomization.yaml').resources;
    expect([...listed].sort()).toEqual([...base].sort());
  });

  it('runs as the image’s user, on the image’s volume, and can write nowhere else', () => {
    expect(container.securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: image.user.uid,
      runAsGroup: image.user.gid,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(container.volumeMounts.map(({ mountPath }: Manifest) => mountPath)).toEqual([
      ...image.volumes,
      '/tmp',
    ]);
    expect(pod.securityContext.seccompProfile).toEqual({ type: 'RuntimeDefault' });
  });

  it('gives root to the one container that hands the folder over, with the one capability for it', () => {
    const [prepare, ...more] = pod.initContainers;
    expect(more).toEqual([]);
    expect(prepare.args).toEqual(['prepare']);
    expect(prepare.securityContext).toMatchObject({
      runAsUser: 0,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['CHOWN'] },
    });
  });

  it('probes the port that its environment sets, on the node’s loopback', () => {
    const env = Object.fromEntries(container.env.map(({ name, value }: Manifest) => [name, value]));
    expect(env['VM_AGENT_SERVER__HOST']).toBe('127.0.0.1');
    const probe = (path: string) => ({
      httpGet: { host: '127.0.0.1', port: Number(env['VM_AGENT_SERVER__PORT']), path, scheme: 'HTTP' },
    });
    expect(container.startupProbe).toMatchObject(probe('/livez'));
    expect(container.livenessProbe).toMatchObject(probe('/livez'));
    expect(container.readinessProbe).toMatchObject(probe('/health'));
  });

  it('takes the token from a secret, and no token of the cluster', () => {
    expect(container.env).toContainEqual({
      name: 'PROVISIONING_TOKEN',
      valueFrom: { secretKeyRef: { name: 'vm-agent', key: 'PROVISIONING_TOKEN', optional: true } },
    });
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(read('service-account.yaml').automountServiceAccountToken).toBe(false);
  });
});
