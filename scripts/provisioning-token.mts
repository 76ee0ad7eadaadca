// `node scripts/provisioning-token.mts`: makes a provisioning token and prints the line that enrolls a machine. It asks
// for what it is not told when somebody sits at the terminal; otherwise flags and environment must say it.
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../base/clock.ts';
import { shutdownFromSignals } from '../base/shutdown.ts';
import { runCli } from '../orchestrator/cli.ts';
import { parseDuration } from '../protocol/duration.ts';
import { parseLabel } from '../protocol/provisioning-token.ts';
import { openQuestions, type Questions } from './lib/questions.ts';
import { PACKAGE } from './lib/root.ts';

const HELP = `node scripts/provisioning-token.mts [options]

Makes a provisioning token over REST and prints the line that enrolls a machine.
On a terminal it asks for what is not given, except --rate, --cidr and --vm-id-pattern; with --yes it takes the
defaults.

  --url URL            the orchestrator (VM_ORCHESTRATOR_URL)
  --ca-file FILE       its CA, where the system does not trust it (VM_ORCHESTRATOR_CA_FILE)
  --org NAME           organization (default)
  --uses N             how many machines may use it (1)
  --ttl TIME           how long it is valid, e.g. 15m or 24h (24h)
  --rate N/TIME        how many machines within a time, e.g. 10/1h (any)
  --cidr NETWORK       only machines in this network, e.g. 10.0.0.0/8
  --vm-id-pattern GLOB only machines whose vm_id is so, e.g. vm-web-*
  --label KEY=VALUE    label of the agents that it enrolls; may be repeated
  --yes                ask for nothing that has a default
  --json               print {id, token, expires_at, one_liner, setup_command}
  --help

The API token comes from VM_ORCHESTRATOR_API_TOKEN, or is asked for and not shown.
Exit codes: 0 done, 2 something is missing or wrong, 3 unreachable, 4 refused.
`;

interface Values {
  url: string;
  apiToken: string;
  caFile: string;
  org: string;
  uses: string;
  ttl: string;
  labels: string[];
}

const refuseUrl = (text: string) =>
  URL.canParse(text) && new URL(text).protocol === 'https:' ? undefined : 'Write https://HOST[:PORT].';
const refuseFile = (path: string) =>
  path === '' || existsSync(path) ? undefined : `There is no file ${path}.`;
const refuseUses = (text: string) => (/^[1-9]\d{0,5}$/.test(text) ? undefined : 'Write a number from 1 on.');
const refuseTtl = (text: string) =>
  parseDuration(text) === undefined
    ? 'Write seconds, or a number with s, m, h or d: 90, 15m, 24h.'
    : undefined;
const split = (text: string) => text.split(/[\s,]+/).filter((word) => word !== '');
const refuseLabels = (text: string) => {
  const wrong = split(text).find((word) => parseLabel(word) === undefined);
  return wrong === undefined ? undefined : `${wrong} is no label: write key=value, several with commas.`;
};

const { values: flags } = parseArgs({
  options: {
    url: { type: 'string' },
    'ca-file': { type: 'string' },
    org: { type: 'string' },
    uses: { type: 'string' },
    ttl: { type: 'string' },
    rate: { type: 'string' },
    cidr: { type: 'string' },
    'vm-id-pattern': { type: 'string' },
    label: { type: 'string', multiple: true },
    yes: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const { env, stdin, stderr } = process;

/** What flags and environment say; undefined where they say nothing. */
const given: { [K in keyof Values]: Values[K] | undefined } = {
  url: flags.url ?? (env['VM_ORCHESTRATOR_URL'] || undefined),
  apiToken: env['VM_ORCHESTRATOR_API_TOKEN'] || undefined,
  caFile: flags['ca-file'] ?? (env['VM_ORCHESTRATOR_CA_FILE'] || undefined),
  org: flags.org,
  uses: flags.uses,
  ttl: flags.ttl,
  labels: flags.label,
};

async function askForTheRest(terminal: Questions): Promise<Values> {
  const { ask } = terminal;
  const optional = (text: string, otherwise: string, refuse?: (answer: string) => string | undefined) =>
    flags.yes ? otherwise : ask({ text, otherwise, ...(refuse === undefined ? {} : { refuse }) });
  return {
    url: given.url ?? (await ask({ text: 'Orchestrator (https://HOST:PORT)', refuse: refuseUrl })),
    apiToken:
      given.apiToken ??
      (await ask({
        text: 'API token (vmo_…, not shown)',
        secret: true,
        refuse: (text) => (text === '' ? 'Without one nothing is allowed.' : undefined),
      })),
    caFile: given.caFile ?? (await optional('CA file (empty: the system’s trust)', '', refuseFile)),
    org: given.org ?? (await optional('Organization', 'default')),
    uses: given.uses ?? (await optional('Machines that may use it', '1', refuseUses)),
    ttl: given.ttl ?? (await optional('Valid for', '24h', refuseTtl)),
    labels: given.labels ?? split(await optional('Labels (key=value, …)', '', refuseLabels)),
  };
}

function withDefaults(): Values {
  const {
    url = '',
    apiToken = '',
    caFile = '',
    org = 'default',
    uses = '1',
    ttl = '24h',
    labels = [],
  } = given;
  const missing = [
    ...(url === '' ? ['the orchestrator’s address (--url or VM_ORCHESTRATOR_URL)'] : []),
    ...(apiToken === '' ? ['the API token (VM_ORCHESTRATOR_API_TOKEN)'] : []),
  ];
  if (missing.length > 0) {
    stderr.write(`error: missing: ${missing.join('; ')}\nwhat to do: give it, or run this at a terminal\n`);
    process.exit(2);
  }
  return { url, apiToken, caFile, org, uses, ttl, labels };
}

async function valuesFrom(): Promise<Values> {
  if (!stdin.isTTY || !stderr.isTTY) return withDefaults();
  const terminal = openQuestions(stdin, stderr);
  try {
    return await askForTheRest(terminal);
  } catch {
    stderr.write('\nerror: not all was answered; nothing was made\n');
    process.exit(2);
  } finally {
    terminal.close();
  }
}

if (flags.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const { url, apiToken, caFile, org, uses, ttl, labels } = await valuesFrom();
const noServer = () => Promise.reject(new Error('this script serves nothing'));
const words = ['token', 'create', '--org', org, '--uses', uses, '--ttl', ttl];
for (const limit of ['rate', 'cidr', 'vm-id-pattern'] as const) {
  const value = flags[limit];
  if (value !== undefined) words.push(`--${limit}`, value);
}
// What is being written learns of an error from its own callback.
process.stdout.on('error', () => undefined);
process.exitCode = await runCli(
  [...words, ...labels.flatMap((label) => ['--label', label]), ...(flags.json ? ['--json'] : [])],
  {
    version: PACKAGE.version,
    // The token goes by the environment of this process alone, in no argument that others could read.
    env: {
      VM_ORCHESTRATOR_URL: url,
      VM_ORCHESTRATOR_API_TOKEN: apiToken,
      ...(caFile === '' ? {} : { VM_ORCHESTRATOR_CA_FILE: caFile }),
    },
    stdout: process.stdout,
    stderr,
    clock: systemClock,
    shutdown: () => shutdownFromSignals(process),
    exitWith: () => undefined,
    server: {
      serve: noServer,
      bootstrap: noServer,
      adminReset: noServer,
      verifyAudit: noServer,
      backups: noServer,
      backupKey: noServer,
    },
  },
);
