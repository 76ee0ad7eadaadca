// `npm run image`: makes OCI image layouts of dist/ in dist/images/, without a container engine.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { AppError } from '../protocol/errors.ts';
import { provideBase } from './image/base.ts';
import { readContainerfile } from './image/containerfile.ts';
import { makeLayer } from './image/layer.ts';
import { writeLayout } from './image/layout.ts';
import { PACKAGE, ROOT } from './lib/root.ts';

const HELP = `Usage: npm run image [-- OPTION…]

Makes OCI images of the agent and the orchestrator out of dist/, without a container engine and without a registry.
Settings, packages and files are those of infra/containers/*/Containerfile; the base is this machine's own Debian or
Ubuntu, from its own apt sources, and kept in ~/.cache/vm-agent.

Options:
  --only agent|orchestrator  just this one
  --platform linux/ARCH      amd64 or arm64 (default: this machine's)
  --tag TAG                  may be repeated (default: latest, the version, and version-ARCH)
  --include PKG[,PKG]        more Debian packages, for what commands in the container need
  --refresh-base             make the base anew, with the updates since
  --out DIR                  where the layouts go (default: dist/images)
  --help

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a program is missing that apt-get installs.

Then:  skopeo copy oci:dist/images/agent:latest docker://registry.example.com/vm-agent:${PACKAGE.version}
`;

const DIST = join(ROOT, 'dist');
const NAMES = ['agent', 'orchestrator'] as const;
/** Which package of Debian and Ubuntu brings what is run here. */
const PROGRAMS = { mmdebstrap: 'mmdebstrap', umoci: 'umoci' };

function usage(text: string): never {
  console.error(`image: ${text}\n(npm run image -- --help lists the options)`);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string' },
        platform: { type: 'string', default: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}` },
        tag: { type: 'string', multiple: true },
        include: { type: 'string', default: '' },
        'refresh-base': { type: 'boolean', default: false },
        out: { type: 'string', default: join(DIST, 'images') },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (cause) {
    return usage(cause instanceof Error ? cause.message : String(cause));
  }
}

const values = options();
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const names = NAMES.filter((name) => values.only === undefined || values.only === name);
if (names.length === 0) usage(`no image ${values.only}; there are: ${NAMES.join(', ')}`);
const arch = /^linux\/(amd64|arm64)$/.exec(values.platform)?.[1];
if (arch === undefined) usage(`--platform ${values.platform}: it is linux/amd64 or linux/arm64`);
const tags = values.tag ?? ['latest', PACKAGE.version, `${PACKAGE.version}-${arch}`];
const odd = tags.find((tag) => !/^\w[\w.-]{0,127}$/.test(tag));
if (odd !== undefined) usage(`--tag ${odd}: letters, digits, ., _ and -, at most 128`);

const missing = Object.entries(PROGRAMS).filter(([program]) => !onPath(program));
if (missing.length > 0) {
  const packages = missing.map(([, name]) => name).join(' ');
  console.error(
    `image: ${missing.map(([program]) => program).join(' and ')} missing: apt-get install ${packages}`,
  );
  process.exit(3);
}

try {
  const started = performance.now();
  const epoch = buildTime();
  const work = mkdtempSync(join(tmpdir(), 'vm-agent-image-'));
  try {
    for (const name of names) await makeImage(name, epoch, work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  console.log(`made in ${((performance.now() - started) / 1000).toFixed(1)} s`);
} catch (cause) {
  console.error(`image: ${cause instanceof Error ? cause.message : String(cause)}`);
  if (cause instanceof AppError && cause.hint !== undefined) console.error(`what to do: ${cause.hint}`);
  process.exitCode = 1;
}

async function makeImage(name: (typeof NAMES)[number], epoch: number, work: string): Promise<void> {
  const file = join(ROOT, 'infra/containers', name, 'Containerfile');
  const recipe = readContainerfile(readFileSync(file, 'utf8'), { VERSION: PACKAGE.version });
  const packages = [...new Set([...recipe.packages, ...values.include.split(',').filter(Boolean)])].sort();
  const say = (line: string) => console.log(`${name}: ${line}`);
  const layer = join(work, `${name}.tar`);
  const platform = arch === 'amd64' ? 'linux-x64' : `linux-${arch}`;
  writeFileSync(layer, await makeLayer({ recipe, dist: DIST, platform, epoch }));
  say(`base of ${packages.join(', ')}`);
  const base = await provideBase({
    arch: arch ?? '',
    packages,
    script: join(DIST, 'container/base.sh'),
    refresh: values['refresh-base'],
    epoch,
    say,
  });
  say(`base ${base.suite}, ${megabytes(base.tar)}${base.cached ? ', from the cache' : ''}`);
  const revision = commit();
  const digest = writeLayout({
    folder: resolve(values.out, name),
    tags,
    layers: [
      { tar: base.tar, from: `mmdebstrap ${base.suite} ${packages.join(' ')}` },
      { tar: layer, from: `infra/containers/${name}/Containerfile` },
    ],
    config: {
      ...recipe.config,
      labels: {
        ...recipe.config.labels,
        ...(revision === undefined ? {} : { 'org.opencontainers.image.revision': revision }),
      },
    },
    architecture: arch ?? '',
    created: new Date(epoch * 1000).toISOString().replace('.000', ''),
  });
  say(`oci:${relative(process.cwd(), resolve(values.out, name))} ${tags.join(', ')} ${digest}`);
}

/** Seconds: SOURCE_DATE_EPOCH, or when the release in dist/ was made. */
function buildTime(): number {
  if (process.env.SOURCE_DATE_EPOCH) return Number(process.env.SOURCE_DATE_EPOCH);
  const path = join(DIST, 'artifacts/manifest.json');
  if (!existsSync(path))
    throw new AppError('artifact_not_available', {
      detail: `${path} is missing.`,
      hint: 'Run `npm run build` first.',
    });
  const { payload } = JSON.parse(readFileSync(path, 'utf8')) as { payload: string };
  const { created_at } = JSON.parse(Buffer.from(payload, 'base64').toString()) as { created_at: string };
  return Math.floor(Date.parse(created_at) / 1000);
}

/** The commit that the checkout stands at; undefined outside of one, or when something in it was changed. */
function commit(): string | undefined {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('status', '--porcelain') === '' ? git('rev-parse', 'HEAD') : undefined;
  } catch {
    return undefined;
  }
}

function onPath(program: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => existsSync(join(folder, program)));
}

function megabytes(path: string): string {
  return `${(statSync(path).size / 1e6).toFixed(1)} MB`;
}
