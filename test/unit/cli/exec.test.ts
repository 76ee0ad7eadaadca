import { describe, expect, it } from 'vitest';
import { splitOptions } from '../../../cli/exec.ts';

describe('options of exec', () => {
  it('may follow a command in one quoted string', () => {
    expect(splitOptions(['ps aux', '--timeout', '60'])).toEqual({
      command: 'ps aux',
      later: { timeout: 60 },
    });
    expect(splitOptions(['ps aux', '--home=/x', '--timeout=2m'])).toEqual({
      command: 'ps aux',
      later: { home: '/x', timeout: 120 },
    });
    expect(splitOptions(['ps aux'])).toEqual({ command: 'ps aux', later: {} });
  });

  it('belong to the command when it comes in several words, or when they are not ours', () => {
    expect(splitOptions(['timeout', '--timeout', '60']).command).toBe('timeout --timeout 60');
    expect(splitOptions(['ps aux', '--sort', 'pid']).command).toBe('ps aux --sort pid');
    expect(splitOptions(['ps aux', '--timeout']).command).toBe('ps aux --timeout');
  });

  it('are refused when they cannot be meant', () => {
    expect(() => splitOptions(['ps aux', '--timeout', 'soon'])).toThrow('It must look like 30');
  });
});
