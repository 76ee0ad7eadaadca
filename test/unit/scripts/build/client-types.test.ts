import { writeFile } from 'node:fs/promises';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { standaloneTypes } from '../../../../scripts/build/client-types.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';

async function problems(home: TempHome, use: string): Promise<string[]> {
  await writeFile(home.join('use.mts'), use);
  const program = ts.createProgram([home.join('use.mts')], {
    strict: true,
    noEmit: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

it('the types of the client need nothing else, and know tools and answers', async () => {
  const home = await createTempHome();
  try {
    await writeFile(home.join('client.d.mts'), standaloneTypes('agent/client.ts'));
    const head = `import { AgentClient, type ReadFile } from './client.mjs';\nconst c = new AgentClient({ url: 'https://vm:8080', apiKey: 'k' });\n`;
    expect(
      await problems(
        home,
        `${head}const f: ReadFile = await c.readFile({ file_path: '/x', offset: -3 });\nconst n: number = f.size + (await c.systemMetrics()).cpu.used;\nvoid n;\n`,
      ),
    ).toEqual([]);
    expect(await problems(home, `${head}await c.readFile({ path: '/x' });\n`)).toEqual([
      expect.stringContaining("'path' does not exist"),
    ]);
  } finally {
    await home.remove();
  }
}, 120_000);
