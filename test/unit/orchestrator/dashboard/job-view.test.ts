import { describe, expect, it } from 'vitest';
import {
  applyEvent,
  applyJob,
  type CommandView,
  countStates,
  createJobView,
  type JobView,
} from '../../../../orchestrator/dashboard/model/job-view.ts';
import type { Stream } from '../../../../protocol/command.ts';
import { createFakeFleet, type FakeFleet } from '../../../fakes/fake-fleet.ts';

const fleetWith = (...names: string[]): FakeFleet => {
  const fleet = createFakeFleet({ now: () => Date.parse('2026-01-01T00:00:00Z') });
  for (const name of names) fleet.addAgent({ vm_id: name } as Parameters<FakeFleet['addAgent']>[0]);
  return fleet;
};
const submit = (fleet: FakeFleet) => {
  const job = fleet.createJob({
    selector: 'all',
    tool: 'execute_shell_command',
    arguments: { command: 'true' },
    timeout: 60,
    description: '',
  });
  if (job === undefined) throw new Error('no machine matches');
  return job;
};
const only = (view: JobView): CommandView => {
  const [command] = view.commands.values();
  if (command === undefined) throw new Error('no command');
  return command;
};
const shown = (command: CommandView): string =>
  command.output.blocks.map(({ stream, text }) => `${stream}:${text}`).join('|');

/** A view that follows a job of one machine, and the job's command. */
function followed() {
  const fleet = fleetWith('vm-web-a1b2c3');
  const job = submit(fleet);
  const [command] = job.commands;
  if (command === undefined) throw new Error('no command');
  const view = createJobView();
  applyJob(view, job);
  return { fleet, job, command, view };
}

describe('JobView', () => {
  it('follows a command from its start to its end', () => {
    const { fleet, job, command, view } = followed();
    fleet.follow(job.id, 0, (_, event) => applyEvent(view, event));
    expect(only(view).state).toBe('queued');
    fleet.setState(command, 'running');
    expect([only(view).state, only(view).startedAt]).toEqual(['running', '2026-01-01T00:00:00.000Z']);
    fleet.setState(command, 'failed', { exit_code: 3, reason: 'exit' });
    expect([only(view).state, only(view).result?.exit_code, view.ended]).toEqual(['failed', 3, true]);
    expect([...countStates(view)]).toEqual([['failed', 1]]);
  });

  it('shows each byte once when events are told again', () => {
    const { fleet, job, command, view } = followed();
    fleet.write(command, 'stdout', 'one\n');
    fleet.write(command, 'stderr', 'two\n');
    for (let round = 0; round < 2; round++) fleet.follow(job.id, 0, (_, event) => applyEvent(view, event))();
    expect(shown(only(view))).toBe('stdout:one\n|stderr:two\n');
  });

  it('takes what is new of a piece that it has in part, and says what is missing', () => {
    const { command, view } = followed();
    const output = (offset: number, text: string, stream: Stream = 'stdout') =>
      applyEvent(view, {
        type: 'output',
        command_id: command.id,
        agent_id: command.agent_id,
        vm_id: command.vm_id,
        stream,
        offset,
        at: '2026-01-01T00:00:00Z',
        data: Buffer.from(text).toString('base64'),
      });
    output(0, 'abc');
    output(1, 'bcde');
    expect(shown(only(view))).toBe('stdout:abcde');
    output(9, 'xyz');
    expect(shown(only(view))).toBe('stdout:abcde|note:… 4 bytes of stdout not shown …\n|stdout:xyz');
  });

  it('puts a character together that two pieces share', () => {
    const { fleet, job, command, view } = followed();
    fleet.follow(job.id, 0, (_, event) => applyEvent(view, event));
    const bytes = Buffer.from('gr\u00fc\u00dfe 😀');
    for (const byte of bytes) fleet.write(command, 'stdout', Buffer.from([byte]));
    expect(shown(only(view))).toBe('stdout:grüße 😀');
  });

  it('does not go back from an end, except from unknown to the truth', () => {
    const { fleet, job, command, view } = followed();
    fleet.follow(job.id, 0, (_, event) => applyEvent(view, event));
    fleet.setState(command, 'unknown');
    fleet.setState(command, 'running');
    expect(only(view).state).toBe('unknown');
    fleet.setState(command, 'succeeded', { exit_code: 0 });
    expect(only(view).state).toBe('succeeded');
  });

  it('holds a bounded amount of text however many machines write', () => {
    const fleet = fleetWith(
      ...Array.from({ length: 64 }, (_, n) => `vm-web-${n.toString(16).padStart(6, '0')}`),
    );
    const job = submit(fleet);
    const view = createJobView();
    applyJob(view, job);
    fleet.follow(job.id, 0, (_, event) => applyEvent(view, event));
    for (const command of job.commands) fleet.write(command, 'stdout', `${'x'.repeat(99)}\n`.repeat(2000));
    const held = [...view.commands.values()].reduce((sum, { output }) => sum + output.held, 0);
    expect(held).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(only(view).output.cut).toBeGreaterThan(0);
  });
});
