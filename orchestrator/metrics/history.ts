import { type Clock, every } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { LoadSample } from '../../protocol/facts.ts';
import { METRIC_TIERS, type MetricStep, type Metrics } from '../../protocol/rest-metrics.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Store, Tx } from '../store/store.ts';
import { addSample, type Block, emptyBlock, mergeBlocks, rollUp } from './block.ts';
import { linesOf, rangeOf, type Tier } from './range.ts';

const [RAW, MIDDLE, COARSE] = METRIC_TIERS;
/** What a crash may lose of the history. */
const FLUSH_MS = 60_000;
/** Agents in one transaction: others wait for it. */
const CHUNK = 100;
const SWEEP_MS = 10 * 60_000;
const SWEEP_ROWS = 5000;

interface AgentRef {
  organizationId: string;
  agentId: string;
}

interface Live extends AgentRef {
  start: number;
  block: Block;
  dirty: boolean;
  /** An earlier process may have left a part of this block in the store. */
  first: boolean;
}

/** What heartbeats told of each agent's load, for some days. */
export interface MetricsHistory {
  take(agent: AgentRef, load: LoadSample): void;
  read(
    agent: AgentRef,
    asked: { from?: number | undefined; to?: number | undefined; step?: MetricStep | undefined },
  ): Promise<Metrics>;
  /** Writes what is waiting. */
  flush(): Promise<void>;
  /** Drops what is older than is kept; resolves with how many rows. */
  sweep(): Promise<number>;
  close(): Promise<void>;
}

export function createMetricsHistory(options: {
  store: Pick<Store, 'db'>;
  commits: GroupCommit;
  clock: Clock;
  log: Logger;
}): MetricsHistory {
  const { store, commits, clock, log } = options;
  const live = new Map<string, Live>();
  /** Blocks that are over and not written yet. */
  let over: Live[] = [];
  let flushing: Promise<void> = Promise.resolve();
  const nowS = () => Math.floor(clock.now() / 1000);
  const startOf = (at: number, { block }: Tier) => Math.floor(at / block) * block;

  async function readBlock(tx: Tx, { organizationId, agentId }: AgentRef, tier: Tier, start: number) {
    const row = await tx
      .selectFrom('metric_blocks')
      .select('data')
      .where('organization_id', '=', organizationId)
      .where('agent_id', '=', agentId)
      .where('step', '=', tier.step)
      .where('start', '=', start)
      .executeTakeFirst();
    return row === undefined ? emptyBlock() : (JSON.parse(row.data) as Block);
  }

  async function writeBlock(tx: Tx, agent: AgentRef, tier: Tier, start: number, block: Block) {
    await tx
      .insertInto('metric_blocks')
      .values({
        organization_id: agent.organizationId,
        agent_id: agent.agentId,
        step: tier.step,
        start,
        data: JSON.stringify(block),
      })
      .onConflict((conflict) =>
        conflict
          .columns(['organization_id', 'agent_id', 'step', 'start'])
          .doUpdateSet((e) => ({ data: e.ref('excluded.data') })),
      )
      .execute();
  }

  async function writeLive(tx: Tx, entry: Live, ended: boolean): Promise<void> {
    const { start, first } = entry;
    const block = first ? mergeBlocks(await readBlock(tx, entry, RAW, start), entry.block) : entry.block;
    await writeBlock(tx, entry, RAW, start, block);
    if (!ended) return;
    const hour = startOf(start, MIDDLE);
    const middle = await readBlock(tx, entry, MIDDLE, hour);
    rollUp(block, middle, (start - hour) / MIDDLE.step);
    await writeBlock(tx, entry, MIDDLE, hour, middle);
    // The hour that is not over has a value already, which each block makes better.
    const day = startOf(hour, COARSE);
    const coarse = await readBlock(tx, entry, COARSE, day);
    rollUp(middle, coarse, (hour - day) / COARSE.step);
    await writeBlock(tx, entry, COARSE, day, coarse);
  }

  function endOld(): void {
    const now = startOf(nowS(), RAW);
    for (const [agentId, entry] of live) {
      if (entry.start >= now) continue;
      live.delete(agentId);
      over.push(entry);
    }
  }

  async function writeAll(): Promise<void> {
    endOld();
    const ended = over;
    over = [];
    const changed = [...live.values()].filter(({ dirty }) => dirty);
    const work = [
      ...ended.map((entry) => ({ entry, ended: true })),
      ...changed.map((entry) => ({ entry, ended: false })),
    ];
    for (let at = 0; at < work.length; at += CHUNK) {
      const chunk = work.slice(at, at + CHUNK);
      // What comes while it is written makes it dirty again.
      for (const { entry } of chunk) entry.dirty = false;
      try {
        await commits.run(async (tx) => {
          for (const { entry, ended: isOver } of chunk) await writeLive(tx, entry, isOver);
        });
      } catch (cause) {
        for (const { entry } of chunk) entry.dirty = true;
        log.error({ err: cause }, 'metrics of agents could not be stored');
      }
    }
  }

  const flush = (): Promise<void> => {
    flushing = flushing.then(writeAll);
    return flushing;
  };

  async function sweep(): Promise<number> {
    let total = 0;
    for (const { step, block, keep } of METRIC_TIERS) {
      const before = nowS() - keep - block;
      for (;;) {
        const gone = await commits.run(async (tx) => {
          const rows = await tx
            .selectFrom('metric_blocks')
            .select(['organization_id', 'agent_id', 'start'])
            .where('step', '=', step)
            .where('start', '<', before)
            .orderBy('start')
            .limit(CHUNK)
            .execute();
          for (const row of rows)
            await tx
              .deleteFrom('metric_blocks')
              .where('organization_id', '=', row.organization_id)
              .where('agent_id', '=', row.agent_id)
              .where('step', '=', step)
              .where('start', '=', row.start)
              .execute();
          return rows.length;
        });
        total += gone;
        if (gone < CHUNK || total >= SWEEP_ROWS * METRIC_TIERS.length) break;
      }
    }
    return total;
  }

  const timers = [
    every(clock, FLUSH_MS, () => void flush()),
    every(clock, SWEEP_MS, () => {
      sweep().catch((cause: unknown) => log.error({ err: cause }, 'old metrics could not be dropped'));
    }),
  ];

  return {
    take(agent, load) {
      const at = nowS();
      const start = startOf(at, RAW);
      let entry = live.get(agent.agentId);
      if (entry?.start !== start) {
        if (entry !== undefined) over.push(entry);
        const { organizationId, agentId } = agent;
        entry = {
          organizationId,
          agentId,
          start,
          block: emptyBlock(),
          dirty: true,
          first: entry === undefined,
        };
        live.set(agentId, entry);
      }
      addSample(entry.block, Math.floor((at - start) / RAW.step), load);
      entry.dirty = true;
    },

    async read({ organizationId, agentId }, asked) {
      const range = rangeOf(asked, nowS());
      const { tier, from, to } = range;
      const rows = await store.db
        .selectFrom('metric_blocks')
        .select(['start', 'data'])
        .where('organization_id', '=', organizationId)
        .where('agent_id', '=', agentId)
        .where('step', '=', tier.step)
        .where('start', '>=', startOf(from, tier))
        .where('start', '<=', to)
        .orderBy('start')
        .execute();
      const blocks = rows.map(({ start, data }) => ({
        start: Number(start),
        block: JSON.parse(data) as Block,
      }));
      if (tier.step === RAW.step)
        for (const entry of [...over, ...live.values()]) if (entry.agentId === agentId) blocks.push(entry);
      return linesOf(range, blocks);
    },

    flush,
    sweep,
    async close() {
      for (const timer of timers) timer.cancel();
      await flush();
    },
  };
}
