import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Action,
  afterPass,
  decideRollout,
  type Phase,
  type RolloutFacts,
  type WaveFacts,
} from '../../../../../orchestrator/jobs/rollout/decide.ts';

const wave = (over: Partial<WaveFacts> = {}): WaveFacts => ({
  size: 4,
  waitingOnline: 0,
  waitingOffline: 0,
  queuedOffline: 0,
  active: 0,
  succeeded: 0,
  failed: 0,
  notRun: 0,
  ...over,
});
const facts = (over: Partial<RolloutFacts> = {}): RolloutFacts => ({
  now: 1000,
  paused: false,
  phase: 'running',
  phaseUntil: null,
  wave: 1,
  waves: [wave({ waitingOnline: 4 }), wave({ waitingOnline: 4 })],
  concurrency: 100,
  maxFailures: 0,
  pauseMs: 0,
  gateMs: 5000,
  hasGate: false,
  unhealthy: 0,
  deadlineAt: 1_000_000,
  gate: null,
  ...over,
});

describe('the next step of a rollout', () => {
  it('begins the first wave, but not while it is paused', () => {
    expect(decideRollout(facts({ wave: 0 }))).toEqual({ action: { do: 'begin_wave', wave: 1 } });
    expect(decideRollout(facts({ wave: 0, paused: true })).action).toBeUndefined();
  });

  it('gives out as many as its concurrency has room for', () => {
    const waves = [wave({ waitingOnline: 3, active: 1 }), wave()];
    expect(decideRollout(facts({ waves, concurrency: 3 })).action).toEqual({ do: 'release', count: 2 });
    expect(decideRollout(facts({ waves, concurrency: 1 })).action).toBeUndefined();
  });

  it('stops when one more has failed than may', () => {
    const waves = [wave({ failed: 2, waitingOnline: 2 })];
    expect(decideRollout(facts({ waves, maxFailures: 2 })).action?.do).toBe('release');
    expect(decideRollout(facts({ waves, maxFailures: 1 })).action).toEqual({
      do: 'stop',
      reason: 'threshold',
      detail: '2 machines failed, only 1 may',
    });
  });

  it('does not wait for machines that are offline once it has succeeded somewhere', () => {
    const away = wave({ waitingOffline: 1, queuedOffline: 1, succeeded: 1 });
    expect(decideRollout(facts({ waves: [away, wave()] })).action).toEqual({ do: 'pass_wave', unhealthy: 0 });
    const nothing = wave({ waitingOffline: 2 });
    expect(decideRollout(facts({ waves: [nothing, wave()] })).action).toBeUndefined();
  });

  it('waits at a gate for machines to be connected again, and no longer than it may', () => {
    const waves = [wave({ succeeded: 4 }), wave()];
    const gate = { disconnected: 1, check: 'none', failedCheck: 0 } as const;
    const at = (now: number) =>
      decideRollout(facts({ now, waves, phase: 'gate', phaseUntil: 6000, gate, hasGate: true }));
    expect(at(5999)).toEqual({ wakeAt: 6000 });
    expect(at(6000).action).toMatchObject({ do: 'stop', reason: 'health_gate' });
  });

  it('waits out the pause between two waves', () => {
    const waves = [wave({ succeeded: 4 }), wave({ waitingOnline: 4 })];
    const at = (now: number) => decideRollout(facts({ now, waves, phase: 'pausing', phaseUntil: 2000 }));
    expect(at(1999)).toEqual({ wakeAt: 2000 });
    expect(at(2000).action).toEqual({ do: 'begin_wave', wave: 2 });
  });

  it('ends what waits at its deadline', () => {
    expect(decideRollout(facts({ now: 1_000_000 })).action).toMatchObject({ do: 'stop', reason: 'deadline' });
  });
});

/** A fleet in which each machine has one state, as the store counts them. */
interface Machine {
  wave: number;
  state: 'waiting' | 'active' | 'succeeded' | 'failed' | 'notRun';
  online: boolean;
  good: boolean;
  wellAfter: boolean;
}

interface Model {
  machines: Machine[];
  state: Omit<RolloutFacts, 'waves' | 'gate'>;
  checked: boolean;
  ended: Action | undefined;
  mostActive: number;
}

function count({ machines, state }: Model): WaveFacts[] {
  const waves = Math.max(...machines.map((machine) => machine.wave));
  void state;
  return Array.from({ length: waves }, (_, index) => {
    const own = machines.filter((machine) => machine.wave === index + 1);
    const of = (pick: (machine: Machine) => boolean) => own.filter(pick).length;
    return {
      size: own.length,
      waitingOnline: of((m) => m.state === 'waiting' && m.online),
      waitingOffline: of((m) => m.state === 'waiting' && !m.online),
      queuedOffline: 0,
      active: of((m) => m.state === 'active'),
      succeeded: of((m) => m.state === 'succeeded'),
      failed: of((m) => m.state === 'failed'),
      notRun: of((m) => m.state === 'notRun'),
    };
  });
}

function factsOf(model: Model): RolloutFacts {
  const own = model.machines.filter((m) => m.wave === model.state.wave && m.state === 'succeeded');
  return {
    ...model.state,
    waves: count(model),
    gate:
      model.state.phase === 'gate'
        ? {
            disconnected: own.filter((m) => !m.online).length,
            check: model.checked ? 'ended' : 'to_start',
            failedCheck: model.checked ? own.filter((m) => m.online && !m.wellAfter).length : 0,
          }
        : null,
  };
}

function take(model: Model, action: Action): void {
  const { state, machines } = model;
  const go = (phase: Phase, until: number | null) => Object.assign(state, { phase, phaseUntil: until });
  switch (action.do) {
    case 'begin_wave':
      expect(action.wave).toBe(state.wave + 1);
      state.wave = action.wave;
      model.checked = false;
      go('running', null);
      return;
    case 'release': {
      const ready = machines.filter((m) => m.state === 'waiting' && m.online && m.wave <= state.wave);
      expect(ready.length).toBeGreaterThanOrEqual(action.count);
      for (const machine of ready.slice(0, action.count)) machine.state = 'active';
      return;
    }
    case 'begin_gate':
      go('gate', action.until);
      return;
    case 'start_check':
      model.checked = true;
      return;
    case 'pass_wave':
      state.unhealthy += action.unhealthy;
      take(model, afterPass({ ...state, waves: count(model).length }));
      return;
    case 'begin_pause':
      go('pausing', action.until);
      return;
    case 'begin_tail':
      go('tail', null);
      return;
    case 'stop':
      for (const machine of machines) if (machine.state === 'waiting') machine.state = 'notRun';
      model.ended = action;
      return;
    case 'complete':
      model.ended = action;
  }
}

const machineOf = fc.record({
  wave: fc.integer({ min: 1, max: 4 }),
  online: fc.boolean(),
  good: fc.boolean(),
  wellAfter: fc.boolean(),
});
const modelOf = fc
  .record({
    machines: fc.array(machineOf, { minLength: 1, maxLength: 12 }),
    concurrency: fc.integer({ min: 1, max: 6 }),
    maxFailures: fc.integer({ min: 0, max: 4 }),
    pauseMs: fc.integer({ min: 0, max: 50 }),
    hasGate: fc.boolean(),
  })
  .map(({ machines, concurrency, maxFailures, pauseMs, hasGate }): Model => {
    const order = machines.toSorted((a, b) => a.wave - b.wave);
    const numbers = [...new Set(order.map((m) => m.wave))];
    return {
      machines: order.map((m) => ({ ...m, wave: numbers.indexOf(m.wave) + 1, state: 'waiting' })),
      state: {
        ...facts(),
        wave: 0,
        concurrency,
        maxFailures,
        pauseMs,
        hasGate,
        gateMs: 30,
        deadlineAt: 3000,
      },
      checked: false,
      ended: undefined,
      mostActive: 0,
    };
  });
/** What the world does between two looks: time passes, machines end, come and go, somebody pauses. */
const worldOf = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ do: fc.constant('end' as const), at: fc.nat(11) }),
    fc.record({ do: fc.constant('flip' as const), at: fc.nat(11) }),
    fc.record({ do: fc.constant('pause' as const), on: fc.boolean() }),
  ),
  { maxLength: 120 },
);

/** Takes steps until there is none; a step changes something, so this ends. */
function settle(model: Model): void {
  for (let steps = 0; model.ended === undefined; steps++) {
    expect(steps).toBeLessThan(100);
    const before = factsOf(model);
    const { action, wakeAt } = decideRollout(before);
    if (action === undefined) {
      expect(wakeAt).toBeGreaterThan(0);
      return;
    }
    if (before.paused) expect(['release', 'start_check', 'begin_wave']).not.toContain(action.do);
    take(model, action);
    const active = model.machines.filter((m) => m.state === 'active').length;
    if (action.do === 'release') expect(active).toBeLessThanOrEqual(model.state.concurrency);
    for (const machine of model.machines)
      if (machine.state === 'active') expect(machine.wave).toBeLessThanOrEqual(model.state.wave);
  }
}

function happen(
  model: Model,
  event: { do: 'time' | 'end' | 'flip' | 'pause'; ms?: number; at?: number; on?: boolean },
): void {
  const machine = model.machines[(event.at ?? 0) % model.machines.length];
  if (event.do === 'time') model.state.now += event.ms ?? 0;
  if (event.do === 'pause') model.state.paused = event.on ?? false;
  if (event.do === 'flip' && machine !== undefined) machine.online = !machine.online;
  if (event.do === 'end' && machine?.state === 'active')
    machine.state = machine.good ? 'succeeded' : 'failed';
}

describe('any rollout', () => {
  it('[rollout-2] keeps to its waves, concurrency and threshold, and ends by its deadline, whatever happens', () => {
    fc.assert(
      fc.property(modelOf, worldOf, (model, world) => {
        settle(model);
        for (const event of world) {
          if (model.ended !== undefined) break;
          happen(model, event);
          settle(model);
        }
        // What is at work ends by its own timeout; then nothing keeps a rollout open beyond its deadline.
        for (const machine of model.machines)
          if (machine.state === 'active') machine.state = machine.good ? 'succeeded' : 'failed';
        model.state.paused = false;
        for (let rounds = 0; model.ended === undefined && rounds < 20; rounds++) {
          model.state.now = Math.max(model.state.now, 3000) + rounds * 50;
          settle(model);
          for (const machine of model.machines)
            if (machine.state === 'active') machine.state = machine.good ? 'succeeded' : 'failed';
        }
        expect(model.ended).toBeDefined();
        expect(model.machines.filter((m) => m.state === 'waiting' || m.state === 'active')).toEqual([]);
        const failed = model.machines.filter((m) => m.state === 'failed').length + model.state.unhealthy;
        if (model.ended?.do === 'complete') expect(failed).toBeLessThanOrEqual(model.state.maxFailures);
      }),
      { numRuns: 2000 },
    );
  });
});
