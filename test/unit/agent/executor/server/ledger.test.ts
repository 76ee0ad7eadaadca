import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyChain } from '../../../../../agent/audit/verify-chain.ts';
import { Ledger } from '../../../../../agent/executor/server/ledger.ts';
import { createCommandSigner } from '../../../../fakes/command-signer.ts';
import { createTempHome, type TempHome } from '../../../../fakes/temp-home.ts';

const signer = createCommandSigner({ orgId: 'org-1', agentId: 'agt-1', trustDomain: 't' });
const META = {
  kind: 'unit',
  output_limit: 1,
  timeout_s: 1,
  merged: false,
  bound: false,
  owner: 'o',
} as const;
let home: TempHome;
let now = 1_000_000;
const open = () => new Ledger({ file: home.join('ledger.db'), clock: { now: () => now } });
const command = (seq: number, epoch = 1) => ({ ...signer.shell('true', { seq }).payload, epoch });

beforeEach(async () => {
  home = await createTempHome();
});
afterEach(() => home[Symbol.asyncDispose]());

describe('the ledger', () => {
  it('takes each number once, out of order too, and also for another executor', () => {
    const [one, other] = [open(), open()];
    expect(one.claim(command(5), META, {})).toBe('taken');
    expect(other.claim(command(3), META, {})).toBe('taken');
    expect(other.claim(command(5), META, {})).toBe('replay');
    expect(one.claim(command(3), META, {})).toBe('replay');
    one.close();
    other.close();
  });

  it('takes nothing of an earlier epoch, and begins a later one anew', () => {
    const ledger = open();
    expect(ledger.claim(command(9, 1), META, {})).toBe('taken');
    expect(ledger.claim(command(1, 2), META, {})).toBe('taken');
    expect(ledger.claim(command(10, 1), META, {})).toBe('replay');
    ledger.close();
  });

  it('refuses what it has forgotten, whatever the clock says', () => {
    const ledger = open();
    ledger.claim(command(4), META, {});
    now += 1000;
    expect(ledger.prune(500)).toHaveLength(1);
    expect(ledger.claim(command(4), META, {})).toBe('replay');
    expect(ledger.claim(command(3), META, {})).toBe('replay');
    expect(ledger.claim(command(5), META, {})).toBe('taken');
    ledger.close();
  });

  it('knows again what it took, for who looks for it later', () => {
    const ledger = open();
    const payload = command(1);
    ledger.claim(payload, META, {});
    expect(ledger.meta(payload.command_id)).toEqual(META);
    expect(ledger.meta('another')).toBeUndefined();
    ledger.close();
  });
});

describe('the audit chain', () => {
  const entries = () => {
    const ledger = open();
    const all = [...ledger.entries()];
    ledger.close();
    return all;
  };
  beforeEach(() => {
    const ledger = open();
    for (let i = 1; i <= 5; i++) ledger.record('command.taken', { i });
    ledger.close();
  });

  it('is whole as it was written, refusals included', () => {
    const ledger = open();
    ledger.claim(command(1), META, { a: 1 });
    ledger.claim(command(1), META, { a: 1 });
    const all = [...ledger.entries(5)].map(({ event }) => [event.action, event.detail]);
    expect(all).toEqual([
      ['command.taken', { a: 1 }],
      ['command.refused', { a: 1, code: 'command_replayed' }],
    ]);
    expect(verifyChain(ledger.entries())).toMatchObject({ ok: true, entries: 7, head: ledger.head.hash });
    ledger.close();
  });

  it.each([
    ['changed', 'UPDATE audit SET event = replace(event, \'"i":3\', \'"i":4\') WHERE seq = 3', 3],
    ['removed', 'DELETE FROM audit WHERE seq = 2', 2],
    [
      're-hashed',
      "UPDATE audit SET event = replace(event, '\"i\":3', '\"i\":4'), hash = '00' WHERE seq = 3",
      3,
    ],
  ])('names the first entry that was %s', (_how, sql, seq) => {
    const database = new DatabaseSync(home.join('ledger.db'));
    database.exec(sql);
    database.close();
    expect(verifyChain(entries())).toMatchObject({ ok: false, seq });
  });

  it('[audit-7] that was cut or hashed anew shows beside the head that the orchestrator counter-signed', () => {
    const ledger = open();
    const { head } = ledger;
    ledger.keepCosigned({ ...head, at: '2026-01-01T00:00:00.000Z' });
    ledger.keepCosigned({ seq: 2, hash: '0'.repeat(64), at: '2026-01-02T00:00:00.000Z' });
    expect(ledger.cosigned).toMatchObject({ seq: 5, hash: head.hash });
    expect(verifyChain(ledger.entries(), ledger.cosigned)).toMatchObject({ ok: true });
    ledger.close();
    const all = entries();
    expect(verifyChain(all.slice(0, 3), head)).toMatchObject({ ok: false, seq: 4 });
    expect(verifyChain(all, { seq: 3, hash: '0'.repeat(64) })).toMatchObject({ ok: false, seq: 3 });
  });
});
