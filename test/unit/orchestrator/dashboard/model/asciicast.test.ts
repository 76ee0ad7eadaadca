import { describe, expect, it } from 'vitest';
import { indexAfter, parseCast, sizeOf } from '../../../../../orchestrator/dashboard/model/asciicast.ts';

const header = '{"version":2,"width":100,"height":30,"title":"vm"}';

describe('a recording', () => {
  it('is read with its sizes, and passes over what this player does not know', () => {
    const cast = parseCast(`${header}\n[0.5,"o","a"]\n[1,"i","typed"]\n[2,"r","120x40"]\n`);
    expect(cast).toMatchObject({ cols: 100, rows: 30, title: 'vm', duration: 2 });
    expect(cast.events.map(({ kind }) => kind)).toEqual(['output', 'resize']);
  });

  it('ends where a crash has cut it off', () => {
    expect(parseCast(`${header}\n[1,"o","a"]\n[2,"o","b`).events).toHaveLength(1);
  });

  it('has its long waits cut when that is asked for', () => {
    const text = `${header}\n[1,"o","a"]\n[100,"o","b"]\n[101,"o","c"]\n`;
    expect(parseCast(text, 2).events.map(({ at }) => at)).toEqual([1, 3, 4]);
    expect(parseCast(text).duration).toBe(101);
  });

  it('is refused when it is none', () => {
    expect(() => parseCast('<html>')).toThrow('no recording');
  });
});

it('finds the first event after a time', () => {
  const { events } = parseCast(`${header}\n[1,"o","a"]\n[2,"o","b"]\n[2,"o","c"]\n[3,"o","d"]\n`);
  expect([0, 1, 2, 2.5, 3, 9].map((at) => indexAfter(events, at))).toEqual([0, 1, 3, 3, 4, 4]);
});

it('reads a size, and nothing else', () => {
  expect(sizeOf('80x24')).toEqual({ cols: 80, rows: 24 });
  expect(sizeOf('80x24;')).toBeUndefined();
});
