import { describe, expect, it } from 'vitest';
import type { FrozenConfig } from '../../../agent/config.ts';
import { planReload, Reloader } from '../../../agent/reload.ts';
import { silentLogger } from '../../../base/logger.ts';
import { agentConfigSchema } from '../../../protocol/agent-config.ts';

const config = (tree: unknown): FrozenConfig => agentConfigSchema.parse(tree);

describe('the plan of a reload', () => {
  it('takes over what can be, and names what waits for a restart', () => {
    const running = config({ server: { port: 1 }, logging: { level: 'INFO', modules: { http: 'ERROR' } } });
    const next = config({
      server: { port: 2 },
      orchestrator: { url: 'https://other.example', heartbeat_interval: 5 },
      logging: { level: 'debug', modules: { channel: 'DEBUG' } },
      tools: { shell_executor: { enabled: false, run_as: 'root' } },
    });
    const plan = planReload(running, next);
    expect(plan.applied.map(({ setting, from, to }) => [setting, from, to])).toEqual([
      ['orchestrator.heartbeat_interval', 30, 5],
      ['tools.shell_executor.enabled', true, false],
      ['logging.level', 'INFO', 'DEBUG'],
      ['logging.modules.channel', undefined, 'DEBUG'],
      ['logging.modules.http', 'ERROR', undefined],
    ]);
    expect(plan.waiting.map(({ setting }) => setting).toSorted()).toEqual([
      'orchestrator.url',
      'server.port',
      'tools.shell_executor.run_as',
    ]);
    expect(plan.config).toMatchObject({ server: { port: 1 }, logging: { modules: { channel: 'DEBUG' } } });
    expect(plan.config.orchestrator).toEqual({ ...running.orchestrator, heartbeat_interval: 5 });
    expect(plan.config.tools.shell_executor).toEqual({ enabled: false, timeout: 300 });
  });

  it('finds nothing to do when nothing changed', () => {
    const running = config({ agent: { labels: { a: 'b' } } });
    const plan = planReload(running, config({ agent: { labels: { a: 'b' } } }));
    expect(plan).toEqual({ config: running, applied: [], waiting: [] });
  });
});

describe('a reload', () => {
  function rig(texts: (FrozenConfig | Error)[]) {
    const taken: string[][] = [[], []];
    const conditions: [boolean, string][] = [];
    let refuses = false;
    const reloader = new Reloader({
      config: config({}),
      load: async () => {
        const next = texts.shift();
        if (next === undefined || next instanceof Error) throw next;
        return next;
      },
      parts: [
        (next) => () => taken[0]?.push(next.logging.level),
        (next) => {
          if (refuses) throw new Error('this part cannot');
          return () => taken[1]?.push(next.logging.level);
        },
      ],
      log: silentLogger,
      onCondition: (ok, detail) => conditions.push([ok, detail]),
    });
    return {
      reloader,
      taken,
      conditions,
      refuse: (yes: boolean) => {
        refuses = yes;
      },
    };
  }
  const debug = config({ logging: { level: 'DEBUG' } });

  it('is taken by all parts or by none', async () => {
    const { reloader, taken, conditions, refuse } = rig([debug, debug]);
    refuse(true);
    await reloader.reload();
    expect(taken).toEqual([[], []]);
    expect(conditions).toEqual([[false, expect.stringContaining('this part cannot')]]);
    refuse(false);
    await reloader.reload();
    expect(taken).toEqual([['DEBUG'], ['DEBUG']]);
    expect(conditions.at(-1)).toEqual([true, 'in force']);
  });

  it('keeps what is in force when the file cannot be used, and says so until it can', async () => {
    const { reloader, taken, conditions } = rig([new Error('line 3 is wrong'), config({})]);
    await reloader.reload();
    expect(taken[0]).toEqual([]);
    expect(conditions).toEqual([[false, expect.stringContaining('line 3 is wrong')]]);
    await reloader.reload();
    expect(conditions.at(-1)).toEqual([true, 'in force']);
  });

  it('goes on naming what waits for a restart', async () => {
    const moved = config({ server: { port: 1 } });
    const { reloader, conditions } = rig([moved, moved]);
    await reloader.reload();
    await reloader.reload();
    const expected = [true, 'in force, except server.port: restart the agent'];
    expect(conditions).toEqual([expected, expected]);
  });
});
