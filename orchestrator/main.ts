import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { systemClock } from '../base/clock.ts';
import { createLogger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import { shutdownFromSignals } from '../base/shutdown.ts';
import { write } from './cli/print.ts';
import { runCli } from './cli.ts';
import { adminEnvironment, loadServeConfig, resetEnvironment } from './config.ts';

/** Set in the bundle, where this file lies in `dist/` itself. */
declare const VM_AGENT_VERSION: string | undefined;
const bundled = typeof VM_AGENT_VERSION === 'string';
const dist = bundled ? import.meta.dirname : join(import.meta.dirname, '../dist');
const version = bundled
  ? VM_AGENT_VERSION
  : String(JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')).version);

const environment = (level: 'debug' | 'info' | 'warn' | 'error') => ({
  clock: systemClock,
  random: systemRandom,
  log: createLogger({ name: 'vm-orchestrator', level, stream: process.stderr }).log,
  version,
  dist,
});

// What the data folder holds is nobody else's, whatever shell it was started from.
process.umask(0o077);

// Who read our output has gone (`… | head`), or its disk is full: what is being written learns of it from its own
// callback, and ends. What is said on stderr has nowhere else to go.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C and Ctrl-D are a no.
  const closed = new AbortController();
  terminal.on('close', () => closed.abort());
  try {
    const answer = await terminal.question(`${question} [y/N] `, { signal: closed.signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    return false;
  } finally {
    terminal.close();
  }
}

async function readLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  try {
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
  }
}

process.exitCode = await runCli(process.argv.slice(2), {
  version,
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  clock: systemClock,
  ...(process.stdin.isTTY && process.stderr.isTTY ? { confirm } : {}),
  readLine,
  shutdown: () => shutdownFromSignals(process),
  exitWith: () => undefined,
  server: {
    // The server's parts load when they are needed: the client's subcommands start without them.
    async serve({ logLevel, ...flags }) {
      const { serve } = await import('./serve.ts');
      const { log } = environment(logLevel);
      const announce = (line: string) =>
        void write(process.stdout, `${line}\n`).catch((cause: Error) => log.warn(cause.message));
      const takeSignals = () => shutdownFromSignals(process);
      const config = await loadServeConfig(flags, process.env);
      return serve({ config, environment: environment(logLevel), takeSignals, announce });
    },
    async bootstrap({ data, logLevel }) {
      const { bootstrap } = await import('./data.ts');
      const admin = await adminEnvironment(process.env);
      return bootstrap({ dataDir: data, admin, environment: environment(logLevel) });
    },
    async adminReset({ data, logLevel }) {
      const { resetCredentials } = await import('./data.ts');
      const admin = await resetEnvironment(process.env);
      return resetCredentials({ dataDir: data, admin, environment: environment(logLevel) });
    },
    backups: async () => (await import('./backup/actions.ts')).backupActions(environment('warn')),
    async backupKey({ data, logLevel, ...what }) {
      const { workOnBackupKey } = await import('./data.ts');
      return workOnBackupKey({ dataDir: data, ...what, environment: environment(logLevel) });
    },
    async verifyAudit(source) {
      const { verifyData, verifyExport } = await import('./audit/offline.ts');
      const witnesses = source.checkpoints;
      if ('file' in source) return verifyExport({ ...source, witnesses });
      const { demandData, STORE_FILE } = await import('./data-folder.ts');
      await demandData(source.data);
      const storeFile = join(source.data, STORE_FILE);
      return verifyData({ ...source, dataDir: source.data, storeFile, witnesses });
    },
  },
});
