import { type ProcessList, processListArgumentsSchema, processListSchema } from '../../protocol/system.ts';
import type { ProcessReader } from '../proc/processes.ts';
import type { Tool } from './tool.ts';

/** What runs on the machine. */
export function processListTool(options: {
  reader: ProcessReader;
  enabled: boolean;
}): Tool<typeof processListArgumentsSchema, typeof processListSchema> {
  return {
    name: 'get_process_list',
    group: 'system',
    title: 'List processes',
    description: 'Processes of this VM with CPU, memory, state, user, start, command line and systemd unit.',
    input: processListArgumentsSchema,
    output: processListSchema,
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    disabled: !options.enabled,
    defaultTimeoutS: 30,
    run: async ({ signal }, args) => {
      const structured = await options.reader.list(args, signal);
      return { kind: 'value', structured, text: table(structured) };
    },
  };
}

function table({ total, matched, processes }: ProcessList): string {
  const rows = processes.map(
    (p) =>
      `${p.pid}\t${p.user}\t${p.state}\t${p.cpu}\t${Math.round(p.rss / 1024 ** 2)}\t${p.command.slice(0, 120)}`,
  );
  return [
    `${processes.length} of ${matched} (of ${total} processes)`,
    'PID\tUSER\tSTATE\tCPU%\tMIB\tCOMMAND',
    ...rows,
  ].join('\n');
}
