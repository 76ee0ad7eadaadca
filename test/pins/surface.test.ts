import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { type OrchestratorProcess, startOrchestrator } from '../integration/support/orchestrator.ts';

// What people's scripts and programs rely on, as it stands: a difference is a decision, not an accident.

const help = (program: string, ...words: string[]) =>
  execFileSync(process.execPath, [join(ROOT, program), ...words, '--help'], {
    encoding: 'utf8',
    env: { ...process.env, COLUMNS: '80', NO_COLOR: '1' },
  });

describe('the help', () => {
  it.each([
    '',
    'install',
    'provision',
    'uninstall',
    'test-connection',
    'diagnose',
    'support-bundle',
    'upgrade',
    'server',
    'container',
    'status',
    'exec',
    'ls',
    'metrics',
    'logs',
    'test',
    'mcp',
    'config',
  ])('of vm-agent %s', async (command) => {
    await expect(help('cli/main.ts', ...(command === '' ? [] : [command]))).toMatchFileSnapshot(
      `./help/vm-agent${command && `-${command}`}.txt`,
    );
  });

  it.each([
    '',
    'serve',
    'bootstrap',
    'admin',
    'token',
    'token create',
    'cloud-init',
    'agents',
    'agents list',
    'agents revoke',
    'agents show',
    'agents label',
    'metrics',
    'ps',
    'logs',
    'files',
    'files get',
    'files put',
    'run',
    'overview',
    'token agents',
    'agents admit',
    'agents quarantine',
    'jobs',
    'jobs list',
    'jobs show',
    'jobs cancel',
    'jobs pause',
    'jobs resume',
    'jobs retry',
    'jobs groups',
    'upgrade',
    'audit',
    'audit list',
    'audit verify',
    'audit export',
    'org',
    'completion',
    'users',
    'users add',
    'users passwd',
    'users change',
    'api-tokens',
    'api-tokens create',
    'whoami',
    'ca',
    'ca show',
    'ca rotate',
    'ca backup-key',
    'backup',
    'restore',
    'restores',
    'org recovery',
    'jobs release',
  ])('of vm-orchestrator %s', async (command) => {
    const words = command === '' ? [] : command.split(' ');
    await expect(help('orchestrator/main.ts', ...words)).toMatchFileSnapshot(
      `./help/${['vm-orchestrator', ...words].join('-')}.txt`,
    );
  });
});

describe('the REST API', () => {
  let orchestrator: OrchestratorProcess;
  beforeAll(async () => {
    orchestrator = await startOrchestrator();
  }, 60_000);
  afterAll(() => orchestrator?.stop());

  it('has these operations', async () => {
    const { body } = await orchestrator.call<{ paths: Record<string, Record<string, unknown>> }>({
      path: '/api/v1/openapi.json',
    });
    const operations = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase().padEnd(6)} ${path}`),
    );
    await expect(operations.toSorted().join('\n')).toMatchFileSnapshot('./operations.txt');
  });
});
