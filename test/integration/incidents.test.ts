// The rows of "Incidents" in docs/operations.md, each by the commands that it names, in the order in which it does.
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLOSE } from '../../protocol/version.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';
import { type Cli, cliFor } from './support/cli.ts';
import { register, registration } from './support/enroll.ts';
import { enrollAgent } from './support/fleet.ts';
import { makeCsr } from './support/machine-key.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

let temp: TempHome;
let orchestrator: OrchestratorProcess;
let cli: Cli;

/** What a command prints; it must succeed. */
async function says(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli.run(args);
  expect([args.join(' '), code, stderr]).toEqual([args.join(' '), 0, '']);
  return stdout.toString();
}
const json = async (...args: string[]) => JSON.parse(await says(...args, '--json'));

beforeAll(async () => {
  temp = await createTempHome();
  orchestrator = await startOrchestrator();
  cli = await cliFor(orchestrator);
});
afterAll(async () => {
  await cli?.close();
  await orchestrator?.stop();
  await temp?.remove();
});

describe('an incident', () => {
  it('of a provisioning token: it is revoked, who came by it is found and ended, who tried it is named', async () => {
    const { id, token } = await json('token', 'create', '--uses', '3');
    const spent = await json('token', 'create');
    const thief = registration(token, (await makeCsr()).csr);
    expect((await register(orchestrator, thief)).status).toBe(201);
    await register(orchestrator, registration(spent.token, (await makeCsr()).csr));
    await register(orchestrator, registration(spent.token, (await makeCsr()).csr));

    expect(await says('token', 'revoke', id)).toBe(`${id} is revoked\n`);
    const late = await register(orchestrator, registration(token, (await makeCsr()).csr));
    expect(late.body.code).toBe('token_revoked');
    expect(await says('token', 'agents', id)).toContain(thief.vm_id);
    expect(await says('agents', 'revoke', thief.vm_id)).toBe(`${thief.vm_id} is revoked\n`);
    expect(await says('agents')).not.toContain(thief.vm_id);
    // It stays in the list of whom the token let in, as what it is.
    expect(await says('token', 'agents', id)).toMatch(new RegExp(`${thief.vm_id} .*revoked`));
    const { items } = await json('audit', '--action', 'token.reuse_refused');
    expect(items).toMatchObject([{ target: spent.id, address: '127.0.0.1' }]);
  });

  it('of an API token: it is revoked, and its deeds are found by its name', async () => {
    const { id, token } = await json('api-tokens', 'create', 'backup', '--role', 'operator');
    const over = { VM_ORCHESTRATOR_API_TOKEN: token };
    const { vmId } = await enrollAgent(orchestrator);
    expect((await cli.run(['agents', 'quarantine', vmId], over)).code).toBe(4);
    const made = await cli.run(['token', 'create', '--json'], over);
    expect(made.code).toBe(0);
    expect(await says('api-tokens', 'revoke', id)).toBe(`${id} is revoked\n`);
    const refused = await cli.run(['agents'], over);
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('not known here')]);
    const { items } = await json('audit', '--actor', 'backup');
    expect(items).toMatchObject([{ action: 'token.create', target: JSON.parse(made.stdout.toString()).id }]);
  });

  it('of the admin’s own: the machine makes new ones, whatever the shell holds', async () => {
    const { code, stdout, stderr } = await cli.run(['admin', 'reset', '--data', orchestrator.dataDir]);
    expect([code, stderr]).toEqual([0, expect.stringContaining('unset the variable')]);
    expect((await cli.run(['agents'])).code).toBe(4);
    Object.assign(orchestrator.credentials, JSON.parse(stdout.toString()));
    await cli.close();
    cli = await cliFor(orchestrator);
    expect(await says('audit', '--action', 'admin.reset')).toContain('admin.reset');
  });

  it('of a machine: it is cut off, and its name can be enrolled anew', async () => {
    const stolen = await enrollAgent(orchestrator);
    const fake = stolen.fake(orchestrator);
    await fake.connect();
    const cut = fake.closed();
    expect(await says('agents', 'revoke', stolen.vmId)).toBe(`${stolen.vmId} is revoked\n`);
    expect((await cut).code).toBe(CLOSE.certificateRevoked);
    await expect(stolen.fake(orchestrator).open()).rejects.toThrow('403');
    const { token } = await json('token', 'create');
    const anew = registration(token, (await makeCsr()).csr, { vm_id: stolen.vmId });
    expect((await register(orchestrator, anew)).status).toBe(201);
  });

  it('of a lost master key: serve says what to do, and a backup with a passphrase brings it back', async () => {
    const passphrase = temp.join('passphrase');
    await writeFile(passphrase, 'correct horse battery staple\n');
    const { dataDir, credentials } = orchestrator;
    const file = temp.join('backup.tar');
    await says('backup', '--data', dataDir, '--to', file, '--passphrase-file', passphrase);
    expect(await says('backup', 'verify', file, '--passphrase-file', passphrase)).toContain('the CA opens');
    await orchestrator.kill();
    await rename(join(dataDir, 'master.key'), temp.join('lost'));
    const refused = await cli.run(['serve', '--data', dataDir, '--listen', '127.0.0.1:0']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/master\.key/);
    await says('restore', '--from', file, '--data', dataDir, '--passphrase-file', passphrase, '--force');
    orchestrator = await startOrchestrator({ dataDir, credentials });
    await cli.close();
    cli = await cliFor(orchestrator);
    expect(await says('overview')).toContain('RESTORED');
  });
});
