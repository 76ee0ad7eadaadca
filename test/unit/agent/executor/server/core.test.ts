import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Authorized } from '../../../../../agent/executor/server/authorize.ts';
import { ExecutorCore } from '../../../../../agent/executor/server/core.ts';
import { Ledger } from '../../../../../agent/executor/server/ledger.ts';
import { executorPlaces, makePlaces } from '../../../../../agent/executor/server/places.ts';
import { ToolWorkers } from '../../../../../agent/executor/server/tool-workers.ts';
import { systemClock } from '../../../../../base/clock.ts';
import { newId } from '../../../../../base/random.ts';
import { diskLayout } from '../../../../../protocol/disk-layout.ts';
import { createCommandSigner } from '../../../../fakes/command-signer.ts';
import { createTempHome, type TempHome } from '../../../../fakes/temp-home.ts';

const signer = createCommandSigner({
  orgId: newId('org', systemClock),
  agentId: newId('agt', systemClock),
  trustDomain: 't',
});
const { payload } = signer.shell('id');
const run = async () => ({ code: 0, stdout: '', stderr: '' });
let home: TempHome;
let core: ExecutorCore;

beforeEach(async () => {
  home = await createTempHome();
  const places = executorPlaces(diskLayout(home.path));
  makePlaces(places);
  core = new ExecutorCore({
    places,
    ledger: new Ledger({ file: places.database, clock: systemClock }),
    clock: systemClock,
    run,
    workers: new ToolWorkers({
      places,
      run,
      clock: systemClock,
      program: [],
      owner: 'o',
      configuration: () => ({}),
    }),
    owner: 'o',
    bootId: 'boot-1',
    peerIsRoot: false,
    verify: () => {
      throw new Error('not asked');
    },
    verifyInput: () => {
      throw new Error('not asked');
    },
    decide: () => ({ allowed: true, read: [], write: [] }),
    shell: { runAs: undefined, enabled: false, defaultTimeoutS: 300, lang: undefined },
    attest: undefined,
    layout: diskLayout('/nonexistent'),
    trust: undefined,
    programOf: (tool) => (tool === 'upgrade_agent' ? 'vm-agent upgrade' : undefined),
  });
});
afterEach(async () => {
  core.close();
  await home[Symbol.asyncDispose]();
});

const plan = (tool: string, over: Partial<Authorized> = {}) =>
  core.plan(
    { type: 'start', id: 'a' },
    {
      tool,
      args: { command: 'id' },
      runAs: 'ops',
      limits: { memory: '50%', timeout: 60 },
      access: { read: [], write: [] },
      timeoutS: 3600,
      outputBytes: undefined,
      signed: payload,
      grant: 'orchestrator',
      ...over,
    },
    false,
  );

describe('what is to be run, where the shell is switched off', () => {
  it('is no command', () => {
    expect(() => plan('execute_shell_command')).toThrow(/switched off/);
  });

  it('is an upgrade, as root and without the limits of commands, but only when it is signed', () => {
    expect(plan('upgrade_agent')).toMatchObject({
      kind: 'unit',
      unit: { command: 'vm-agent upgrade', unit: { runAs: 'root', limits: {} } },
    });
    expect(plan('upgrade_agent', { signed: undefined })).toMatchObject({ kind: 'tool' });
  });

  it('is any tool that runs no program', () => {
    expect(plan('read_file')).toMatchObject({ kind: 'tool', meta: { timeout_s: 60 } });
  });
});
