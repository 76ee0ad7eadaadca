// A change of the configuration while the agent runs. Everything that is new is checked and prepared before the first
// part takes it, and all parts take it in one go: no moment sees half of it, and a file with a mistake changes nothing.
import type { Logger } from '../base/logger.ts';
import type { FrozenConfig } from './config.ts';

/** What one part does with a new configuration: `prepare` may throw, what it gives back may not. */
export type ReloadPart = (config: FrozenConfig) => () => void;

export interface ConfigChange {
  /** Dotted, as in the file: `logging.level`. */
  setting: string;
  from: unknown;
  to: unknown;
}

export interface ReloaderOptions {
  /** What is in force at first. */
  config: FrozenConfig;
  /** Reads and checks everything again. @throws AppError for what cannot be used. */
  load(): Promise<FrozenConfig>;
  parts: readonly ReloadPart[];
  log: Logger;
  onCondition(ok: boolean, detail: string): void;
}

/** Taken over while the agent runs: these keys, and those below them. Every other key waits for a restart. */
const LIVE: readonly string[] = [
  'agent.name',
  'agent.labels',
  'logging.level',
  'logging.modules',
  'orchestrator.command_poll_interval',
  'orchestrator.heartbeat_interval',
  'tools.file_manager',
  'tools.log_analyzer',
  'tools.shell_executor.enabled',
  'tools.shell_executor.timeout',
  'tools.system_monitor',
];

const isLive = (setting: string): boolean =>
  LIVE.some((key) => setting === key || setting.startsWith(`${key}.`));

type Tree = Readonly<Record<string, unknown>>;

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Each setting that differs, in the order of the new configuration. */
export function configChanges(from: unknown, to: unknown, prefix = ''): ConfigChange[] {
  if (!isTree(from) && !isTree(to))
    return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ setting: prefix, from, to }];
  const [before, after] = [isTree(from) ? from : {}, isTree(to) ? to : {}];
  const names = [...new Set([...Object.keys(after), ...Object.keys(before)])];
  return names.flatMap((name) =>
    configChanges(before[name], after[name], prefix === '' ? name : `${prefix}.${name}`),
  );
}

/** The running configuration with those settings of the new one that can be taken over. */
function withLive(running: unknown, next: unknown, prefix = ''): unknown {
  if (isLive(prefix)) return next;
  if (!isTree(running) || !isTree(next)) return running;
  const names = [...new Set([...Object.keys(running), ...Object.keys(next)])];
  const entries = names.map((name) => {
    const setting = prefix === '' ? name : `${prefix}.${name}`;
    return [name, withLive(running[name], next[name], setting)] as const;
  });
  return Object.freeze(Object.fromEntries(entries.filter(([, value]) => value !== undefined)));
}

/** What a reload would do: pure. */
export function planReload(
  running: FrozenConfig,
  next: FrozenConfig,
): { config: FrozenConfig; applied: ConfigChange[]; waiting: ConfigChange[] } {
  const changes = configChanges(running, next);
  return {
    config: withLive(running, next) as FrozenConfig,
    applied: changes.filter(({ setting }) => isLive(setting)),
    waiting: changes.filter(({ setting }) => !isLive(setting)),
  };
}

/** For the log: a URL's user and password are left out. */
const shown = (value: unknown): unknown =>
  typeof value === 'string' ? value.replace(/\/\/[^/@\s]*@/, '//[redacted]@') : value;

/** Keeps the configuration in force, and changes it when it is asked to. */
export class Reloader {
  readonly #options: ReloaderOptions;
  #config: FrozenConfig;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#config = options.config;
  }

  /** Never fails: what is wrong is logged and shown as a condition, and the running configuration stays. */
  reload(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#reload());
    return this.#turn;
  }

  async #reload(): Promise<void> {
    const { load, parts, log, onCondition } = this.#options;
    let commits: (() => void)[];
    let plan: ReturnType<typeof planReload>;
    try {
      plan = planReload(this.#config, await load());
      commits = parts.map((prepare) => prepare(plan.config));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      log.error({ err: cause }, `the configuration was not reloaded, the running one stays in force: ${why}`);
      onCondition(false, `not reloaded, an earlier one is in force: ${why}`);
      return;
    }
    this.#config = plan.config;
    for (const commit of commits) commit();
    for (const { setting, from, to } of plan.applied)
      log.info({ setting, from: shown(from), to: shown(to) }, 'a setting was changed');
    const waiting = plan.waiting.map(({ setting }) => setting);
    if (waiting.length > 0)
      log.warn({ settings: waiting }, `changed, but in force only after a restart: ${waiting.join(', ')}`);
    onCondition(
      true,
      waiting.length === 0 ? 'in force' : `in force, except ${waiting.join(', ')}: restart the agent`,
    );
    log.info({ applied: plan.applied.length, waiting: waiting.length }, 'the configuration was reloaded');
  }
}
