// A machine that is enrolled with an orchestrator beside it, and ways to look at both.

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { SignedCommand } from '../../../protocol/executor.ts';
import { bootMachine, type Machine } from '../harness/machine.ts';
import { type HostOrchestrator, serve } from './orchestrator.ts';

export interface Enrolled {
  machine: Machine;
  orchestrator: HostOrchestrator;
  /** Runs a command through the orchestrator on every agent that is `env=test`. */
  command(text: string, ...words: string[]): ReturnType<HostOrchestrator['cli']>;
  dispose(): Promise<void>;
}

/** Boots a machine and pastes the line; `words` are options of `token create`. */
export async function enrolledMachine(hostname: string): Promise<Enrolled> {
  const machine = await bootMachine({ hostname });
  const orchestrator = await serve({ address: machine.hostAddress });
  const { one_liner } = await orchestrator.createToken('--label', 'env=test');
  const { code, out, err } = await machine.run(['bash'], { input: `${one_liner}\n`, timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`not enrolled: ${out}${err}`);
  return {
    machine,
    orchestrator,
    command: (text, ...words) =>
      orchestrator.cli(['run', '--selector', 'env=test', ...words, '--', text], 120_000),
    async dispose() {
      await orchestrator.dispose();
      await machine.dispose();
    },
  };
}

/** The signed bytes of a command, as the orchestrator keeps and sends them. `text`: words of its arguments. */
export function signedCommand(orchestrator: HostOrchestrator, text: string): SignedCommand & { id: string } {
  const database = new DatabaseSync(join(orchestrator.data, 'orchestrator.db'), { readOnly: true });
  try {
    for (const row of database.prepare('SELECT id, envelope, delegation FROM commands').all()) {
      const envelope = JSON.parse(String(row['envelope']));
      if (!Buffer.from(envelope.payload, 'base64').toString().includes(text)) continue;
      return { id: String(row['id']), envelope, delegation: JSON.parse(String(row['delegation'])) };
    }
  } finally {
    database.close();
  }
  throw new Error(`the orchestrator has no command with ${text}`);
}
