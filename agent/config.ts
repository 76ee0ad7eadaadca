import { readFile } from 'node:fs/promises';
import { ConfigError, envOverrides, loadConfig } from '../base/config-file.ts';
import { type AgentConfig, agentConfigSchema, CONFIG_ENV_PREFIX } from '../protocol/agent-config.ts';
import { configFile, type DiskLayout } from '../protocol/disk-layout.ts';
import { AppError } from '../protocol/errors.ts';

type Frozen<T> = { readonly [K in keyof T]: Frozen<T[K]> };
export type FrozenConfig = Frozen<AgentConfig>;

export interface ConfigSources {
  layout: DiskLayout;
  /** Another file than the layout's; it must exist, while the layout's own may be absent. */
  file?: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
  /** Flags of the command line as a tree, e.g. `{server: {port: 0}}`. */
  flags?: Record<string, unknown>;
}

/** Where the configuration is read from. */
export const configPath = (sources: Pick<ConfigSources, 'layout' | 'file'>): string =>
  sources.file ?? configFile(sources.layout).path;

function freeze<T>(value: T): Frozen<T> {
  if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) freeze(child);
    Object.freeze(value);
  }
  return value as Frozen<T>;
}

async function readConfigText(sources: ConfigSources): Promise<string | undefined> {
  const path = configPath(sources);
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' && sources.file === undefined) return undefined;
    if (code === 'EACCES')
      throw new AppError('not_root', {
        detail: `You may not read the configuration ${path}.`,
        hint: 'Run this with sudo.',
        cause,
      });
    throw new ConfigError(path, [
      { key: '', value: undefined, message: `cannot be read (${code ?? String(cause)})` },
    ]);
  }
}

/**
 * File, then `VM_AGENT_<SECTION>__<KEY>`, then flags; checked as a whole and frozen.
 * @throws ConfigError with every problem at once.
 */
export async function loadAgentConfig(sources: ConfigSources): Promise<FrozenConfig> {
  const file = await readConfigText(sources);
  const config = loadConfig({
    schema: agentConfigSchema,
    source: configPath(sources),
    file,
    env: envOverrides(sources.env, CONFIG_ENV_PREFIX),
    flags: sources.flags ?? {},
  });
  return freeze(config);
}
