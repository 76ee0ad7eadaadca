import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SessionLink } from '../../../protocol/session.ts';

interface Frame {
  seq: number;
  body: number;
}

describe('a session', () => {
  it('numbers frames from 1 and frees them when they are acknowledged', () => {
    const link = new SessionLink<Frame>();
    expect([link.push({ body: 10 }).seq, link.push({ body: 11 }).seq, link.push({ body: 12 }).seq]).toEqual([
      1, 2, 3,
    ]);
    expect(link.acknowledged(2).map((frame) => frame.body)).toEqual([10, 11]);
    expect(link.unacked.map((frame) => frame.body)).toEqual([12]);
    expect(link.acknowledged(2)).toEqual([]);
  });

  it('hands a frame on once, and names a gap', () => {
    const link = new SessionLink<Frame>();
    expect(link.receive(1)).toBe('deliver');
    expect(link.receive(1)).toBe('duplicate');
    expect(link.receive(3)).toBe('gap');
    expect(link.receive(2)).toBe('deliver');
  });

  it('acknowledges only what was received', () => {
    const link = new SessionLink<Frame>();
    link.receive(1);
    link.markDurable(5);
    expect(link.durableSeq).toBe(0);
    link.markDurable(1);
    expect(link.durableSeq).toBe(1);
  });

  it('begins anew after a reset and gives back what was not acknowledged', () => {
    const link = new SessionLink<Frame>();
    link.push({ body: 1 });
    link.receive(1);
    expect(link.reset().map((frame) => frame.body)).toEqual([1]);
    expect(link.push({ body: 2 }).seq).toBe(1);
    expect(link.receive(1)).toBe('deliver');
  });

  it('delivers every frame once and in order over a link that loses its tail and is resumed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ send: fc.nat({ max: 5 }), lost: fc.nat({ max: 5 }) }), { maxLength: 30 }),
        (rounds) => {
          const sender = new SessionLink<Frame>();
          const receiver = new SessionLink<Frame>();
          const seen: number[] = [];
          let sent = 0;
          let wire: Frame[] = [];
          for (const { send, lost } of rounds) {
            for (let i = 0; i < send; i++) wire.push(sender.push({ body: ++sent }));
            for (const frame of wire.slice(0, Math.max(0, wire.length - lost))) {
              if (receiver.receive(frame.seq) === 'deliver') seen.push(frame.body);
            }
            receiver.markDurable(receiver.recvSeq);
            sender.acknowledged(receiver.durableSeq);
            wire = [...sender.resume(receiver.recvSeq)];
          }
          for (const frame of wire) if (receiver.receive(frame.seq) === 'deliver') seen.push(frame.body);
          expect(seen).toEqual(Array.from({ length: sent }, (_, i) => i + 1));
        },
      ),
    );
  });
});
