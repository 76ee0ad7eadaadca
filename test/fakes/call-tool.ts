import type { FileAccess } from '../../agent/files/access.ts';
import type { FileToolOptions } from '../../agent/tools/file-options.ts';
import { createRegistry } from '../../agent/tools/registry.ts';
import type { Tool, ToolValue } from '../../agent/tools/tool.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';

export const EVERYWHERE: FileAccess = { read: ['/'], write: ['/'] };

export const fileOptions = (more: Partial<FileToolOptions> = {}): FileToolOptions => ({
  enabled: true,
  maxFileSize: 100 * 1024 * 1024,
  protectedPaths: { unreadable: [], unwritable: [] },
  ...more,
});

/** Calls a tool as the registry does, and checks that the answer is what its schema says. @throws what the tool throws. */
export async function callTool(
  tool: Tool,
  args: Record<string, unknown>,
  options: { access?: FileAccess; signal?: AbortSignal } = {},
): Promise<{ structured: Record<string, unknown>; text: string }> {
  const { access = EVERYWHERE, signal = new AbortController().signal } = options;
  const registry = createRegistry([tool], () => ({ allowed: true, ...access }));
  const end = await registry.prepare(tool.name, args).run({
    id: 'cmd-test',
    clock: systemClock,
    log: silentLogger,
    signal,
    output: () => undefined,
    caller: { door: 'cli', id: 'test', grant: 'test' },
    progress: () => undefined,
  });
  if (end.kind !== 'value') throw new Error(`${tool.name} ended as ${end.kind}`);
  tool.output.parse(end.structured);
  const { structured, text = '' } = end as ToolValue;
  return { structured, text };
}
