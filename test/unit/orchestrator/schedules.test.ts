import { describe, expect, it } from 'vitest';
import { AHEAD_MS, MAX_AHEAD, plan } from '../../../orchestrator/schedules/due.ts';
import { checkTiming, occurrences } from '../../../orchestrator/schedules/occurrences.ts';
import { checkTemplate, fill } from '../../../orchestrator/schedules/template.ts';
import { parameterSchema } from '../../../protocol/rest-schedules.ts';
import { shellQuote } from '../../../protocol/shell-quote.ts';

const at = (text: string) => Date.parse(text);
const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());

describe('when a schedule comes', () => {
  it('is said by cron in a time zone, across the change to summer time', () => {
    const daily = { cron: '30 2 * * *', time_zone: 'Europe/Berlin' };
    expect(occurrences(daily, at('2026-03-27T12:00:00Z'), 4).map(iso)).toEqual([
      '2026-03-28T01:30:00.000Z',
      // There is no 02:30 on that day: it comes when the gap is over.
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
      '2026-03-31T00:30:00.000Z',
    ]);
  });

  it.each([
    ['61 * * * *', 'UTC', /is no schedule/],
    ['* * * * *', 'Mars/Olympus', /is no schedule/],
    ['nonsense', 'UTC', /is no schedule/],
    ['0 0 31 2 *', 'UTC', /never comes/],
    ['*/10 * * * * *', 'UTC', /every 10 s/],
  ])('is refused as "%s" in %s', (cron, time_zone, why) => {
    expect(() => checkTiming({ cron, time_zone }, at('2026-01-01T00:00:00Z'))).toThrow(why);
  });
});

describe('what is due', () => {
  const now = at('2026-01-01T12:00:00Z');
  const hourly = {
    cron: '0 * * * *',
    time_zone: 'UTC',
    start_within_s: 600,
    runs_on: 'orchestrator' as const,
  };

  it('is nothing before its time, and once at it', () => {
    expect(plan({ ...hourly, next_at: now + 1 }, now).steps).toEqual([]);
    expect(plan({ ...hourly, next_at: now }, now)).toEqual({
      steps: [{ kind: 'run', dueAt: now }],
      nextAt: now + 3_600_000,
    });
  });

  it('is told apart from what nobody was there for', () => {
    const { steps, nextAt } = plan({ ...hourly, next_at: now - 2 * 3_600_000 }, now + 60_000);
    expect(steps.map(({ kind, dueAt }) => [kind, iso(dueAt)])).toEqual([
      ['missed', '2026-01-01T10:00:00.000Z'],
      ['missed', '2026-01-01T11:00:00.000Z'],
      ['run', '2026-01-01T12:00:00.000Z'],
    ]);
    expect(iso(nextAt)).toBe('2026-01-01T13:00:00.000Z');
  });

  it('goes to agents a day ahead, and no more than they can hold', () => {
    const agents = { ...hourly, runs_on: 'agents' as const, next_at: now };
    const day = plan(agents, now);
    expect(day.steps).toHaveLength(25);
    expect(day.nextAt).toBeGreaterThan(now + AHEAD_MS);
    const minutely = { ...agents, cron: '* * * * *' };
    expect(plan(minutely, now).steps).toHaveLength(MAX_AHEAD);
    expect(plan(minutely, now, MAX_AHEAD - 3).steps).toHaveLength(3);
    expect(plan(minutely, now, MAX_AHEAD)).toEqual({ steps: [], nextAt: now });
  });

  it('ends when it never comes again', () => {
    const once = { ...hourly, cron: '0 0 12 1 1 * 2026', next_at: now };
    expect(plan(once, now).nextAt).toBeNull();
  });
});

describe('a saved command', () => {
  const parameter = (over: object = {}) => parameterSchema.parse({ name: 'service', ...over });

  it('takes values as words of the shell, never as commands', () => {
    const evil = "a; rm -rf / '";
    const saved = {
      command: 'systemctl restart {{service}} # $HOME {{ service }}',
      parameters: [parameter()],
    };
    const quoted = shellQuote(evil);
    expect(fill(saved, { service: evil })).toBe(`systemctl restart ${quoted} # $HOME ${quoted}`);
    expect(fill(saved, { service: '$& $1' })).toContain("'$& $1'");
  });

  it('uses defaults, and holds values to the choices', () => {
    const saved = {
      command: 'echo {{service}}',
      parameters: [parameter({ default: 'web', choices: ['web', 'db'] })],
    };
    expect(fill(saved, {})).toBe("echo 'web'");
    expect(() => fill(saved, { service: 'x' })).toThrow(/cannot be "x"/);
    expect(() => fill(saved, { other: 'x' })).toThrow(/no parameter other/);
    expect(() => fill({ ...saved, parameters: [parameter()] }, {})).toThrow(/has no value/);
  });

  it('says all that does not fit', () => {
    expect(() => checkTemplate({ command: 'echo {{a}}', parameters: [parameter(), parameter()] })).toThrow(
      /same name; \{\{a\}\} is no parameter; the parameter service is not used/,
    );
  });
});
