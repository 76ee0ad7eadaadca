import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  originSchema,
  tokenCommandSchema,
  USER_DATA_FORMATS,
  type UserDataFormat,
} from '../../cloud-init/params.ts';
import {
  MAX_USER_DATA_BYTES,
  renderUserData,
  type UserDataParams,
  type UserDataPart,
} from '../../cloud-init/render.ts';
import { AppError } from '../../protocol/errors.ts';
import type { TokenRate } from '../../protocol/provisioning-token.ts';
import { createTokenResponseSchema } from '../../protocol/rest-fleet.ts';
import {
  countArgument,
  durationArgument,
  labelArgument,
  rateArgument,
  vmIdPatternArgument,
} from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, showToken, timeText, write } from './print.ts';
import { readParts } from './user-data-parts.ts';

interface Flags extends ClientFlags {
  ttl?: number;
  uses?: number;
  rate?: TokenRate;
  label?: Record<string, string>;
  vmIdPattern?: string;
  cidr?: string;
  format: UserDataFormat;
  part?: string[];
  tokenFrom?: string;
  serverUrl?: string;
  port?: number;
}

const collect = (file: string, before: string[] = []) => [...before, file];

/** What is found before anything is asked of the orchestrator is a wrong call. */
function rendered(params: UserDataParams): string {
  try {
    return renderUserData(params);
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    const { message: detail, hint } = cause;
    throw new AppError('config_invalid', { detail, ...(hint === undefined ? {} : { hint }), cause });
  }
}

async function print(deps: CliDeps, flags: Flags): Promise<void> {
  const parts = await readParts(flags.part ?? [], flags.format);
  if (flags.tokenFrom !== undefined) return printWithoutToken(deps, flags, parts, flags.tokenFrom);
  const common = commonOf(flags, parts);
  const { ttl = DEFAULT_TTL_S, uses = 1 } = flags;
  // A call that is wrong must not make a token: everything is tried with one that only looks like it.
  rendered({
    ...common,
    url: flags.serverUrl ?? 'https://localhost',
    token: LOOKS_LIKE_A_TOKEN,
    ...(uses > 1 ? {} : { setupSha256: LOOKS_LIKE_A_SHA256 }),
  });
  const client = await clientFor(deps, flags);
  const made = await client.call({
    method: 'POST',
    path: '/provisioning-tokens',
    body: {
      uses,
      ttl_s: Math.ceil(ttl),
      labels: flags.label ?? {},
      description: 'cloud-init',
      ...(flags.rate === undefined ? {} : { rate: flags.rate }),
      ...(flags.vmIdPattern === undefined ? {} : { vm_id_pattern: flags.vmIdPattern }),
      ...(flags.cidr === undefined ? {} : { cidr: flags.cidr }),
    },
    answer: createTokenResponseSchema,
  });
  const { id, expires_at } = made;
  const bytes = await showToken(id, async () => {
    const userData = renderUserData({
      ...common,
      url: flags.serverUrl ?? made.server_url ?? addressOf(deps, flags),
      token: made.token,
      // User-data of a group outlives releases of the orchestrator, and with them that script.
      ...(uses > 1 || made.setup_sha256 === undefined ? {} : { setupSha256: made.setup_sha256 }),
    });
    const size = Buffer.byteLength(userData);
    if (flags.json)
      await printJson(deps.stdout, { user_data: userData, bytes: size, token_id: id, expires_at });
    else await write(deps.stdout, userData);
    return size;
  });
  if (flags.json) return;
  const machines = uses === 1 ? 'one machine' : `${uses} machines`;
  deps.stderr.write(
    `vm-orchestrator: ${bytes} of ${MAX_USER_DATA_BYTES} bytes; the token ${id} in it enrolls ${machines} until ${timeText(expires_at)}\n`,
  );
}

/** The machine fetches its token itself: this user-data is no secret and does not expire. */
async function printWithoutToken(
  deps: CliDeps,
  flags: Flags,
  parts: readonly UserDataPart[],
  tokenFrom: string,
): Promise<void> {
  const userData = rendered({
    ...commonOf(flags, parts),
    url: flags.serverUrl ?? addressOf(deps, flags),
    tokenFrom,
    labels: flags.label,
  });
  const bytes = Buffer.byteLength(userData);
  if (flags.json) return printJson(deps.stdout, { user_data: userData, bytes });
  await write(deps.stdout, userData);
  deps.stderr.write(
    `vm-orchestrator: ${bytes} of ${MAX_USER_DATA_BYTES} bytes; each machine runs the command for its token\n`,
  );
}

const commonOf = ({ format, port }: Flags, parts: readonly UserDataPart[]) => ({ format, port, parts });

/** Long enough for a machine to boot, and short for whoever finds the user-data later. */
const DEFAULT_TTL_S = 15 * 60;
const LOOKS_LIKE_A_SHA256 = '0'.repeat(64);
const LOOKS_LIKE_A_TOKEN = `prov_${'0'.repeat(12)}_${'0'.repeat(40)}_${'0'.repeat(32)}`;

function addressOf(deps: CliDeps, flags: Flags): string {
  const address = flags.url ?? deps.env['VM_ORCHESTRATOR_URL'];
  const hint = 'Give it by --server-url https://HOST[:PORT].';
  if (!address)
    throw new AppError('config_invalid', {
      detail: 'It is not known where machines reach the orchestrator.',
      hint,
    });
  if (originSchema.safeParse(address).success) return address;
  throw new AppError('config_invalid', {
    detail: `${address} (--url or VM_ORCHESTRATOR_URL) is no address that machines can be given.`,
    hint,
  });
}

function portArgument(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('It is a number from 0 to 65535.');
  return port;
}

const checkedBy =
  (schema: typeof originSchema | typeof tokenCommandSchema) =>
  (text: string): string => {
    const { data, error } = schema.safeParse(text);
    if (data !== undefined) return data;
    const [first = ''] = error?.issues.map(({ message }) => message) ?? [];
    throw new InvalidArgumentError(`${first.charAt(0).toUpperCase()}${first.slice(1)}.`);
  };

/** `vm-orchestrator cloud-init`: user-data with which a new machine enrolls itself. */
export function register(program: Command, deps: CliDeps): void {
  withClientFlags(
    program
      .command('cloud-init')
      .description('print user-data that makes a new machine enroll itself')
      .option(
        '--ttl <time>',
        'how long its token is valid: the machine must have booted by then (default: 15m)',
        durationArgument('--ttl', { least: '10s', most: '30d' }),
      )
      .option('--uses <n>', 'how many machines may use it (default: 1)', countArgument('--uses', 100_000))
      .option('--rate <n/time>', 'how many within a time, e.g. 10/1h', rateArgument)
      .option('--label <key=value>', 'label of the agents; may be repeated', labelArgument)
      .option('--vm-id-pattern <glob>', 'only machines whose vm_id is so, e.g. vm-web-*', vmIdPatternArgument)
      .option('--cidr <network>', 'only machines in this network, e.g. 10.0.0.0/8')
      .addOption(
        new Option('--format <format>', 'what it is for: cloud-init, an archive for it, or CoreOS')
          .choices([...USER_DATA_FORMATS])
          .default('cloud-config'),
      )
      .option('--part <file>', 'user-data of your own, for --format mime; may be repeated', collect)
      .addOption(
        new Option(
          '--token-from <command>',
          'no token: each machine runs this line as root, and it prints one',
        )
          .argParser(checkedBy(tokenCommandSchema))
          .conflicts(['uses', 'ttl', 'rate', 'vmIdPattern', 'cidr']),
      )
      .option(
        '--server-url <url>',
        'where machines reach the orchestrator (default: its public URL)',
        checkedBy(originSchema),
      )
      .option('--port <n>', 'port of the agent’s local interface', portArgument),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nExamples:\n  vm-orchestrator cloud-init --label env=prod > user-data\n  vm-orchestrator cloud-init --uses 50 --ttl 7d --rate 10/1h --cidr 10.1.0.0/16 > user-data\n  vm-orchestrator cloud-init --format mime --part mine.yaml > user-data\n  vm-orchestrator cloud-init --token-from 'aws ssm get-parameter --name vm-agent-token --with-decryption --query Parameter.Value --output text'`,
    )
    .action((flags: Flags) => reporting(deps, flags, () => print(deps, flags)));
}
