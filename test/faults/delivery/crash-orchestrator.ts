import { ServerResponse } from 'node:http';
import { StatementSync } from 'node:sqlite';
import { FINAL_STATES } from '../../../protocol/command.ts';
import { around, passes } from './crash-point.ts';

// An orchestrator that dies where it is told to: what it calls is wrapped before any of it is loaded.

/** What the transaction that is being made does to commands. */
const doing = new Set<'submit' | 'sent' | 'result'>();
const FINAL: ReadonlySet<unknown> = new Set(FINAL_STATES);

function note(sql: string, values: readonly unknown[]): void {
  if (sql.startsWith('begin')) doing.clear();
  else if (sql.startsWith('insert into "commands"')) doing.add('submit');
  else if (sql.startsWith('update "commands"') && values.includes('sent')) doing.add('sent');
  else if (sql.startsWith('update "commands"') && values.some((value) => FINAL.has(value)))
    doing.add('result');
}

const { run } = StatementSync.prototype;
Object.assign(StatementSync.prototype, {
  run(this: StatementSync, ...values: Parameters<typeof run>) {
    const sql = this.sourceSQL;
    note(sql, values);
    if (sql === 'commit') for (const what of doing) passes(`before the commit: ${what}`);
    const result = run.apply(this, values);
    if (sql === 'commit') for (const what of doing) passes(`after the commit: ${what}`);
    return result;
  },
});

const { end } = ServerResponse.prototype;
Object.assign(ServerResponse.prototype, {
  end(this: ServerResponse, ...rest: Parameters<typeof end>) {
    if (this.statusCode === 202) passes('before the answer');
    return end.apply(this, rest);
  },
});

const { AgentSession } = await import('../../../orchestrator/hub/agent-session.ts');
around(AgentSession.prototype, 'send', {
  after: (message) => message.type === 'command' && passes('after a command was sent'),
});
around(AgentSession.prototype, 'sendHint', {
  before: (message) => message.type === 'ack' && passes('before the acknowledgement'),
});
around(AgentSession.prototype, 'receive', {
  before: (message) => message.type === 'result' && passes('when a result comes'),
});

await import('../../../orchestrator/main.ts');
