import { analyzeLogArgumentsSchema, analyzeLogOutlineSchema } from '../../protocol/log-tools.ts';
import type { ProtectedPaths } from '../files/access.ts';
import { LogAnalyzer } from '../logs/worker.ts';
import type { Tool } from './tool.ts';

export interface LogToolOptions {
  enabled: boolean;
  maxLines: number;
  protectedPaths: ProtectedPaths;
  /** journalctl, or where it is. */
  journalctl?: string;
}

/** What a log says: its patterns, levels, errors, and what stands out. */
export function analyzeLogTool(
  options: LogToolOptions,
): Tool<typeof analyzeLogArgumentsSchema, typeof analyzeLogOutlineSchema> {
  const { maxLines, protectedPaths, journalctl = 'journalctl' } = options;
  const analyzer = new LogAnalyzer();
  return {
    name: 'analyze_log_file',
    group: 'logs',
    title: 'Analyze a log file',
    description:
      'What a log of any format holds: levels, patterns, error groups, bursts, silences, what is new. Also .gz, .zst, .xz, rotated logs, the journal.',
    input: analyzeLogArgumentsSchema,
    output: analyzeLogOutlineSchema,
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    disabled: !options.enabled,
    defaultTimeoutS: 60,
    async run({ clock, access, signal, progress }, args) {
      const { read } = access;
      const { unreadable } = protectedPaths;
      const order = {
        args,
        rules: { access: { read: [...read] }, protectedPaths: { unreadable: [...unreadable] } },
        maxLines,
        journalctl,
        nowMs: clock.now(),
      };
      const onProgress = (lines: number) => progress({ progress: lines, message: `${lines} lines read` });
      const found = await analyzer.run({ order, clock, signal, onProgress });
      return { kind: 'value', ...found };
    },
  };
}
