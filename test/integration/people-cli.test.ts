import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cli, cliFor, outcome } from './support/cli.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let cli: Cli;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
  cli = await cliFor(orchestrator);
});
afterAll(async () => {
  await cli.close();
  await orchestrator.stop();
});

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli.run(args);
  expect([code, stderr]).toEqual([0, '']);
  return stdout.toString();
}
const json = async (...args: string[]) => JSON.parse(await run(...args, '--json'));
const login = (username: string, password: string) =>
  orchestrator.call({ path: '/api/v1/session', token: null, body: { username, password } });

describe('vm-orchestrator users', () => {
  it('makes a user, whose password is shown once, and gives him a role', async () => {
    const said = await run(
      'users',
      'add',
      'alice',
      '--role',
      'viewer',
      '--create',
      '--display-name',
      'Alice',
    );
    const [, password = ''] = /Password \(shown once\): (\S+)/.exec(said) ?? [];
    expect((await login('alice', password)).status).toBe(200);
    expect(await run('users')).toMatch(/^alice +viewer +by hand +active +\S+ +Alice$/m);
    expect(await run('users', 'role', 'alice', 'operator')).toContain('operator');
    expect(await json('users', 'list')).toMatchObject({
      items: expect.arrayContaining([expect.objectContaining({ username: 'alice', role: 'operator' })]),
    });
    expect(await run('users', 'remove', 'alice')).toContain('not in the organization any more');
    expect(await run('users', 'add', 'alice', '--role', 'approver')).toContain('as approver');
  });

  it('sets a password from stdin, and says why one is refused', async () => {
    await run('users', 'add', 'bob', '--role', 'viewer', '--create');
    const passwd = async (password: string) => {
      const child = cli.open(['users', 'passwd', 'bob', '--password-stdin']);
      child.stdin?.end(`${password}\n`);
      return outcome(child);
    };
    const weak = await passwd('bob');
    expect([weak.code, weak.stderr]).toEqual([4, expect.stringContaining('at least 15')]);
    expect((await passwd('a long way to the harbour')).code).toBe(0);
    expect((await login('bob', 'a long way to the harbour')).status).toBe(200);
  });

  it('disables and enables, and names administrators of the orchestrator', async () => {
    await run('users', 'add', 'carol', '--role', 'viewer', '--create');
    expect(await run('users', 'change', 'carol', '--disable')).toBe('carol is disabled\n');
    expect(await run('users', 'change', 'carol', '--enable', '--system-admin')).toBe(
      'carol is active, rules the whole orchestrator\n',
    );
    expect(await run('users', 'list', '--all')).toMatch(
      /^carol +active +yes +password +never +default:viewer$/m,
    );
    const nothing = await cli.run(['users', 'change', 'carol']);
    expect([nothing.code, nothing.stderr]).toEqual([2, expect.stringContaining('--disable')]);
    const nobody = await cli.run(['users', 'role', 'nobody', 'viewer']);
    expect([nobody.code, nobody.stderr]).toEqual([4, expect.stringContaining('users list')]);
  });

  it('tells a wrong role before anything is asked', async () => {
    const { code, stderr } = await cli.run(['users', 'add', 'x', '--role', 'boss'], {
      VM_ORCHESTRATOR_URL: '',
    });
    expect([code, stderr]).toEqual([2, expect.stringContaining('viewer, operator, approver, admin')]);
  });
});

describe('vm-orchestrator api-tokens', () => {
  it('makes one with role, scopes and an end, which whoami tells', async () => {
    const made = await json(
      ...['api-tokens', 'create', 'backup', '--role', 'operator'],
      ...['--scope', 'agents.read,jobs.read', '--scope', 'jobs.run', '--ttl', '90d'],
    );
    expect(made).toMatchObject({ role: 'operator', scopes: ['agents.read', 'jobs.read', 'jobs.run'] });
    const who = await cli.run(['whoami'], { VM_ORCHESTRATOR_API_TOKEN: made.token });
    expect(who.stdout.toString()).toMatch(
      /^API token backup \(api-\w+\)\n\nORGANIZATION +ROLE +RIGHTS\ndefault +operator +agents\.read jobs\.read jobs\.run\n$/,
    );
    expect(await run('api-tokens')).toMatch(
      new RegExp(
        `^${made.id} +backup +operator +until \\S+ +\\S+ +admin +agents.read jobs.read jobs.run$`,
        'm',
      ),
    );
    expect(await run('api-tokens', 'revoke', made.id)).toBe(`${made.id} is revoked\n`);
    const gone = await cli.run(['whoami'], { VM_ORCHESTRATOR_API_TOKEN: made.token });
    expect(gone.code).toBe(4);
  });

  it('gives a viewer’s token when no role is named, and says what scopes there are', async () => {
    expect(await json('api-tokens', 'create', 'plain')).toMatchObject({ role: 'viewer', expires_at: null });
    const wrong = await cli.run(['api-tokens', 'create', 'x', '--scope', 'everything']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('agents.read, ')]);
  });
});

it('vm-orchestrator org makes, renames and deletes', async () => {
  expect(await run('org', 'create', 'acme')).toMatch(/^acme is made \(org-\w+\)\n$/);
  expect(await run('org', 'rename', 'acme', 'acme-2')).toBe('acme is called acme-2 now\n');
  expect(await run('org', 'list')).toMatch(/^acme-2 /m);
  expect(await run('org', 'delete', 'acme-2')).toBe('acme-2 is deleted; what it recorded is kept\n');
  expect(await run('org', 'list')).not.toContain('acme-2');
  const wrong = await cli.run(['org', 'create', 'Not A Name']);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('a–z 0–9 -')]);
});
