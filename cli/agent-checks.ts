import type { AgentClient } from '../agent/client.ts';
import { AppError } from '../protocol/errors.ts';
import type { Result } from './checks/check.ts';

/** What became of one endpoint or tool. */
export interface AgentFinding {
  name: string;
  result: Extract<Result, 'ok' | 'fail' | 'skipped'>;
  detail: string;
  hint?: string;
}

/** A fact that does not hold. */
class Unexpected extends Error {}

function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Unexpected(otherwise);
}

/** What a check works with; the folder is on the agent's side, and its own. */
interface Bench {
  client: AgentClient;
  folder: string;
}

type Check = (bench: Bench) => Promise<string>;

const TEXT = 'first\nsecond line\nERROR third failed\n';

/** One for each tool of the product, in an order in which each finds what it needs. */
const TOOL_CHECKS: readonly (readonly [tool: string, check: Check])[] = [
  [
    'execute_shell_command',
    async ({ client }) => {
      const got = await client.execute({ command: 'cat; echo err >&2; exit 3', stdin: 'in', timeout: 20 });
      expect(got.exit_code === 3, `exit code ${got.exit_code} instead of 3`);
      expect(got.stdout === 'in' && got.stderr === 'err\n', 'stdout or stderr is not what was written');
      return 'exit code, stdout, stderr and stdin are right';
    },
  ],
  [
    'list_commands',
    async ({ client }) => `${(await client.backgroundCommands()).length} of this caller in the background`,
  ],
  [
    'read_command_output',
    async ({ client }) => {
      const id = await inBackground(client, 'echo ready; sleep 30');
      const got = await client.readOutput({ id, until_regex: 'ready', wait_ms: 10_000 });
      await client.stopCommand({ id });
      expect(got.matched === true && got.state === 'running', 'the output did not come while it ran');
      return 'output is read while the command runs';
    },
  ],
  [
    'send_input',
    async ({ client }) => {
      const id = await inBackground(client, 'read line; echo "got $line"');
      await client.sendInput({ id, data: 'it\n', eof: true });
      const got = await client.readOutput({ id, until_regex: 'got it', wait_ms: 10_000 });
      expect(got.matched === true, `it wrote ${JSON.stringify(got.text)}`);
      return 'input reaches the command';
    },
  ],
  [
    'stop_command',
    async ({ client }) => {
      const id = await inBackground(client, 'sleep 30');
      const { state } = await client.stopCommand({ id });
      expect(state === 'cancelled', `its state is ${state}`);
      return 'the command has ended';
    },
  ],
  [
    'write_file',
    async ({ client, folder }) => {
      const got = await client.writeFile({ file_path: `${folder}/check.log`, content: TEXT });
      expect(got.size === TEXT.length, `${got.size} bytes instead of ${TEXT.length}`);
      return `${got.size} bytes`;
    },
  ],
  [
    'read_file',
    async ({ client, folder }) => {
      const whole = await client.readFile({ file_path: `${folder}/check.log` });
      expect(whole.content === TEXT, 'the content is not what was written');
      const part = await client.readFile({ file_path: `${folder}/check.log`, offset: -2, limit: 1 });
      expect(part.content === 'second line\n', `the last but one line is ${JSON.stringify(part.content)}`);
      return 'whole and in part';
    },
  ],
  [
    'edit_file',
    async ({ client, folder }) => {
      const file_path = `${folder}/check.log`;
      const dry = await client.editFile({ file_path, old_text: 'first', new_text: 'FIRST', dry_run: true });
      expect(!dry.changed && dry.diff.includes('+FIRST'), 'the dry run shows no diff');
      const got = await client.editFile({ file_path, old_text: 'first', new_text: 'FIRST' });
      expect(got.changed && got.replacements === 1, 'nothing was replaced');
      return 'one replacement, and a diff before it';
    },
  ],
  [
    'list_directory',
    async ({ client, folder }) => {
      const { entries } = await client.listDirectory({ directory_path: folder, limit: 1000 });
      expect(
        entries.some(({ name }) => name === 'check.log'),
        'the file that was written is not listed',
      );
      return `${entries.length} entries`;
    },
  ],
  [
    'search_files',
    async ({ client, folder }) => {
      const { matches } = await client.searchFiles({
        directory_path: folder,
        pattern: 'ERROR \\w+',
        glob: 'check.log',
      });
      expect(matches.length === 1 && matches[0]?.line === 3, 'the line with ERROR is not found');
      return 'found by its content';
    },
  ],
  [
    'analyze_log_file',
    async ({ client, folder }) => {
      const got = await client.analyzeLog({ log_path: `${folder}/check.log` });
      expect(got.lines_analyzed === 3, `${got.lines_analyzed} lines instead of 3`);
      return `${got.lines_analyzed} lines, ${got.levels.error ?? 0} errors`;
    },
  ],
  [
    'tail_log',
    async ({ client, folder }) => {
      const { lines } = await client.tailLog({ log_path: `${folder}/check.log`, lines: 1 });
      expect(lines[0] === 'ERROR third failed', `the last line is ${JSON.stringify(lines[0])}`);
      return 'the last line';
    },
  ],
  [
    'get_system_metrics',
    async ({ client }) => {
      const { cpu, memory, disks } = await client.systemMetrics();
      expect(
        cpu.cores > 0 && memory.total > 0 && disks.length > 0,
        'processors, memory or disks are missing',
      );
      return `${cpu.cores} cores, ${disks.length} disks`;
    },
  ],
  [
    'get_process_list',
    async ({ client }) => {
      const { total, processes } = await client.processes({ top: 5 });
      expect(total > 0 && processes.length > 0, 'there is no process');
      return `${total} processes`;
    },
  ],
];

async function inBackground(client: AgentClient, command: string): Promise<string> {
  const { command_id } = await client.execute({ command, background: true, timeout: 60 });
  expect(command_id !== undefined, 'it got no command_id');
  return command_id;
}

/** Drives every endpoint and every tool of a running agent. `stranger`: the same agent, asked without credentials. */
export async function* checkAgent(client: AgentClient, stranger: AgentClient): AsyncGenerator<AgentFinding> {
  yield* endpointChecks(client, stranger);
  let offered: Set<string>;
  try {
    offered = new Set((await client.tools()).map(({ name }) => name));
    yield { name: 'tools/list', result: 'ok', detail: `${offered.size} tools` };
  } catch (cause) {
    return yield failed('tools/list', cause);
  }
  const folder = await makeFolder(client, offered);
  try {
    for (const [tool, check] of TOOL_CHECKS) {
      if (offered.delete(tool)) yield await run(tool, () => check({ client, folder: folder ?? '/tmp' }));
      else yield { name: tool, result: 'skipped', detail: 'switched off on this VM' };
    }
  } finally {
    if (folder !== undefined)
      await client.execute({ command: `rm -rf -- '${folder}'`, timeout: 20 }).catch(() => undefined);
  }
  for (const tool of offered)
    yield { name: tool, result: 'skipped', detail: 'a tool that this program does not know' };
}

async function* endpointChecks(client: AgentClient, stranger: AgentClient): AsyncGenerator<AgentFinding> {
  const shut = async (ask: () => Promise<unknown>) => {
    const refused = await ask().then(
      () => undefined,
      (cause: unknown) => cause,
    );
    expect(refused !== undefined, 'it answers without credentials');
    expect(refused instanceof AppError && refused.code === 'unauthenticated', `it says: ${String(refused)}`);
    return 'refused without credentials';
  };
  yield await run('/livez', async () => {
    await client.get('/livez');
    return 'answers';
  });
  yield await run('/health', async () => {
    const { status, websocket_connected } = await client.health();
    return `${status}, ${websocket_connected ? 'connected' : 'not connected'} to the orchestrator`;
  });
  yield await run('/info', async () => {
    const { version, vm_id } = await client.info();
    return `version ${version}, ${vm_id ?? 'not enrolled'}`;
  });
  if (client.secure)
    yield await run('/api/v1/ca-certificate', async () => {
      expect((await client.get('/api/v1/ca-certificate')).includes('BEGIN CERTIFICATE'), 'it is no PEM');
      return 'a PEM';
    });
  yield await run('/metrics', async () => {
    const lines = (await client.metricsText())
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(
      lines.some((line) => line.startsWith('vm_agent_build_info{')),
      'vm_agent_build_info is missing',
    );
    return `${lines.length} series`;
  });
  yield await run('/metrics, no key', () => shut(() => stranger.metricsText()));
  yield await run('/mcp, no key', () => shut(() => stranger.tools()));
}

async function makeFolder(client: AgentClient, offered: ReadonlySet<string>): Promise<string | undefined> {
  if (!offered.has('execute_shell_command')) return undefined;
  const { stdout } = await client
    .execute({ command: 'mktemp -d /tmp/vm-agent-check.XXXXXX', timeout: 20 })
    .catch(() => ({ stdout: undefined }));
  const folder = stdout?.trim();
  return folder?.startsWith('/tmp/vm-agent-check.') ? folder : undefined;
}

async function run(name: string, check: () => Promise<string>): Promise<AgentFinding> {
  try {
    return { name, result: 'ok', detail: await check() };
  } catch (cause) {
    return failed(name, cause);
  }
}

function failed(name: string, cause: unknown): AgentFinding {
  const { message } = cause instanceof Error ? cause : new Error(String(cause));
  const code = cause instanceof AppError ? ` (${cause.code})` : '';
  const hint = cause instanceof AppError ? cause.hint : undefined;
  return { name, result: 'fail', detail: `${message}${code}`, ...(hint === undefined ? {} : { hint }) };
}
