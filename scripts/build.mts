// `npm run build`: makes dist/, the programs and the signed release that an orchestrator serves.
//   --all-platforms   the runtime of every pinned platform, not of this machine's alone
//   --only A,B        just these programs (vm-agent, vm-orchestrator, setup), without page and release
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ArchiveEntry, archive, entriesOf } from './build/archive.ts';
import { bundlePages, bundlePrograms } from './build/bundle.ts';
import { standaloneTypes } from './build/client-types.ts';
import { infraTypes } from './build/infra-types.ts';
import { thirdPartyLicenses } from './build/licenses.ts';
import { copyNative } from './build/native.ts';
import { type Artifact, writeRelease } from './build/release.ts';
import { readReleaseKey } from './build/release-key.ts';
import { fetchedRuntime, installedRuntime, PINNED_PLATFORMS } from './build/runtime.ts';
import { AGENT_FILES, CLIENT, COPIES, INFRA, PAGES, PROGRAMS } from './build/targets.ts';
import { PACKAGE, ROOT } from './lib/root.ts';

const DIST = join(ROOT, 'dist');

const { values } = parseArgs({
  options: { 'all-platforms': { type: 'boolean', default: false }, only: { type: 'string' } },
});
const only = values.only?.split(',') ?? [];
const unknown = only.filter((name) => !PROGRAMS.some((program) => program.name === name));
if (unknown.length) {
  console.error(
    `build: no program ${unknown.join(', ')}; there are: ${PROGRAMS.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}

const sources = only.length
  ? PROGRAMS.filter(({ name }) => only.includes(name)).map(({ entry }) => entry)
  : [
      ...PROGRAMS.map(({ entry }) => entry),
      ...PAGES.map(({ entry }) => entry),
      ...COPIES.map(({ from }) => from),
    ];
const missing = sources.filter((path) => !existsSync(join(ROOT, path)));
if (missing.length) {
  console.error(`build: missing ${missing.join(', ')}; scripts/build/targets.ts says what dist/ is made of`);
  process.exit(1);
}

const started = performance.now();
const metafiles = await bundlePrograms(DIST, only);
if (!only.length || only.includes('client'))
  writeFileSync(join(DIST, 'client.d.mts'), standaloneTypes(CLIENT));
if (!only.length || only.includes('infra')) writeFileSync(join(DIST, 'infra.d.mts'), infraTypes(INFRA));
if (!only.length) {
  metafiles.push(...(await bundlePages(DIST)));
  for (const { out, from } of COPIES) cpSync(join(ROOT, from), join(DIST, out), { recursive: true });
  for (const platform of await copyNative(DIST, { all: values['all-platforms'] }))
    console.log(`no terminals on ${platform} in this build; 'npm run build -- --all-platforms' adds them`);
  writeFileSync(join(DIST, 'THIRD-PARTY-LICENSES.txt'), thirdPartyLicenses(metafiles));

  const version: ArchiveEntry = { name: 'VERSION', body: Buffer.from(`${PACKAGE.version}\n`) };
  const agent = [
    ...AGENT_FILES.flatMap((name) => entriesOf(DIST, name)),
    ...entriesOf(ROOT, 'LICENSE'),
    version,
  ];
  const artifacts: Artifact[] = [{ kind: 'agent', body: await archive(agent) }, ...(await runtimes())];
  const key = readReleaseKey(process.env.VM_AGENT_RELEASE_KEY_FILE);
  const folder = join(DIST, 'artifacts');
  // Reproducible builds name the time that they claim: https://reproducible-builds.org/specs/source-date-epoch/
  const epoch = process.env.SOURCE_DATE_EPOCH;
  const now = epoch ? Number(epoch) * 1000 : Date.now();
  const kept = writeRelease({ folder, version: PACKAGE.version, artifacts, key, now });
  for (const name of readdirSync(folder)) if (!kept.includes(name)) rmSync(join(folder, name));
  const carried = artifacts.map(
    ({ kind, platform, body }) => `${platform ?? kind} ${megabytes(body.length)}`,
  );
  console.log(`release ${PACKAGE.version}: ${carried.join(', ')}; signed with ${key.path}`);
}
const outputs = metafiles.flatMap(({ outputs }) => Object.entries(outputs));
for (const [path, { bytes }] of outputs) console.log(`${path} ${megabytes(bytes)}`);
console.log(`built in ${((performance.now() - started) / 1000).toFixed(1)} s`);

async function runtimes(): Promise<Artifact[]> {
  const found: Artifact[] = [];
  for (const platform of PINNED_PLATFORMS) {
    let body = await installedRuntime(platform);
    if (!body && values['all-platforms']) body = await fetchedRuntime(platform);
    if (body) found.push({ kind: 'runtime', platform, body });
    else console.log(`no runtime for ${platform} in this build; 'npm run build -- --all-platforms' adds it`);
  }
  return found;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
