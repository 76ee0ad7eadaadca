import childProcess from 'node:child_process';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { around, passes } from './crash-point.ts';

// An agent that dies where it is told to: what it calls is wrapped before any of it is loaded.

const isShell = (file: unknown) => file === '/bin/sh';
around(childProcess as unknown as { spawn(file: string, ...rest: unknown[]): unknown }, 'spawn', {
  before: (file) => isShell(file) && passes('before the start'),
  after: (file) => isShell(file) && passes('after the start'),
});
// Lots that are always short: it connects again soon, however often it was cut off.
const { randomInt } = crypto;
Object.assign(crypto, { randomInt: (limit: number) => Math.floor(randomInt(limit) / 30) });
syncBuiltinESMExports();

const { Journal } = await import('../../../agent/commands/journal.ts');
around(Journal.prototype, 'take', {
  before: () => passes('before the journal'),
  after: () => passes('after the journal, before the acknowledgement'),
});
around(Journal.prototype, 'start', {
  before: () => passes('before a waiting command is marked as started'),
  after: () => passes('after a waiting command was marked as started'),
});
around(Journal.prototype, 'end', {
  before: () => passes('after the exit, before the result'),
  after: () => passes('after the result, before it is sent'),
});

const { Session } = await import('../../../agent/channel/session.ts');
around(Session.prototype, 'sendResult', {
  // What was written leaves in this turn of the event loop.
  after: () => setImmediate(() => setImmediate(() => passes('after the result was sent'))),
});

const { CommandRunner } = await import('../../../agent/commands/runner.ts');
around(CommandRunner.prototype, 'onAcknowledged', {
  before: () => passes('when the result is acknowledged'),
});

await import('../../fakes/run-agent.ts');
