import type { Clock } from '../../base/clock.ts';
import type { DiskLayout } from '../../protocol/disk-layout.ts';
import type { FrozenConfig } from '../config.ts';
import type { ProtectedPaths } from '../files/access.ts';
import { MetricsReader } from '../proc/metrics.ts';
import { ProcessReader } from '../proc/processes.ts';
import { Sampler } from '../proc/sample.ts';
import type { BackgroundCommands } from './background.ts';
import { backgroundTools } from './background-tools.ts';
import { fileTools } from './file-tools.ts';
import { analyzeLogTool } from './log-analyze.ts';
import { tailLogTool } from './log-tail.ts';
import { openTerminalTool } from './open-terminal.ts';
import { processListTool } from './process-list.ts';
import { type RemoteExecutor, remoteTool } from './remote.ts';
import { shellTool } from './shell-execute.ts';
import type { ShellHost } from './shell-host.ts';
import { systemMetricsTool } from './system-metrics.ts';
import type { TerminalHost } from './terminal-host.ts';
import type { TerminalInputs } from './terminal-inputs.ts';
import type { Tool } from './tool.ts';
import { upgradeAgentTool } from './upgrade-agent.ts';

export interface CatalogueOptions {
  clock: Clock;
  hostname: string;
  config: FrozenConfig['tools'];
  host: ShellHost;
  /** Opens terminals, and takes what is typed; undefined where nobody could sit at one. */
  terminal?: { host: TerminalHost; inputs: TerminalInputs } | undefined;
  /** Where this installation is. */
  layout: Pick<DiskLayout, 'home' | 'current'>;
  /** The agent's own files, which file tools leave alone. */
  protectedPaths: ProtectedPaths;
  /** Undefined where nothing stays that could keep commands in the background. */
  background?: BackgroundCommands | undefined;
  /** The privileged executor, which runs the tools; undefined: they run here. */
  executor?: RemoteExecutor | undefined;
}

/** Tools that run no program. */
export function quietTools(
  options: Omit<CatalogueOptions, 'host' | 'background' | 'executor' | 'layout' | 'terminal'>,
): Tool[] {
  const { clock, hostname, config, protectedPaths } = options;
  const { enabled: hasSystem } = config.system_monitor;
  const { enabled: hasLogs, max_lines: maxLines } = config.log_analyzer;
  const { enabled: hasFiles, max_file_size: maxFileSize } = config.file_manager;
  const logs = { enabled: hasLogs, maxLines, protectedPaths };
  const reader = new MetricsReader({ sampler: new Sampler({ clock }), clock, hostname });
  return [
    ...fileTools({ enabled: hasFiles, maxFileSize, protectedPaths }),
    analyzeLogTool(logs),
    tailLogTool(logs),
    systemMetricsTool({ reader, enabled: hasSystem }),
    processListTool({ reader: new ProcessReader({ clock }), enabled: hasSystem }),
  ];
}

/** Every tool of an agent, whoever asks for it; the daemon and the command line have the same. */
export function allTools(options: CatalogueOptions): Tool[] {
  const { config, host, background, executor, layout, terminal } = options;
  const { enabled: hasShell, timeout } = config.shell_executor;
  const quiet = quietTools(options);
  return [
    shellTool({ host, background, enabled: hasShell, defaultTimeoutS: timeout }),
    ...(background === undefined ? [] : backgroundTools({ background, enabled: hasShell })),
    ...(terminal === undefined ? [] : [openTerminalTool({ ...terminal, enabled: hasShell })]),
    upgradeAgentTool({ host, layout }),
    ...(executor === undefined ? quiet : quiet.map((tool) => remoteTool(tool, executor))),
  ];
}
