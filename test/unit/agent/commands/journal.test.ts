import { describe, expect, it } from 'vitest';
import { Journal } from '../../../../agent/commands/journal.ts';
import type { CommandResult } from '../../../../protocol/command.ts';
import { createCommandSigner } from '../../../fakes/command-signer.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const signer = createCommandSigner({
  orgId: 'org-01arz3ndektsv4rrffq69g5fav',
  agentId: 'agt-01arz3ndektsv4rrffq69g5fav',
  trustDomain: 'test.internal',
});
const result: CommandResult = {
  state: 'succeeded',
  reason: 'exit',
  exit_code: 0,
  ended_at: '2026-01-01T00:00:00.000Z',
  stdout: { size: 3, head: 'YWJj', tail: '', omitted: 0 },
};

describe('the command journal', () => {
  it('raises its mark with the entry, and holds both after it is opened again', async () => {
    await using home = await createTempHome();
    const { payload } = signer.shell('true', { seq: 7 });
    const first = new Journal(home.join('j.db'));
    first.take(payload, { as: 'running', bootId: 'boot-1' }, 1000);
    first.close();
    const again = new Journal(home.join('j.db'));
    expect(again.mark).toEqual({ epoch: 1, seq: 7 });
    expect(again.get(payload.command_id)).toMatchObject({
      state: 'running',
      bootId: 'boot-1',
      startedAtMs: 1000,
    });
    again.close();
  });

  it('takes a number only once, and leaves the mark where it was when that fails', async () => {
    await using home = await createTempHome();
    const journal = new Journal(home.join('j.db'));
    journal.take(signer.shell('a', { seq: 3 }).payload, { as: 'accepted' }, 1);
    expect(() => journal.take(signer.shell('b', { seq: 3 }).payload, { as: 'accepted' }, 1)).toThrow();
    expect(journal.mark.seq).toBe(3);
    expect(journal.open()).toHaveLength(1);
    journal.close();
  });

  it('names everything until its end is acknowledged, and keeps it for duplicates', async () => {
    await using home = await createTempHome();
    const journal = new Journal(home.join('j.db'));
    const { payload } = signer.shell('true', { seq: 1 });
    journal.take(payload, { as: 'accepted' }, 1);
    journal.start(payload.command_id, 'boot-1', 2);
    journal.end(payload.command_id, result, 3);
    expect(journal.open()).toMatchObject([{ state: 'ended', result }]);
    journal.acknowledge(payload.command_id);
    expect(journal.open()).toEqual([]);
    journal.flush();
    const kept = journal.get(payload.command_id);
    expect(kept).toMatchObject({ state: 'ended', acknowledged: true, result: { exit_code: 0 } });
    expect(kept?.state === 'ended' && kept.result.stdout).toBeUndefined();
    journal.close();
  });

  it('does not take a command that runs for acknowledged', async () => {
    await using home = await createTempHome();
    const journal = new Journal(home.join('j.db'));
    const { payload } = signer.shell('true', { seq: 1 });
    journal.take(payload, { as: 'running', bootId: 'b' }, 1);
    journal.acknowledge(payload.command_id);
    journal.flush();
    journal.end(payload.command_id, result, 2);
    expect(journal.open()).toHaveLength(1);
    journal.close();
  });

  it('forgets what is acknowledged and old, and nothing else', async () => {
    await using home = await createTempHome();
    const journal = new Journal(home.join('j.db'));
    const [done, open] = [signer.shell('a', { seq: 1 }).payload, signer.shell('b', { seq: 2 }).payload];
    for (const payload of [done, open]) journal.take(payload, { as: 'ended', result }, 10);
    journal.acknowledge(done.command_id);
    journal.keepCancel('cmd-old', 10);
    journal.keepCancel('cmd-new', 900);
    journal.prune(1000, 500);
    expect(journal.get(done.command_id)).toBeUndefined();
    expect(journal.get(open.command_id)).toBeDefined();
    expect([journal.hasCancel('cmd-old'), journal.hasCancel('cmd-new')]).toEqual([false, true]);
    expect(journal.mark.seq).toBe(2);
    journal.close();
  });
});
