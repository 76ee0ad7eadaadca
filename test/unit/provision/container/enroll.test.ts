import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diskLayout } from '../../../../protocol/disk-layout.ts';
import { enrollContainer } from '../../../../provision/container/enroll.ts';
import { createAgentHome } from '../../../fakes/agent-home.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const URL = 'https://127.0.0.1:1';

/** What the container's first start does in this home; `said`: on stdout. */
async function enroll(home: string, env: Record<string, string>): Promise<{ code: number; said: string }> {
  const written: string[] = [];
  const stdout = { write: (text: string) => written.push(text) > 0 };
  const process = { ...globalThis.process, env, stdout, getuid: () => 10_001 } as unknown as NodeJS.Process;
  const layout = { ...diskLayout(home), home };
  const places = { hostname: 'node-1', homedir: '/tmp', moduleDir: '/nowhere' };
  const code = await enrollContainer({ process, layout, labels: {}, ...places });
  return { code, said: written.join('') };
}

describe('a container', () => {
  it('is told that its orchestrator’s address is missing', async () => {
    await using home = await createTempHome();
    await expect(enroll(home.path, {})).rejects.toMatchObject({
      code: 'bad_request',
      hint: expect.stringContaining('ORCHESTRATOR_URL'),
    });
  });

  it('is told that it has no token, where its volume holds no identity', async () => {
    await using home = await createTempHome();
    await expect(enroll(home.path, { ORCHESTRATOR_URL: URL, PROVISIONING_TOKEN: '' })).rejects.toMatchObject({
      code: 'token_invalid',
      hint: expect.stringContaining('PROVISIONING_TOKEN_FILE'),
    });
  });

  it('is told which file is missing that it was to read the token from', async () => {
    await using home = await createTempHome();
    const env = { ORCHESTRATOR_URL: URL, PROVISIONING_TOKEN_FILE: home.join('gone') };
    await expect(enroll(home.path, env)).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining(home.join('gone')),
    });
  });

  it('does not use the identity of an agent that was installed on the machine', async () => {
    await using home = await createTempHome();
    await symlink('versions/0.1.0', home.join('current'));
    await expect(enroll(home.path, { ORCHESTRATOR_URL: URL })).rejects.toMatchObject({ code: 'conflict' });
  });

  it('names whose its volume is when it cannot write there', async () => {
    await using home = await createTempHome();
    await expect(enroll(home.join('none'), { ORCHESTRATOR_URL: URL })).rejects.toMatchObject({
      code: 'step_failed',
      message: expect.stringContaining('is not there'),
      hint: expect.stringContaining('prepare'),
    });
  });

  it('that is enrolled asks for no token, and for no orchestrator', async () => {
    await using home = await createAgentHome();
    await home.setUrl('wss://127.0.0.1:1/api/v1/agents/vm-test-0a1b2c/ws');
    const { code, said } = await enroll(home.path, { ORCHESTRATOR_URL: URL });
    expect({ code, said }).toEqual({ code: 0, said: `${home.vmId} is enrolled with ${URL}.\n` });
  });

  it('that is enrolled elsewhere says so', async () => {
    await using home = await createAgentHome();
    await home.setUrl('wss://127.0.0.1:1/api/v1/agents/vm-test-0a1b2c/ws');
    await writeFile(
      join(home.path, 'trust/enrolment.json'),
      JSON.stringify({ orchestrator_url: 'https://other.example:8443', token_id: '', complete: false }),
    );
    await expect(enroll(home.path, { ORCHESTRATOR_URL: URL })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('is enrolled with https://other.example:8443'),
    });
  });
});
