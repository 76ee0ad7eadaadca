// `npm start`: an orchestrator and one agent on this machine, for real, without root. Everything is kept in one folder.
//   --once       end after the first command
//   --port N     port of the orchestrator (default 8443, then the one of the last start)
//   --data DIR   the folder (default .vm-agent-demo/)
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadAgentConfig } from '../agent/config.ts';
import { writeFileAtomic } from '../base/atomic-file.ts';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { diskLayout } from '../protocol/disk-layout.ts';
import { AppError } from '../protocol/errors.ts';
import { parseProvisioningToken } from '../protocol/provisioning-token.ts';
import type { CreateTokenResponse } from '../protocol/rest-fleet.ts';
import { fetchCa } from '../provision/fetch-ca.ts';
import { createHost } from '../provision/host.ts';
import { install } from '../provision/install.ts';
import { createOrchestrator } from '../provision/orchestrator.ts';
import { waitUntilOnline } from '../provision/probe.ts';
import { createReporter, paintFor } from '../provision/progress.ts';
import { readEnrolment } from '../provision/records.ts';
import { reportFailure } from '../provision/run-installer.ts';
import { keepPort, keepSecrets } from './demo/keep.ts';
import { capture, pass, type Running, serve, start, stop } from './demo/orchestrator-process.ts';
import { ROOT } from './lib/root.ts';

// What the shell says of another orchestrator is not meant for this one.
for (const name of Object.keys(process.env))
  if (name.startsWith('VM_ORCHESTRATOR_')) delete process.env[name];

const DEFAULT_PORT = 8443;
const dist = join(ROOT, 'dist');
const program = join(dist, 'vm-orchestrator.mjs');
const paint = paintFor(process.stdout, process.env);
const say = (text: string) => process.stdout.write(`${text}\n`);
const heading = (text: string) => say(`\n${paint.bold(text)}`);

const { values } = readOptions();
if (values.help) {
  say(
    'npm start -- [--once] [--port N] [--data DIR]\n\nStarts an orchestrator and an agent on this machine.',
  );
  process.exit(0);
}
const folder = resolve(values.data);
const home = join(folder, 'agent');

const stopping = new Promise<void>((done) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => done());
});
let orchestrator: Running | undefined;
let agent: ReturnType<typeof start> | undefined;
try {
  await Promise.race([demo(), stopping]);
} catch (cause) {
  process.exitCode = reportFailure(cause, { output: process.stderr, env: process.env, debug: false });
} finally {
  await stop(agent?.child);
  await stop(orchestrator?.child);
}
// Stopped in the middle of a step, that step would go on.
process.exit(process.exitCode ?? 0);

async function demo(): Promise<void> {
  if (!existsSync(program) || !existsSync(join(dist, 'vm-agent.mjs')))
    await capture([join(ROOT, 'scripts/build.mts')], process.env);
  const host = createHost(process, hostname());
  const kept = await keepSecrets(folder);
  const port = await choosePort(host);
  heading('Starting the orchestrator');
  orchestrator = await serve({
    program,
    data: join(folder, 'orchestrator'),
    port,
    env: {
      ...host.env,
      VM_ORCHESTRATOR_ADMIN_PASSWORD_FILE: kept.passwordFile,
      VM_ORCHESTRATOR_API_TOKEN_FILE: kept.apiTokenFile,
    },
  });
  const { url } = orchestrator;
  say(`  ${url}`);

  // Our own child at its own address: the one place where nobody has to prove who he is.
  const offer = await fetchCa({ server: new URL(url), clock: systemClock });
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, offer.pem);
  const cli = {
    ...host.env,
    VM_ORCHESTRATOR_URL: url,
    VM_ORCHESTRATOR_API_TOKEN: kept.apiToken,
    VM_ORCHESTRATOR_CA_FILE: caFile,
  };
  const envFile = join(folder, 'env');
  const exports = Object.entries({ ...cli }).filter(([name]) => name.startsWith('VM_ORCHESTRATOR_'));
  const lines = exports.map(
    ([name, value]) => `export ${name}='${String(value).replaceAll("'", `'\\''`)}'\n`,
  );
  await writeFileAtomic(envFile, lines.join(''), { mode: 0o600 });
  const createToken = async (): Promise<CreateTokenResponse> =>
    JSON.parse(await capture([program, 'token', 'create', '--json'], cli)) as CreateTokenResponse;

  heading('Enrolling this machine, in user mode');
  const layout = diskLayout(home);
  const begun = await readEnrolment(layout);
  const needsToken = begun?.answer === undefined || begun.orchestrator_url !== url;
  const own = needsToken ? (await createToken()).token : undefined;
  const parsed = own === undefined ? undefined : parseProvisioningToken(own);
  const enrolled = await install(
    {
      mode: 'user',
      home,
      server: url,
      token: own && parsed ? { text: own, ...parsed } : undefined,
      caFile: undefined,
      labels: { demo: 'true' },
      port: undefined,
      skipDependencies: false,
      privilegedExecutor: false,
      // Another address than last time, another port or network, is another orchestrator to an agent.
      forceReinstall: begun !== undefined && begun.orchestrator_url !== url,
      sameMachine: false,
      dryRun: false,
      scope: 'unstarted',
      artifacts: undefined,
      dist,
    },
    {
      host,
      clock: systemClock,
      reporter: createReporter({ output: process.stdout, env: process.env, clock: systemClock }),
      note: (text) => say(`  ${text}`),
    },
  );
  agent = start([join(home, 'current/vm-agent.mjs'), 'server', '--home', home], host.env);
  const { child, said } = agent;
  child.stdout?.resume();
  await waitUntilOnline({
    ctx: {
      layout,
      clock: systemClock,
      orchestrator: createOrchestrator({
        server: new URL(url),
        clock: systemClock,
        random: systemRandom,
        pin: undefined,
      }),
    },
    port: (await loadAgentConfig({ layout, env: {} })).server.port,
    withinMs: 60_000,
    alive: async () => child.exitCode === null && child.signalCode === null,
    diagnosis: async () => said(),
    hint: `See ${layout.log}/agent.log`,
  });
  say(`  ${enrolled.vmId} is online`);

  heading('Running a command on it');
  say(paint.dim('  $ vm-orchestrator run -- "hostname; uname -sr; date"'));
  const code = await pass(
    [
      program,
      'run',
      '--selector',
      `id=${enrolled.vmId}`,
      '--timeout',
      '60',
      '--',
      'hostname; uname -sr; date',
    ],
    cli,
  );
  if (code !== 0) throw new Error(`the command ended with exit code ${code}\n${agent.said()}`);

  const next = await createToken();
  heading('The dashboard');
  say(`  ${url}\n  user ${paint.bold('admin')}, password ${paint.bold(kept.password)}`);
  heading('A provisioning token, good for one machine and 24 hours');
  say(`  ${next.token}`);
  heading('Enroll another machine: paste this line into its shell');
  say(next.one_liner);
  if (values.once) return;
  heading('Try it from another shell');
  say(`  . ${relative(process.cwd(), envFile)}\n  npx vm-orchestrator run -- uptime`);
  heading('Running until Ctrl-C');
  const gone = (child: Running['child']) => new Promise<void>((done) => child.once('exit', () => done()));
  const ended = await Promise.race([
    stopping.then(() => undefined),
    gone(orchestrator.child).then(() => 'orchestrator'),
    gone(agent.child).then(() => `agent: ${agent?.said()}`),
  ]);
  if (ended !== undefined) throw new Error(`it ended by itself: ${ended}`);
  say('\nStopping');
}

/** The port of the last start, or the one asked for; another one only where nobody has chosen. */
async function choosePort(host: ReturnType<typeof createHost>): Promise<number> {
  const asked = values.port === undefined ? undefined : Number(values.port);
  if (asked !== undefined && !(Number.isInteger(asked) && asked > 0 && asked < 65_536)) {
    throw new AppError('bad_request', {
      detail: `--port ${values.port} is no port.`,
      hint: 'Give a number from 1 to 65535.',
    });
  }
  const wanted = await keepPort(
    folder,
    asked,
    (await host.isPortFree(DEFAULT_PORT)) ? DEFAULT_PORT : await host.freePort(),
  );
  if (await host.isPortFree(wanted)) return wanted;
  throw new AppError('conflict', {
    detail: `Port ${wanted} is taken; does another demo run with this folder?`,
    hint: 'End what listens there, or choose another port: npm start -- --port N',
  });
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        port: { type: 'string' },
        data: { type: 'string', default: '.vm-agent-demo' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (cause) {
    process.stderr.write(
      `error: ${(cause as Error).message}\nwhat to do: npm start -- --help lists the options\n`,
    );
    process.exit(2);
  }
}
