import { expect, it } from 'vitest';
import { type AuditKeeper, Auditor } from '../../../../agent/audit/auditor.ts';
import { silentLogger } from '../../../../base/logger.ts';
import type { AuditHeadMessage } from '../../../../protocol/audit-witness.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';

const kept = {
  size: 3,
  root: '',
  note: 'note',
  key: { payload_type: '', payload: '', signatures: [{ kid: '', sig: '' }] },
};
const message: AuditHeadMessage = { type: 'audit_head', checkpoint: '', from: 0, proof: [], key: kept.key };

function start(over: Partial<AuditKeeper> = {}) {
  const clock = createFakeClock();
  const keeper: AuditKeeper = {
    kept: async () => kept,
    show: async () => ({ kept: { ...kept, size: 4 } }),
    head: async () => ({ seq: 1, hash: '0'.repeat(64) }),
    cosigned: async () => undefined,
    ...over,
  };
  return { clock, auditor: new Auditor({ keeper, clock, log: silentLogger }) };
}

it('says what is kept, without the key, and the head of the own log', async () => {
  const { auditor } = start();
  await auditor.refresh();
  expect(auditor.witnessed).toEqual({ size: 3, root: '', note: 'note' });
  expect(auditor.head?.seq).toBe(1);
});

it('goes on without an answer when the keeper is silent or fails', async () => {
  const silent = start({ kept: () => new Promise(() => undefined) });
  const waiting = silent.auditor.refresh();
  await silent.clock.advance(3000);
  await waiting;
  expect(silent.auditor.witnessed).toBeUndefined();
  await start({ head: async () => Promise.reject(new Error('no executor')) }).auditor.refresh();
});

it('answers a checkpoint with what became of it, and remembers only what was kept', async () => {
  const { auditor } = start();
  await auditor.refresh();
  const answered = Promise.withResolvers<unknown>();
  auditor.onHead(message, answered.resolve);
  expect(await answered.promise).toEqual({ kept: { size: 4, root: '', note: 'note' } });
  expect(auditor.witnessed?.size).toBe(4);

  const refusing = start({ show: async () => ({ refused: 'it went back' }) });
  await refusing.auditor.refresh();
  const refused = Promise.withResolvers<unknown>();
  refusing.auditor.onHead(message, refused.resolve);
  expect(await refused.promise).toEqual({ refused: 'it went back' });
  expect(refusing.auditor.witnessed?.size).toBe(3);
});
