import { writeFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentHome } from '../fakes/agent-home.ts';
import { type AgentRig, startAgentRig } from '../fakes/agent-rig.ts';
import type { FakeOrchestrator } from '../fakes/fake-orchestrator.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';

let home: AgentHome;
let files: TempHome;
let server: FakeOrchestrator;
let rig: AgentRig;

beforeAll(async () => {
  [rig, files] = await Promise.all([startAgentRig(), createTempHome()]);
  ({ home, server } = rig);
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await files?.remove();
});

const policy = () => join(home.path, 'config/policy.yaml');
const run = (tool: string, args: Record<string, unknown>) =>
  server.run(home.signer.shell('unused', { tool, arguments: args }));

describe('[policy-1] the policy of a running agent', () => {
  it('lets the orchestrator use the file tools when there is none', async () => {
    const file_path = files.join('f');
    expect(await run('write_file', { file_path, content: 'hello\n' })).toMatchObject({ state: 'succeeded' });
    const read = await run('read_file', { file_path });
    const answer: unknown = JSON.parse(Buffer.from(read.stdout?.head ?? '', 'base64').toString());
    expect(answer).toMatchObject({ file_path, content: 'hello\n', total_lines: 1 });
  });

  it.each([
    'security/api_key',
    'security/new',
    'config/policy.yaml',
    'config/agent_config.yaml',
    'trust/ca_pins.json',
    'new',
  ])('lets no tool write %s of its own', async (name) => {
    const file_path = join(home.path, name);
    const before = await readFile(file_path).catch(() => undefined);
    const result = await run('write_file', { file_path, content: 'version: 1\n' });
    expect(result).toMatchObject({ state: 'refused', reason: 'policy', error: { code: 'path_refused' } });
    expect(await readFile(file_path).catch(() => undefined)).toEqual(before);
  });

  it('shows nobody its keys', async () => {
    const result = await run('read_file', { file_path: join(home.path, 'security/api_key') });
    expect(result).toMatchObject({ state: 'refused', error: { code: 'path_refused' } });
  });

  it('follows its file from one call to the next, the shell included, and refuses all while it is invalid', async () => {
    const file_path = files.join('f');
    const grant = `{tools: {allow: ["*"], deny: [execute_shell_command]}, roots: {read: [${files.path}]}}`;
    writeFileSync(policy(), `version: 1\ngrants:\n  orchestrator: ${grant}\n`, { mode: 0o644 });
    expect(await run('read_file', { file_path })).toMatchObject({ state: 'succeeded' });
    expect(await run('read_file', { file_path: '/etc/hostname' })).toMatchObject({
      error: { code: 'path_refused' },
    });
    expect(await run('write_file', { file_path, content: '' })).toMatchObject({
      error: { code: 'path_refused' },
    });
    const refused = { state: 'refused', reason: 'policy', error: { code: 'policy_refused' } };
    expect(await server.run(home.signer.shell('echo no'))).toMatchObject(refused);
    writeFileSync(policy(), 'version: 1\ngrants: {orchestratr: {}}\n');
    expect(await run('read_file', { file_path })).toMatchObject(refused);
    await rm(policy());
    expect(await server.run(home.signer.shell('true'))).toMatchObject({ state: 'succeeded' });
  });
});
