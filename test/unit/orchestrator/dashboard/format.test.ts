import { describe, expect, it } from 'vitest';
import {
  formatAgo,
  formatBytes,
  formatDuration,
  formatUntil,
  parseLabels,
} from '../../../../orchestrator/dashboard/model/format.ts';
import { isFinalState, STATE_ORDER } from '../../../../orchestrator/dashboard/model/states.ts';
import { commandStateSchema, isFinal } from '../../../../protocol/command.ts';

const MIN = 60_000;
const HOUR = 60 * MIN;
const DAY = 24 * HOUR;

describe('formats', () => {
  it('writes sizes in 1024-based units', () => {
    expect([0, 1023, 1024, 1536, 150 * 1024, 50 * 1024 ** 2, 1024 ** 3].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KB',
      '1.5 KB',
      '150 KB',
      '50.0 MB',
      '1.0 GB',
    ]);
  });

  it('writes durations as long as they need to be', () => {
    expect([12, 1234, 12_345, 65_000, HOUR + 2 * MIN, 50 * HOUR].map(formatDuration)).toEqual([
      '12 ms',
      '1.2 s',
      '12 s',
      '1 min 05 s',
      '1 h 02 min',
      '2 d 2 h',
    ]);
  });

  it('says how long ago, also when the clocks differ a little', () => {
    expect([-500, 0, 12_900, 5 * MIN, 3 * HOUR, 3 * DAY].map((ms) => formatAgo(DAY, DAY + ms))).toEqual([
      'just now',
      'just now',
      '12 s ago',
      '5 min ago',
      '3 h ago',
      '3 d ago',
    ]);
  });

  it('says how long until, to the nearest unit', () => {
    expect([-1, 0, DAY - 2000, 30 * DAY - 2000].map((ms) => formatUntil(DAY + ms, DAY))).toEqual([
      'ended',
      'ended',
      'in 24 h',
      'in 30 d',
    ]);
  });
});

describe('parseLabels', () => {
  it('reads labels between spaces or commas and names the word that is none', () => {
    expect(parseLabels(' env=prod, role=web  x= ')).toEqual({ labels: { env: 'prod', role: 'web', x: '' } });
    expect(parseLabels('')).toEqual({ labels: {} });
    expect(parseLabels('env=prod web')).toEqual({ wrong: 'web' });
  });
});

describe('states', () => {
  it('agree with the protocol about what is final', () => {
    expect([...STATE_ORDER].sort()).toEqual([...commandStateSchema.options].sort());
    for (const state of STATE_ORDER) expect(isFinalState(state)).toBe(isFinal(state));
  });
});
