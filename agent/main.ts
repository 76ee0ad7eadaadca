import { readFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { writeFileAtomic } from '../base/atomic-file.ts';
import { systemClock } from '../base/clock.ts';
import { createLogger, type Levels, type Logger, type LogLevel, moduleLogger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import { shutdownFromSignals } from '../base/shutdown.ts';
import { agentLogFile, type DiskLayout, diskLayout, execSocket } from '../protocol/disk-layout.ts';
import { AppError } from '../protocol/errors.ts';
import { Agent } from './agent.ts';
import { type FrozenConfig, loadAgentConfig } from './config.ts';
import { type Credentials, readCredentials } from './identity/credentials.ts';
import type { PairDisk } from './identity/pair-files.ts';
import { PROGRAM_VERSION } from './identity/program-version.ts';
import { isJournal, journalText, terminalText } from './log-text.ts';
import { Reloader, type ReloadPart } from './reload.ts';

export interface DaemonOptions {
  /** `VM_AGENT_HOME` or `--home`; without it the system's paths. */
  home?: string | undefined;
  configFile?: string | undefined;
  /** Commands go through the privileged executor. */
  executor?: boolean | undefined;
  /** Flags of the command line as a configuration tree, e.g. `{server: {port: 0}}`. */
  flags?: Record<string, unknown>;
  /** How renewed keys and certificates come to disk, when not as usual. */
  pairDisk?: PairDisk;
}

const STDOUT = 1;
const ENROLMENT_POLL_MS = 5000;
const ENDPOINT_RETRY_MS = 10_000;
const LEVELS: Readonly<Record<FrozenConfig['logging']['level'], LogLevel>> = {
  DEBUG: 'debug',
  INFO: 'info',
  WARNING: 'warn',
  ERROR: 'error',
};

const levelsOf = ({ logging: { level, modules } }: FrozenConfig): Levels => ({
  level: LEVELS[level],
  modules: Object.fromEntries(
    Object.entries(modules).map(([name, own]) => [name, own === undefined ? undefined : LEVELS[own]]),
  ),
});

/** Where a running agent can be reached, for programs on the same machine. JSON: `{pid, port}`. */
export const endpointFile = (layout: DiskLayout): string => `${layout.state}/endpoint.json`;

/**
 * Runs the daemon until it is told to stop: SIGTERM or SIGINT once to finish in order, again to give up at once.
 * @returns the exit code. @throws AppError for what keeps it from starting.
 */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const layout = diskLayout(options.home);
  const load = async () => {
    const loaded = await loadAgentConfig({
      layout,
      file: options.configFile,
      env: process.env,
      flags: options.flags ?? {},
    });
    if (!options.executor) refuseUnsupported(loaded);
    return loaded;
  };
  const config = await load();
  for (const folder of [layout.state, layout.log]) await mkdir(folder, { recursive: true, mode: 0o700 });
  // Whoever reads the output may go away; the agent does not, and its log file stays.
  for (const out of [process.stdout, process.stderr]) out.on('error', () => undefined);
  const logging = createLogger({
    name: 'vm-agent',
    ...levelsOf(config),
    stream: logStream(process.stdout),
    file: {
      path: config.logging.file ?? agentLogFile(layout),
      maxBytes: config.logging.max_size,
      maxFiles: config.logging.backup_count,
    },
    onFileError: (error) =>
      process.stderr.write(`vm-agent: the log file cannot be written: ${error.message}\n`),
  });
  const log = moduleLogger(logging.log, 'agent');
  const shutdown = shutdownFromSignals(process);
  const hangups = new Hangups();
  process.on('SIGHUP', () => (hasTerminal() ? shutdown.request('SIGHUP') : hangups.arrived()));
  shutdown.hard.addEventListener('abort', () => process.exit(1));
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'the agent failed');
    process.exit(1);
  });
  try {
    await serve(options, layout, config, log, shutdown.graceful, (agent) => {
      const parts: ReloadPart[] = [
        (next) => () => logging.setLevels(levelsOf(next)),
        (next) => agent.configure(next),
      ];
      const { onConfig: onCondition } = agent;
      const reloader = new Reloader({ config, load, parts, log: moduleLogger(log, 'config'), onCondition });
      hangups.use(async () => {
        // Whoever rotates the log from outside sends the same signal.
        await logging.reopen();
        agent.rereadPolicy();
        await reloader.reload();
      });
    });
    return 0;
  } finally {
    // Signals stay taken until the process has gone: by default one that comes now would end it as if it had failed.
    await logging.close();
  }
}

/** SIGHUP: once there is something to reload, each one does it; those from before count as one. */
class Hangups {
  #reload: (() => Promise<void>) | undefined;
  #came = false;

  use(reload: () => Promise<void>): void {
    this.#reload = reload;
    if (this.#came) void reload();
  }

  arrived(): void {
    this.#came = true;
    void this.#reload?.();
  }
}

/** Where a terminal controls the process, SIGHUP says that it was closed: a stop. */
function hasTerminal(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    // After the name in parentheses: state, parent, group, session, terminal.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[4] !== '0';
  } catch {
    return false;
  }
}

/** A person at a terminal and the reader of the journal get text; any other reader gets JSON, as the file does. */
function logStream(out: NodeJS.WriteStream): NodeJS.WritableStream {
  const isTheJournals = isJournal(STDOUT, process.env['JOURNAL_STREAM']);
  if (out.isTTY) return terminalText(out);
  return isTheJournals ? journalText(out) : out;
}

async function serve(
  { configFile, executor, pairDisk }: DaemonOptions,
  layout: DiskLayout,
  config: FrozenConfig,
  log: Logger,
  graceful: AbortSignal,
  onReady: (agent: Agent) => void,
): Promise<void> {
  const agent = new Agent({
    layout,
    config,
    configFile,
    executorSocket: executor ? execSocket(layout) : undefined,
    clock: systemClock,
    random: systemRandom,
    log,
    version: PROGRAM_VERSION,
    hostname: hostname(),
    user: { ...whoAmI(), lang: process.env['LANG'] },
    runtime: { node: process.version, platform: process.platform, arch: process.arch, pid: process.pid },
    usage: () => {
      const { user, system } = process.cpuUsage();
      return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
    },
    pairDisk,
    localTls: await localTls(config),
  });
  try {
    await agent.start();
    log.info(
      { version: PROGRAM_VERSION, host: config.server.host, port: agent.port, pid: process.pid },
      'listening',
    );
    await tellEndpoint(layout, agent.port, log, graceful);
    onReady(agent);
    const credentials = await untilEnrolled(layout, log, graceful);
    const stopped = new Promise<void>((resolve) => {
      if (graceful.aborted) resolve();
      graceful.addEventListener('abort', () => resolve(), { once: true });
    });
    // It waits for a disk that gives nothing, and must not keep a stop waiting too.
    if (credentials !== undefined) await Promise.race([agent.connect(credentials), stopped]);
    await stopped;
    log.info(`stopping: ${String(graceful.reason instanceof Error ? graceful.reason.message : 'asked to')}`);
  } finally {
    await agent.stop();
  }
  log.info('stopped');
}

/** Where the agent listens, for programs of this machine; tried again where the disk takes nothing. */
async function tellEndpoint(
  layout: DiskLayout,
  port: number,
  log: Logger,
  graceful: AbortSignal,
): Promise<void> {
  try {
    await writeFileAtomic(endpointFile(layout), JSON.stringify({ pid: process.pid, port }), { mode: 0o644 });
  } catch (cause) {
    log.warn({ err: cause }, 'programs of this machine cannot be told the port: the file cannot be written');
    systemClock.setTimer(
      ENDPOINT_RETRY_MS,
      () => {
        if (!graceful.aborted) void tellEndpoint(layout, port, log, graceful);
      },
      { background: true },
    );
  }
}

/** An agent that is not enrolled yet stays up and says so, until it is. Undefined when it was stopped before. */
async function untilEnrolled(
  layout: DiskLayout,
  log: Logger,
  graceful: AbortSignal,
): Promise<Credentials | undefined> {
  for (let said = ''; !graceful.aborted; ) {
    try {
      return await readCredentials(layout);
    } catch (cause) {
      if (!(cause instanceof AppError) || cause.code !== 'not_enrolled') throw cause;
      if (cause.message !== said) log.warn({ hint: cause.hint }, cause.message);
      said = cause.message;
    }
    await systemClock.sleep(ENROLMENT_POLL_MS, graceful).catch(() => undefined);
  }
  return undefined;
}

/** Settings that would promise what this version does not do. */
function refuseUnsupported(config: FrozenConfig): void {
  const { run_as: runAs } = config.tools.shell_executor;
  const own = whoAmI().name;
  if (runAs !== undefined && runAs !== own)
    throw new AppError('unsupported', {
      detail: `tools.shell_executor.run_as is ${runAs}, but without the privileged executor commands run as the agent's own user ${own}.`,
      hint: `Remove the key, or run the agent as ${runAs}.`,
    });
}

async function localTls(config: FrozenConfig): Promise<{ cert: string; key: string } | undefined> {
  const { cert_file: certFile, key_file: keyFile } = config.server.ssl;
  if (certFile === undefined || keyFile === undefined) return undefined;
  const read = (path: string, key: string) =>
    readFile(path, 'utf8').catch((cause: unknown) => {
      throw new AppError('config_invalid', { detail: `server.ssl.${key}: ${path} cannot be read.`, cause });
    });
  return { cert: await read(certFile, 'cert_file'), key: await read(keyFile, 'key_file') };
}

function whoAmI(): { name: string; home: string } {
  try {
    const { username, homedir } = userInfo();
    return { name: username, home: homedir };
  } catch {
    // A uid without an entry in passwd, as in some containers.
    return { name: String(process.getuid?.() ?? 'unknown'), home: '/' };
  }
}
