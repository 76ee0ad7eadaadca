import type { HelloBody } from '../../agent/channel/session.ts';
import type { Facts } from '../../protocol/facts.ts';

/** What a fake machine tells of itself. */
export const fakeFacts = (over: Partial<Facts> = {}): Facts => ({
  hostname: 'web-1',
  os: 'linux',
  os_name: '',
  os_id: '',
  os_version: '',
  kernel: '',
  arch: 'x64',
  cpus: 1,
  memory_bytes: 1,
  addresses: [],
  ...over,
});

/** What the agent of a fake machine says in its hello, but for what belongs to its session: here it has done nothing yet. */
export const fakeHello = (over: Partial<HelloBody> = {}): HelloBody => ({
  agent_version: '1.0.0',
  features: [],
  tools: [
    { name: 'execute_shell_command', description: 'runs a command', input_schema: {}, annotations: {} },
  ],
  tool_manifest_sha256: '0'.repeat(64),
  policy_sha256: null,
  boot_id: 'boot-1',
  machine_hash: 'machine-1',
  in_flight: [],
  command_seq: 0,
  facts: fakeFacts(),
  ...over,
});
