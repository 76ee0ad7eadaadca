import { resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import { config } from 'zod';
import { parsePort } from '../provision/command.ts';
import { type CliContext, layoutFor, withHome } from './context.ts';

interface Flags {
  home?: string;
  host?: string;
  port?: number;
  config?: string;
  executor?: boolean;
  provision?: boolean;
  provisioningToken?: string;
  serverUrl?: string;
}

export function addServer(program: Command, ctx: CliContext): void {
  withHome(program.command('server'))
    .description('run the agent, in the foreground, until it is told to stop')
    .option('--host <address>', 'address of the local interface (default 0.0.0.0)')
    .option('--port <n>', 'its port (default 8080; 0: a free one)', parsePort)
    .option('--config <file>', 'another configuration file')
    .option('--executor', 'run commands through the privileged executor (as the system’s service does)')
    .option('--provision', 'enroll first, where that has not been done; needs a provisioning token')
    .option(
      '--provisioning-token <token>',
      'the token for it; visible to other users of this machine at first (better: env PROVISIONING_TOKEN)',
    )
    .option('--server-url <url>', 'the orchestrator to enroll with (env: ORCHESTRATOR_URL)')
    .action(async (flags: Flags) => {
      ctx.process.exitCode = await server(flags, ctx);
    });
}

async function server(flags: Flags, ctx: CliContext): Promise<number> {
  const { env } = ctx.process;
  const home = flags.home ?? (env['VM_AGENT_HOME'] || undefined);
  if (flags.provision) {
    const { runInstaller } = await import('../provision/run-installer.ts');
    const { provisioningToken, serverUrl, port } = flags;
    const code = await runInstaller({
      ...ctx,
      scope: 'identity',
      flags: {
        privilegedExecutor: true,
        ...(home === undefined ? {} : { home }),
        ...(provisioningToken === undefined ? {} : { provisioningToken }),
        ...(serverUrl === undefined ? {} : { serverUrl }),
        ...(port === undefined ? {} : { port }),
      },
    });
    if (code !== 0) return code;
    // Commands of the agent must not find the token in their environment.
    delete env['PROVISIONING_TOKEN'];
  } else {
    const { refuseStart } = await import('./refuse-start.ts');
    await refuseStart(layoutFor(home, ctx), ctx.process.getuid?.() ?? -1);
  }
  // Before the daemon's modules are evaluated, since their schemas look at it: compiling a parser for each schema costs
  // a start more than parsing ever takes.
  config({ jitless: true });
  // V8 doubles its space for young objects each time that much of it survives, as nearly all does that a start loads,
  // and keeps it afterwards. Later it may grow again, for a daemon with much to do.
  setFlagsFromString('--semi-space-growth-factor=1');
  const { runDaemon } = await import('../agent/main.ts');
  setFlagsFromString('--semi-space-growth-factor=2');
  const local = {
    ...(flags.host === undefined ? {} : { host: flags.host }),
    ...(flags.port === undefined ? {} : { port: flags.port }),
  };
  return runDaemon({
    home: home === undefined ? undefined : resolve(home),
    configFile: flags.config,
    executor: flags.executor,
    flags: Object.keys(local).length === 0 ? {} : { server: local },
  });
}
