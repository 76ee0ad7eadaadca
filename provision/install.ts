import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAgentConfig } from '../agent/config.ts';
import { readSecurityFile } from '../agent/identity/credentials.ts';
import { copiedError, copiedFrom } from '../agent/identity/instance.ts';
import { PROGRAM_VERSION } from '../agent/identity/program-version.ts';
import { type ProxySettings, proxyFromEnv } from '../agent/identity/proxy.ts';
import type { Clock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import {
  type DiskLayout,
  diskLayout,
  replacementFolder,
  replacementLayout,
  SERVICE_USER,
} from '../protocol/disk-layout.ts';
import { AppError } from '../protocol/errors.ts';
import type { Labels } from '../protocol/provisioning-token.ts';
import type { EnrolmentFile } from '../protocol/trust-files.ts';
import { installedAnchor } from './ca-pin.ts';
import type { InstallContext } from './context.ts';
import { explain } from './failure.ts';
import type { Ids, Owners } from './files.ts';
import type { Host } from './host.ts';
import { createOrchestrator } from './orchestrator.ts';
import { installationPlan } from './plan.ts';
import { preflight } from './preflight.ts';
import { readEnrolment } from './records.ts';
import { refuseRevoked } from './revoked.ts';
import { parseServerUrl } from './server-url.ts';
import { downloadedSource, localSource } from './source.ts';
import { type Reporter, runSteps, type Step } from './step.ts';
import { rememberInstance } from './steps/identity.ts';
import { isSwitchUnderWay, switchIdentity } from './steps/switch-identity.ts';
import type { Token } from './token.ts';

/** How much is done: everything; all but the start, which the caller sees to; and both without the programs. */
export type Scope = 'all' | 'unstarted' | 'enrolment' | 'identity';

const LEFT_OUT: Readonly<Record<Scope, readonly string[]>> = {
  all: [],
  unstarted: ['service'],
  enrolment: ['system-dependencies', 'runtime'],
  identity: ['system-dependencies', 'runtime', 'service'],
};

export interface InstallOptions {
  mode: 'system' | 'user';
  /** Folder of a user-mode installation. */
  home: string | undefined;
  server: string | undefined;
  token: Token | undefined;
  caFile: string | undefined;
  labels: Labels;
  port: number | undefined;
  skipDependencies: boolean;
  privilegedExecutor: boolean;
  forceReinstall: boolean;
  /** The platform's new name for this machine is taken for what it is. */
  sameMachine: boolean;
  dryRun: boolean;
  scope: Scope;
  /** Folder with archives that were downloaded from the orchestrator; undefined: `dist`. */
  artifacts: string | undefined;
  /** Folder of the built programs. */
  dist: string;
}

export interface InstallDeps {
  host: Host;
  clock: Clock;
  reporter: Reporter;
  note(text: string): void;
}

export interface Installed {
  /** How many steps changed something. */
  applied: number;
  mode: 'system' | 'user';
  root: string;
  vmId: string | undefined;
  agentId: string | undefined;
}

/**
 * Makes this machine an agent. Safe to repeat: what is as it should be stays untouched.
 * @throws AppError, with the step in front of its text when one had begun.
 */
export async function install(options: InstallOptions, deps: InstallDeps): Promise<Installed> {
  const ctx = await contextFor(options, deps);
  await preflight({ ...ctx, dryRun: options.dryRun });
  const steps = (await planFor(ctx, options)).filter(({ id }) => !LEFT_OUT[options.scope].includes(id));
  const applied = await runSteps({ steps, reporter: deps.reporter, dryRun: options.dryRun, explain });
  return {
    applied,
    mode: ctx.mode,
    root: ctx.layout.root,
    vmId: await readSecurityFile(ctx.layout, 'vmId').catch(() => undefined),
    agentId: await readSecurityFile(ctx.layout, 'agentId').catch(() => undefined),
  };
}

async function planFor(ctx: InstallContext, options: InstallOptions): Promise<Step[]> {
  const { layout, token } = ctx;
  if (await isSwitchUnderWay(layout)) return [switchIdentity(ctx), ...installationPlan(ctx, false)];
  const isOfToken = (begun: EnrolmentFile | undefined) =>
    begun !== undefined && !begun.complete && begun.token_id === token?.id;
  const replace = options.forceReinstall || (await isFreshCopy(ctx, options));
  if (!replace) await refuseRevoked(ctx);
  // One that was interrupted after the old identity had gone is continued, not begun again.
  if (!replace || isOfToken(await readEnrolment(layout))) return installationPlan(ctx, false);
  if (!options.dryRun && !isOfToken(await readEnrolment(replacementLayout(layout, 'made'))))
    await rm(replacementFolder(layout, 'made'), { recursive: true, force: true }).catch((cause: unknown) => {
      throw explain(cause);
    });
  return installationPlan(ctx, true);
}

/**
 * Whether the disk came from another machine and there is a token for this one, so that it gets an identity of its own;
 * the other one's is left alone.
 * @throws AppError `machine_copied` for a copy without a token, or with the one that the original has used.
 */
async function isFreshCopy(ctx: InstallContext, { sameMachine, dryRun }: InstallOptions): Promise<boolean> {
  const copied = await copiedFrom(ctx.layout, await ctx.host.instance());
  if (copied === undefined) return false;
  if (sameMachine) {
    if (!dryRun) await rememberInstance(ctx);
    return false;
  }
  const used = (await readEnrolment(ctx.layout))?.token_id;
  if (ctx.token !== undefined && ctx.token.id !== used) return true;
  throw copiedError(
    copied,
    ctx.token &&
      'The token that was given is the one that the original used. To enroll this machine as one of its own',
  );
}

async function contextFor(options: InstallOptions, deps: InstallDeps): Promise<InstallContext> {
  const { host, clock } = deps;
  const { token, mode } = options;
  const layout = diskLayout(mode === 'user' ? options.home : undefined);
  const begun = await readEnrolment(layout).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EACCES') return undefined;
    throw cause;
  });
  const address = options.server ?? begun?.orchestrator_url;
  if (address === undefined) {
    throw new AppError('bad_request', {
      detail: 'The orchestrator’s address is missing.',
      hint: 'Give it by --server-url https://HOST:PORT, or in ORCHESTRATOR_URL.',
    });
  }
  const server = parseServerUrl(address);
  if (begun !== undefined && begun.orchestrator_url !== server.origin && !options.forceReinstall) {
    throw new AppError('conflict', {
      detail: `This machine is enrolled with ${begun.orchestrator_url}, not with ${server.origin}.`,
      hint: 'Add --force-reinstall to give it a new identity there.',
    });
  }
  const proxy = proxyFromEnv(host.env);
  const orchestrator = createOrchestrator({
    server,
    proxy: proxy ?? (await configuredProxy(layout)),
    clock,
    random: systemRandom,
    caFile: options.caFile,
    pin: token?.caPin,
    installed: () => installedAnchor(layout),
  });
  const root: Ids | undefined = mode === 'system' && host.uid === 0 ? { uid: 0, gid: 0 } : undefined;
  const owners = async (): Promise<Owners> => ({
    root,
    service: mode === 'system' ? await host.userIds(SERVICE_USER) : undefined,
  });
  const source =
    options.artifacts === undefined
      ? localSource({ dist: options.dist, node: host.node, version: PROGRAM_VERSION })
      : downloadedSource({
          orchestrator,
          clock,
          folder: options.artifacts,
          platform: host.platform,
          arch: host.arch,
        });
  return {
    mode,
    layout,
    host,
    clock,
    orchestrator,
    server,
    proxy,
    source,
    token: token === undefined ? undefined : { text: token.text, id: token.id },
    labels: options.labels,
    port: options.port,
    skipDependencies: options.skipDependencies,
    privilegedExecutor: options.privilegedExecutor && mode === 'system',
    owners,
    note: deps.note,
  };
}

/** That of an earlier run; a configuration that cannot be read is for its own step to tell. */
const configuredProxy = (layout: DiskLayout): Promise<ProxySettings | undefined> =>
  loadAgentConfig({ layout, env: {} }).then(
    (config) => config.orchestrator.proxy,
    () => undefined,
  );

/** Where a checkout or a package keeps its built programs, seen from a module in it. */
export const distFolder = (moduleDir: string): string =>
  moduleDir.endsWith('/provision') || moduleDir.endsWith('/cli') ? join(moduleDir, '../dist') : moduleDir;
