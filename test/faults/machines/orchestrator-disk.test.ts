// The orchestrator's disk takes nothing, or its store is damaged.
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createTempHome } from '../../fakes/temp-home.ts';
import { ORG, readJob, submitJob } from '../../integration/support/fleet.ts';
import { startMachine } from '../../integration/support/machine.ts';
import {
  type OrchestratorProcess,
  runOrchestratorCli,
  startOrchestrator,
} from '../../integration/support/orchestrator.ts';
import { canMount, mountDisk } from '../support/disk.ts';
import { failingDisk } from '../support/failing-disk.ts';
import { hasCompiler } from '../support/preload.ts';
import { isFull } from '../support/size.ts';

/** Asks over the network until it holds: no busy loop. */
async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await holds())) if (performance.now() > end) throw new Error(`not in a minute: ${what}`);
}

const ready = async (orchestrator: OrchestratorProcess) =>
  (await orchestrator.call({ path: '/readyz' })).status;

async function outlast(
  orchestrator: OrchestratorProcess,
  outage: { begin(): void; end(): void },
): Promise<void> {
  await using machine = await startMachine(orchestrator);
  const gate = machine.join('gate');
  const long = await submitJob(orchestrator, {
    arguments: { command: `while [ ! -e ${gate} ]; do sleep 0.05; done; seq 20000; exit 7` },
  });
  await until(async () => (await readJob(orchestrator, long.id)).commands[0]?.state === 'running', 'running');
  outage.begin();
  const ran = machine.join('ran');
  const body = { selector: 'all', arguments: { command: `echo ran >>${ran}` } };
  const refused = await orchestrator.call({ path: `${ORG}/jobs`, body });
  expect(refused).toMatchObject({
    status: 503,
    headers: { 'retry-after': '5' },
    body: { code: 'store_unavailable', hint: expect.stringContaining('later') },
  });
  expect(await ready(orchestrator)).toBe(503);
  const login = { username: 'admin', password: 'x' };
  expect((await orchestrator.call({ path: '/api/v1/session', token: null, body: login })).status).not.toBe(
    500,
  );
  // What is there can still be looked at.
  expect((await orchestrator.call({ path: `${ORG}/agents` })).status).toBe(200);
  // It ends meanwhile, and has much to say.
  const marks = machine.agent.log.length;
  await runOnMachine(gate);
  await machine.agent.logged(
    (line) =>
      line['condition'] === 'websocket' && line['ok'] === false && machine.agent.log.indexOf(line) >= marks,
  );
  outage.end();
  await until(async () => (await ready(orchestrator)) === 200, 'ready');
  await until(
    async () => (await readJob(orchestrator, long.id)).commands[0]?.state === 'failed',
    'its result',
  );
  const { commands } = await readJob(orchestrator, long.id);
  expect(commands[0]).toMatchObject({ result: { exit_code: 7, stdout: { size: 108_894 } } });
  const after = await submitJob(orchestrator, { arguments: { command: `echo after >>${ran}; cat ${ran}` } });
  await until(
    async () => (await readJob(orchestrator, after.id)).commands[0]?.state === 'succeeded',
    'after',
  );
  const [done] = (await readJob(orchestrator, after.id)).commands;
  const output = await orchestrator.call({ path: `${ORG}/commands/${done?.id}/output` });
  // What was answered by 503 did not run.
  expect(output.text).toBe('after\n');
}

const runOnMachine = async (gate: string) => (await open(gate, 'w')).close();

describe('[fault-13] an orchestrator whose disk takes nothing', { concurrent: true }, () => {
  it.skipIf(!canMount)('is full (needs root, to mount one)', async () => {
    await using home = await createTempHome();
    using disk = mountDisk(home.path, { mib: 24 });
    const orchestrator = await startOrchestrator({ dataDir: home.path });
    try {
      await outlast(orchestrator, { begin: disk.fill, end: disk.free });
      expect(orchestrator.log()).not.toContain('cannot rollback');
    } finally {
      await orchestrator.stop();
    }
  });

  it.skipIf(!hasCompiler).each(isFull ? (['EIO', 'EROFS'] as const) : (['EIO'] as const))(
    'gives %s (needs gcc, to make it)',
    async (how) => {
      await using home = await createTempHome();
      const dataDir = await mkdtemp(join(tmpdir(), 'orchestrator-'));
      const disk = failingDisk(home.path, dataDir);
      const orchestrator = await startOrchestrator({ dataDir, env: disk.env });
      try {
        await outlast(orchestrator, { begin: () => disk.fail(how), end: disk.heal });
      } finally {
        await orchestrator.stop();
        await rm(dataDir, { recursive: true });
      }
    },
  );

  it.skipIf(!canMount)('and does not start on one that is full, with what to do (needs root)', async () => {
    await using home = await createTempHome();
    using disk = mountDisk(home.path, { mib: 24 });
    const orchestrator = await startOrchestrator({ dataDir: home.path });
    await orchestrator.stop();
    disk.fill();
    const args = ['serve', '--data', home.path, '--listen', '127.0.0.1:0'];
    const { code, stderr } = await runOrchestratorCli(args);
    expect(code).not.toBe(0);
    expect(stderr).toContain(home.path);
    expect(stderr).toMatch(/full/);
    expect(stderr).toMatch(/Free some space/);
    disk.free();
    const again = await startOrchestrator({ dataDir: home.path, credentials: orchestrator.credentials });
    expect(await ready(again)).toBe(200);
    await again.stop();
  });
});

describe('[fault-14] a damaged store', () => {
  it('is found at the start: the message names the folder and the way back', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'orchestrator-'));
    try {
      const orchestrator = await startOrchestrator({ dataDir });
      await orchestrator.stop();
      const file = await open(join(dataDir, 'orchestrator.db'), 'r+');
      // A page in the middle: the header and the first tables stay as they are.
      const { size } = await file.stat();
      await file.write(Buffer.alloc(4096, 0x5a), 0, 4096, Math.floor(size / 8192) * 4096);
      await file.close();
      const { code, stderr } = await runOrchestratorCli([
        'serve',
        '--data',
        dataDir,
        '--listen',
        '127.0.0.1:0',
      ]);
      expect(code).not.toBe(0);
      expect(stderr).toContain(dataDir);
      expect(stderr).toMatch(/damaged/);
      expect(stderr).toMatch(/restore/);
    } finally {
      await rm(dataDir, { recursive: true });
    }
  });
});
