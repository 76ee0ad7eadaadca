import type { Clock } from '../base/clock.ts';
import { AUDIT_FEATURE } from '../protocol/audit-witness.ts';
import { TERMINAL_FEATURE } from '../protocol/terminal.ts';
import { TRUST_FEATURE } from '../protocol/trust-update.ts';
import type { AgentOptions } from './agent-options.ts';
import type { FrozenConfig } from './config.ts';
import type { ExecutorClient } from './executor/client.ts';
import { nativePty } from './executor/pty.ts';
import { protectedPaths } from './files/protected-paths.ts';
import type { PolicySource } from './policy/source.ts';
import type { BackgroundCommands } from './tools/background.ts';
import type { CallCounts } from './tools/call-counts.ts';
import { allTools } from './tools/catalogue.ts';
import { createRegistry, type ToolRegistry } from './tools/registry.ts';
import type { ShellHost } from './tools/shell-host.ts';
import { localTerminal, remoteTerminal } from './tools/terminal-host.ts';
import type { TerminalInputs } from './tools/terminal-inputs.ts';

/** What this version can do beyond the least that `vm-agent.v1` asks for. */
const FEATURES: readonly string[] = ['shell', 'cancel', 'output', 'resume', AUDIT_FEATURE, TRUST_FEATURE];

/** The same with what depends on the machine. */
export const agentFeatures = (): readonly string[] =>
  nativePty() === undefined ? FEATURES : [...FEATURES, TERMINAL_FEATURE];

/** The tools that a configuration leaves, anew for each one. */
export function registryMaker(
  options: Pick<AgentOptions, 'layout' | 'user' | 'hostname' | 'configFile'>,
  parts: {
    clock: Clock;
    /** Undefined: the daemon runs everything itself. */
    executor: ExecutorClient | undefined;
    host: ShellHost;
    inputs: TerminalInputs;
    background: BackgroundCommands;
    counts: CallCounts;
    policy: PolicySource;
    tlsKey: string | undefined;
  },
): (config: FrozenConfig) => ToolRegistry {
  const { layout, user, hostname, configFile } = options;
  const { clock, executor, host, inputs, background, counts, policy, tlsKey } = parts;
  return ({ tools }) =>
    createRegistry(
      allTools({
        clock,
        hostname,
        config: tools,
        host,
        layout,
        terminal: {
          host: executor === undefined ? localTerminal(user) : remoteTerminal(executor),
          inputs,
        },
        background,
        executor,
        protectedPaths: protectedPaths(layout, { config: configFile, tlsKey }),
      }),
      (grant, tool) => policy.decide(grant, tool),
      counts,
    );
}
