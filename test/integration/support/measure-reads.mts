// Reads parts of a large file as a daemon would, in a process of its own, and prints the answers with the most memory
// that this took: node measure-reads.mts FILE JSON…
import { readFileSync } from 'node:fs';
import { readFileTool } from '../../../agent/tools/file-read.ts';
import { analyzeLogTool } from '../../../agent/tools/log-analyze.ts';
import { tailLogTool } from '../../../agent/tools/log-tail.ts';
import { callTool, fileOptions } from '../../fakes/call-tool.ts';

const [path = '', ...calls] = process.argv.slice(2);
const log = { enabled: true, maxLines: 10_000, protectedPaths: { unreadable: [], unwritable: [] } };
const answers: unknown[] = [];
/** Bytes that this process has read so far, from wherever. */
const bytesRead = () => Number(/^rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
const bytes: number[] = [];
for (const text of calls) {
  const { tool, ...args } = JSON.parse(text) as { tool?: string };
  const before = bytesRead();
  const { structured } =
    tool === 'analyze'
      ? await callTool(analyzeLogTool(log), { log_path: path, ...args })
      : tool === 'tail'
        ? await callTool(tailLogTool(log), { log_path: path, ...args })
        : await callTool(readFileTool(fileOptions()), { file_path: path, ...args });
  answers.push(structured);
  bytes.push(bytesRead() - before);
}
console.log(JSON.stringify({ answers, bytes, maxRssKiB: process.resourceUsage().maxRSS }));
