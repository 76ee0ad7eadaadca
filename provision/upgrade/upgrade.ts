import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAgentConfig } from '../../agent/config.ts';
import { proxyFromEnv } from '../../agent/identity/proxy.ts';
import { type Clock, isoTime } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { SERVICE_USER } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import { platformSchema, type ReleaseManifest } from '../../protocol/release-manifest.ts';
import type { UpgradeRecord, UpgradeReport } from '../../protocol/upgrade.ts';
import { installedAnchor } from '../ca-pin.ts';
import { makeDirectory, type Owners, pointLink } from '../files.ts';
import type { Host } from '../host.ts';
import { createOrchestrator, type Orchestrator } from '../orchestrator.ts';
import { askHealth } from '../probe.ts';
import { readEnrolment } from '../records.ts';
import { filesFor, type PlatformFiles } from '../release.ts';
import { archivePath, releaseDigest, releaseSource } from '../source.ts';
import { placeVersion, pruneVersions } from '../versions.ts';
import { judgeOffer } from './decide.ts';
import { offeredRelease } from './fetch.ts';
import { holdUpgrades } from './lock.ts';
import { carryOn } from './outcome.ts';
import { isOpen, noteRelease, readRelease, readUpgrade, writeUpgrade } from './record.ts';
import { enableRollback, type UnitPlaces } from './units.ts';
import { installedVersion } from './watch.ts';

export interface UpgradeOptions {
  /** Only this version; undefined: the one that is offered. */
  version: string | undefined;
  allowDowngrade: boolean;
  /** Look, and change nothing. */
  look: boolean;
  /** Seconds that the new version has to become good. */
  grace: number;
  /** Folder with manifest and archives, instead of the orchestrator. */
  artifacts: string | undefined;
  /** Whether the VM's owner allows this version, where that is asked. */
  allows: (version: string) => boolean;
}

export interface UpgradeDeps extends UnitPlaces {
  mode: 'system' | 'user';
  host: Host;
  clock: Clock;
  /** A line for who waits. */
  say(text: string): void;
  onProgress(what: string, bytes: number, total: number): void;
}

/**
 * Brings this machine to the release that its orchestrator offers, and waits for the outcome. What has been switched
 * is watched by the version that was there before, in a unit of its own, whatever becomes of this process.
 * @throws AppError when nothing was switched.
 */
export async function upgrade(options: UpgradeOptions, deps: UpgradeDeps): Promise<UpgradeReport> {
  const { layout, mode, host } = deps;
  if (mode === 'system' && host.uid !== 0) {
    throw new AppError('not_root', {
      detail: `An upgrade needs root; this runs as uid ${host.uid}.`,
      hint: 'Run it with sudo; name the folder of an installation of your own by --home.',
    });
  }
  const before = await installedVersion(layout);
  if (before === undefined) {
    throw new AppError('not_enrolled', {
      detail: `There is no ${layout.current}: no version is installed here.`,
      hint: 'Use vm-agent install, or name the installation’s folder by --home.',
    });
  }
  const lock = options.look ? undefined : holdUpgrades(layout);
  try {
    const begun = await readUpgrade(layout);
    if (!options.look && isOpen(begun)) {
      deps.say(`An upgrade to version ${begun.to_version} was interrupted; it is brought to its end first.`);
      const end = await carryOn(deps, begun);
      deps.say(`It ended as ${end.state}${end.reason === undefined ? '' : `: ${end.reason}`}.`);
    }
    const installed = (await installedVersion(layout)) ?? before;
    return await upgradeFrom(options, deps, installed);
  } finally {
    lock?.release();
  }
}

/** The version in a folder's name, without what sets other content of the same number apart. */
export const versionOf = (folder: string): string => folder.replace(/\+[0-9a-f]{12}$/, '');

async function upgradeFrom(
  options: UpgradeOptions,
  deps: UpgradeDeps,
  installed: { folder: string; digest: string | undefined },
): Promise<UpgradeReport> {
  const { layout, host } = deps;
  const orchestrator = await orchestratorOf(deps);
  const owners = async (): Promise<Owners> => ({
    root: deps.mode === 'system' ? { uid: 0, gid: 0 } : undefined,
    service: deps.mode === 'system' ? await host.userIds(SERVICE_USER) : undefined,
  });
  const manifest = await offeredRelease({ ...deps, orchestrator, owners, artifacts: options.artifacts });
  const files = filesFor(manifest, platformSchema.parse(`${host.platform}-${host.arch}`));
  const from = versionOf(installed.folder);
  const to = manifest.version;
  demandVersion(options, to);
  const offer = judgeOffer({
    offered: { version: to, sequence: manifest.sequence, digest: releaseDigest(files) },
    installed: { version: from, digest: installed.digest, sequence: (await readRelease(layout))?.sequence },
  });
  if (offer.kind === 'same') return { state: 'up_to_date', from, to };
  if (offer.kind === 'older' && !options.allowDowngrade) {
    throw new AppError('downgrade_refused', {
      detail: `The release that is offered is older than what is installed: ${offer.why}.`,
      hint: 'Nothing was changed. Add --allow-downgrade if that is what you want.',
    });
  }
  if (options.look) return { state: 'available', from, to };
  const name = await fetchAndPlace(options, deps, { orchestrator, manifest, files });
  await tryOut(deps, name);
  return switchOver(options, deps, { installed, name, manifest });
}

function demandVersion(options: UpgradeOptions, offered: string): void {
  if (options.version !== undefined && options.version !== offered) {
    throw new AppError('artifact_not_available', {
      detail: `The orchestrator offers version ${offered}, not ${options.version}.`,
      hint: `Put the release ${options.version} on the orchestrator, or leave --version out.`,
    });
  }
  if (!options.allows(offered)) {
    throw new AppError('policy_refused', {
      detail: `This VM's policy does not let the orchestrator bring it to version ${offered}.`,
      hint: 'The owner of the VM decides in policy.yaml (upgrade: allow, deny or versions), or upgrades it by vm-agent upgrade.',
    });
  }
}

async function orchestratorOf({ layout, clock, host }: UpgradeDeps): Promise<Orchestrator> {
  const enrolment = await readEnrolment(layout);
  if (enrolment === undefined || !enrolment.complete) {
    throw new AppError('not_enrolled', {
      detail: 'This machine is not enrolled, so there is nobody to ask for a release.',
      hint: 'Enroll it with `vm-agent install` and a provisioning token.',
    });
  }
  return createOrchestrator({
    server: new URL(enrolment.orchestrator_url),
    clock,
    proxy:
      proxyFromEnv(host.env) ??
      (await loadAgentConfig({ layout, env: {} }).catch(() => undefined))?.orchestrator.proxy,
    random: systemRandom,
    pin: undefined,
    installed: () => installedAnchor(layout),
  });
}

async function fetchAndPlace(
  options: UpgradeOptions,
  deps: UpgradeDeps,
  release: { orchestrator: Orchestrator; manifest: ReleaseManifest; files: PlatformFiles },
): Promise<string> {
  const { layout, say, onProgress } = deps;
  const { orchestrator, manifest, files } = release;
  const folder = options.artifacts ?? join(layout.versions, '.download');
  if (options.artifacts === undefined) {
    await makeDirectory(folder, 0o700);
    for (const file of [files.agent, files.runtime]) {
      await orchestrator.download(file, archivePath(folder, file), (bytes, total) =>
        onProgress(file.kind, bytes, total),
      );
    }
  }
  const name = await placeVersion({ ...deps, source: releaseSource({ manifest, files, folder }) });
  if (options.artifacts === undefined) await rm(folder, { recursive: true, force: true });
  say(`Version ${manifest.version} is in ${join(layout.versions, name)}.`);
  return name;
}

/** One that this machine cannot even load is not switched to. */
async function tryOut({ layout, host }: UpgradeDeps, name: string): Promise<void> {
  const folder = join(layout.versions, name);
  const { code, stderr } = await host.run(join(folder, 'runtime/node'), [
    join(folder, 'vm-agent.mjs'),
    '--version',
  ]);
  if (code === 0) return;
  throw new AppError('step_failed', {
    detail: `The new version cannot be started on this machine: ${stderr.trim().split('\n').at(-1) ?? ''}`,
    hint: 'Nothing was switched; the installed version keeps running.',
  });
}

async function switchOver(
  options: UpgradeOptions,
  deps: UpgradeDeps,
  step: { installed: { folder: string }; name: string; manifest: ReleaseManifest },
): Promise<UpgradeReport> {
  const { layout, clock, mode } = deps;
  const { installed, name, manifest } = step;
  const { port } = (await loadAgentConfig({ layout, env: {} })).server;
  const health = await askHealth(port, clock);
  const record: UpgradeRecord = {
    id: randomUUID(),
    from: installed.folder,
    to: name,
    from_version: versionOf(installed.folder),
    to_version: manifest.version,
    sequence: manifest.sequence,
    state: 'prepared',
    could_connect: health?.websocket_connected === true,
    grace: options.grace,
    started_at: isoTime(clock.now()),
    boots: 0,
  };
  await writeUpgrade(layout, record);
  if (mode === 'user') return reportOf(await switchInUserMode(deps, record));
  try {
    await enableRollback(deps, record.from);
  } catch (cause) {
    await writeUpgrade(layout, {
      ...record,
      state: 'rolled_back',
      reason: 'systemd did not take the rollback unit',
      ended_at: isoTime(clock.now()),
    });
    throw cause;
  }
  return reportOf(await carryOn(deps, record));
}

/** Nothing is restarted and nobody watches: there is no systemd, and who started the agent starts it again. */
async function switchInUserMode(
  { layout, clock }: UpgradeDeps,
  record: UpgradeRecord,
): Promise<UpgradeRecord> {
  await writeUpgrade(layout, { ...record, state: 'switched', switched_at: isoTime(clock.now()) });
  await pointLink(layout.current, `versions/${record.to}`);
  await noteRelease(layout, { version: record.to_version, sequence: record.sequence });
  const now = isoTime(clock.now());
  const end: UpgradeRecord = { ...record, state: 'committed', switched_at: now, ended_at: now };
  await writeUpgrade(layout, end);
  await pruneVersions(layout, [record.to, record.from]);
  return end;
}

const reportOf = (record: UpgradeRecord): UpgradeReport => ({
  state: record.state === 'committed' ? 'committed' : 'rolled_back',
  from: record.from_version,
  to: record.to_version,
  ...(record.reason === undefined ? {} : { reason: record.reason }),
});
