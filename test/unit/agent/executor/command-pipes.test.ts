import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { type CommandPipe, PipePool } from '../../../../agent/executor/command-pipes.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

async function shell(pool: PipePool, command: string) {
  const pipes: CommandPipe[] = [await pool.take(), await pool.take()];
  const [out, err] = pipes as [CommandPipe, CommandPipe];
  spawn('/bin/sh', ['-c', command], { stdio: ['ignore', out.writeFd, err.writeFd] });
  for (const { writeFd } of pipes) closeSync(writeFd);
  return Promise.all([buffer(out.reader), buffer(err.reader)]);
}

it('lets a command open its output by name, which a socket does not', async () => {
  await using home = await createTempHome();
  const pool = await PipePool.open(home.join('pipes'));
  const [out, err] = await shell(pool, 'echo a >/dev/stdout; echo b | tee /dev/stderr; echo c >/dev/stderr');
  expect([out.toString(), err.toString()]).toEqual(['a\nb\n', 'b\nc\n']);
  await pool.close();
});

it('carries every byte, to the end', async () => {
  await using home = await createTempHome();
  const pool = await PipePool.open(home.join('pipes'));
  const [out] = await shell(pool, 'head -c 5000000 /dev/zero');
  expect(out.equals(Buffer.alloc(5_000_000))).toBe(true);
  await pool.close();
});

it('makes more when they run out, and leaves none behind', async () => {
  await using home = await createTempHome();
  const dir = home.join('pipes');
  const pool = await PipePool.open(dir);
  const taken = await Promise.all(Array.from({ length: 100 }, () => pool.take()));
  for (const { writeFd, reader } of taken) {
    closeSync(writeFd);
    reader.destroy();
  }
  await pool.close();
  expect(await readdir(dir)).toEqual([]);
});

it('removes what a killed process left', async () => {
  await using home = await createTempHome();
  const dir = home.join('pipes');
  await (await PipePool.open(dir)).take();
  await writeFile(`${dir}/stale`, '');
  const pool = await PipePool.open(dir);
  expect((await readdir(dir)).includes('stale')).toBe(false);
  await pool.close();
});
