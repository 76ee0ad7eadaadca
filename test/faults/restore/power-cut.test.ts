import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemRandom } from '../../../base/random.ts';
import type { FakeAgent } from '../../fakes/fake-agent.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';
import { enrollAgent, ORG, readJob, submitJob } from '../../integration/support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from '../../integration/support/orchestrator.ts';
import { size } from '../support/size.ts';

/**
 * Images of the data as a snapshot of its disk would have them: the process is stopped in the middle of its work,
 * wherever that is, and its folder is copied. What somebody had been told by then must be in the copy. The copy has
 * what the system had been given; that it also reached the disk is SQLite's `synchronous=FULL`, which a copy cannot show.
 */
const IMAGES = size({ short: 6, full: 100 });
const CLIENTS = 8;
/** Of so many images a second orchestrator is started. */
const STARTED = size({ short: 1, full: 10 });

let temp: TempHome;
let orchestrator: OrchestratorProcess;
let agent: FakeAgent;
let pid: number;
let stopping = false;
let clients: Promise<void>[] = [];
const jobs = new Set<string>();
let onJob = (): void => undefined;

async function client(): Promise<void> {
  while (!stopping) {
    // Who was in the middle of a request when it was stopped for long may be turned away: that is no acknowledgement.
    const job = await submitJob(orchestrator, { arguments: { command: 'true' } }).catch(() => undefined);
    if (job === undefined) continue;
    jobs.add(job.id);
    onJob();
  }
}

beforeAll(async () => {
  temp = await createTempHome();
  orchestrator = await startOrchestrator({ args: ['--rate-limit', 'off'] });
  pid = Number(await readFile(join(orchestrator.dataDir, 'serve.pid'), 'utf8'));
  const enrolled = await enrollAgent(orchestrator);
  agent = enrolled.fake(orchestrator, { autoRun: () => ({ stdout: Buffer.from('done\n') }) });
  await agent.connect();
  clients = Array.from({ length: CLIENTS }, client);
});
afterAll(async () => {
  stopping = true;
  await Promise.all(clients);
  await agent?.drop();
  await orchestrator?.stop();
  await temp?.remove();
});

/** Waits for some more answers, so that the moment has nothing to do with ours. */
const someAnswers = (count: number) =>
  new Promise<void>((resolve) => {
    let left = count;
    onJob = () => {
      left -= 1;
      if (left === 0) resolve();
    };
  });

const isStopped = async () => /^\d+ \(.*\) T /.test(await readFile(`/proc/${pid}/stat`, 'utf8'));

async function takeImage(folder: string): Promise<{ jobs: string[]; ended: string[] }> {
  await someAnswers(1 + Math.floor(systemRandom() * 20));
  process.kill(pid, 'SIGSTOP');
  try {
    while (!(await isStopped()));
    await cp(orchestrator.dataDir, folder, { recursive: true });
    // Whatever was heard up to here was said before.
    const open = new Set(agent.link.unacked.map((frame) => ('command_id' in frame ? frame.command_id : '')));
    const ended = agent.commands.map(({ command_id }) => command_id).filter((id) => !open.has(id));
    return { jobs: [...jobs], ended };
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

/** What is missing in an image, of what was acknowledged. */
function missingIn(folder: string, told: { jobs: string[]; ended: string[] }) {
  const database = new DatabaseSync(join(folder, 'orchestrator.db'));
  try {
    const job = database.prepare('SELECT 1 FROM jobs WHERE id = ?');
    const ended = database.prepare(
      'SELECT 1 FROM commands WHERE id = ? AND ended_at IS NOT NULL AND stdout_size = 5',
    );
    const verdict = Object.values(database.prepare('PRAGMA integrity_check').get() ?? {})[0];
    return {
      verdict,
      jobs: told.jobs.filter((id) => job.get(id) === undefined),
      results: told.ended.filter((id) => ended.get(id) === undefined),
    };
  } finally {
    database.close();
  }
}

describe('[fault-2] an image of the data at a random moment under load', () => {
  it('has every command and every result that was acknowledged', async () => {
    const counts: number[] = [];
    for (let count = 0; count < IMAGES; count++) {
      const folder = temp.join(`image-${count}`);
      const told = await takeImage(folder);
      counts.push(told.jobs.length);
      expect(missingIn(folder, told)).toEqual({ verdict: 'ok', jobs: [], results: [] });
      if (count >= STARTED) await rm(folder, { recursive: true });
      // The check can fail: what was answered only now is not in the image.
      if (count > 0) continue;
      await someAnswers(2 * CLIENTS);
      expect(missingIn(folder, { jobs: [...jobs], ended: [] }).jobs).not.toEqual([]);
    }
    expect(counts.at(-1)).toBeGreaterThan(IMAGES);
    console.info(`${IMAGES} images, ${counts.at(-1)} acknowledged jobs, none missing`);
  }, 1_500_000);

  it('starts, and shows what was acknowledged', async () => {
    for (let count = 0; count < STARTED; count++) {
      const { credentials } = orchestrator;
      const second = await startOrchestrator({ dataDir: temp.join(`image-${count}`), credentials });
      try {
        const { body } = await second.call<{ items: { id: string }[] }>({ path: `${ORG}/jobs?limit=1` });
        const newest = body.items[0]?.id;
        expect(newest).toBeDefined();
        const job = await readJob(second, newest as Parameters<typeof readJob>[1]);
        expect(job.commands).toHaveLength(1);
      } finally {
        await second.kill();
      }
    }
  }, 120_000);
});
