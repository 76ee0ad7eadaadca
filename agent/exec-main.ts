// The executor: what systemd starts for each connection of the daemon, as root without a capability; and the process
// that runs tools for it, as their user; and, where there is no executor, the process that holds a terminal.
// Arguments: `serve UNIT`, `worker` or `pty`.
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { config as zodConfig } from 'zod';
import { systemClock } from '../base/clock.ts';
import { keyId, type SigningKey } from '../base/dsse.ts';
import { createLogger, type Logger } from '../base/logger.ts';
import { diskLayout, trustEntries } from '../protocol/disk-layout.ts';
import { commandKeysFileSchema } from '../protocol/trust-files.ts';
import { UPGRADE_TOOL, upgradeArgumentsSchema } from '../protocol/upgrade.ts';
import { type FrozenConfig, loadAgentConfig } from './config.ts';
import { ExecutorCore } from './executor/server/core.ts';
import { Ledger } from './executor/server/ledger.ts';
import { executorPlaces, makePlaces } from './executor/server/places.ts';
import { ExecutorSession } from './executor/server/session.ts';
import { ToolWorkers } from './executor/server/tool-workers.ts';
import { runProgram } from './executor/server/unit.ts';
import { bootId } from './identity/boot-id.ts';
import { PROGRAM_VERSION } from './identity/program-version.ts';
import { policyOf } from './policy/installed.ts';
import { EnvelopeVerifier } from './policy/verify-envelope.ts';
import { upgradeCommand } from './tools/upgrade-agent.ts';

const KEEP_MS = 8 * 24 * 3_600_000;

async function serve(unit: string, log: Logger): Promise<void> {
  const layout = diskLayout();
  const places = executorPlaces(layout);
  makePlaces(places);
  const settings = await loadAgentConfig({ layout, env: {} });
  const policy = policyOf({ layout, log, onCondition: () => undefined });
  const ledger = new Ledger({ file: places.database, clock: systemClock });
  const trust = readJson(trustEntries(layout).commandKeys.path);
  const keys = trust === undefined ? undefined : commandKeysFileSchema.parse(trust);
  const verifier = keys === undefined ? undefined : new EnvelopeVerifier(keys);
  const key = executorKey(trustEntries(layout).executorKey.path);
  const workers = new ToolWorkers({
    places,
    run: runProgram,
    clock: systemClock,
    owner: unit,
    program: [process.execPath, join(import.meta.dirname, 'vm-agent-exec.mjs'), 'worker'],
    configuration: () => ({ tools: settings.tools, home: layout.home }),
  });
  const core = new ExecutorCore({
    places,
    ledger,
    clock: systemClock,
    run: runProgram,
    workers,
    owner: unit,
    bootId: bootId(),
    // systemd names the instance NUMBER-PID-UID of who connected (systemd.socket(5), Accept=).
    peerIsRoot: /@\d+-\d+-0\.service$/.test(unit),
    verify: (message) =>
      verifier?.verify(message, systemClock.now(), undefined) ?? {
        kind: 'rejected',
        claimedId: undefined,
        refusal: {
          state: 'refused',
          reason: 'signature',
          code: 'signature_invalid',
          message: 'This machine trusts no command root yet.',
        },
      },
    verifyInput: (message, id) =>
      verifier?.verifyInput(message, id, systemClock.now()) ?? {
        kind: 'refused',
        code: 'signature_invalid',
        message: 'This machine trusts no command root yet.',
      },
    decide: (grant, tool) => policy.decide(grant, tool),
    shell: shellOf(settings),
    attest: keys === undefined || key === undefined ? undefined : { agentId: keys.agent_id, key },
    trust: keys,
    layout,
    programOf: (tool, args) =>
      tool === UPGRADE_TOOL ? upgradeCommand(layout.current, upgradeArgumentsSchema.parse(args)) : undefined,
  });
  try {
    for (const id of ledger.prune(KEEP_MS)) core.forget(id);
  } catch (cause) {
    // The disk's fault is told to whoever asks for something.
    log.error({ err: cause }, 'old commands cannot be forgotten now');
  }
  const stop = () => {
    core.close();
    process.exit(0);
  };
  new ExecutorSession({
    socket: new Socket({ fd: 0, readable: true, writable: true }),
    core,
    log,
    version: PROGRAM_VERSION,
    onIdle: stop,
  });
  process.on('SIGTERM', stop);
}

const shellOf = ({ tools: { shell_executor: shell } }: FrozenConfig) => ({
  runAs: shell.run_as,
  enabled: shell.enabled,
  defaultTimeoutS: shell.timeout,
  lang: undefined,
});

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
}

/** Undefined on a machine that was installed before it had one: its results are not signed. */
function executorKey(path: string): SigningKey | undefined {
  try {
    const privateKey = createPrivateKey(readFileSync(path));
    return { kid: keyId(createPublicKey(privateKey).export({ type: 'spki', format: 'der' })), privateKey };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
}

// Schemas are compiled when they are first needed, which costs more than it saves in a process of some calls.
zodConfig({ jitless: true });
const { log } = createLogger({ name: 'vm-agent-exec', level: 'info', stream: process.stderr });
process.on('uncaughtException', (error) => {
  log.fatal({ err: error }, 'the executor failed');
  process.exit(1);
});
const [mode, unit = ''] = process.argv.slice(2);
if (mode === 'serve') await serve(unit, log);
else if (mode === 'worker') {
  const { runToolWorker } = await import('./tool-worker.ts');
  await runToolWorker({ input: 0, output: 1, clock: systemClock, log });
} else if (mode === 'pty') {
  const { runPtyHost } = await import('./pty-host.ts');
  await runPtyHost({ input: 0, output: 1, clock: systemClock });
} else {
  process.stderr.write(
    'vm-agent-exec is started by systemd: serve UNIT, or worker; and by the agent: pty.\n',
  );
  process.exitCode = 2;
}
