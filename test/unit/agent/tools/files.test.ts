import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { listDirectoryTool } from '../../../../agent/tools/directory-list.ts';
import { editFileTool } from '../../../../agent/tools/file-edit.ts';
import { readFileTool } from '../../../../agent/tools/file-read.ts';
import { writeFileTool } from '../../../../agent/tools/file-write.ts';
import { searchFilesTool } from '../../../../agent/tools/search-files.ts';
import { callTool, fileOptions } from '../../../fakes/call-tool.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const tool = {
  read: readFileTool(fileOptions()),
  write: writeFileTool(fileOptions()),
  edit: editFileTool(fileOptions()),
  list: listDirectoryTool(fileOptions()),
  search: searchFilesTool(fileOptions()),
};
const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
const hundred = Array.from({ length: 100 }, (_, n) => `line ${n + 1}\n`).join('');
const code = (name: string) => expect.objectContaining({ code: name });

async function withFile(content: string | Buffer, name = 'f') {
  const home = await createTempHome();
  writeFileSync(home.join(name), content);
  return { home, path: home.join(name), [Symbol.asyncDispose]: () => home.remove() };
}

describe('read_file', () => {
  it('reads a whole file, with what is known about it', async () => {
    await using file = await withFile(hundred);
    const { structured, text } = await callTool(tool.read, { file_path: file.path });
    expect(text).toBe(hundred);
    expect(structured).toMatchObject({
      content: hundred,
      total_lines: 100,
      size: hundred.length,
      truncated: false,
      sha256: sha256(hundred),
    });
  });

  it.each([
    [{ offset: 10, limit: 2 }, 'line 11\nline 12\n', 10, 12],
    [{ offset: -2 }, 'line 99\nline 100\n', 98, undefined],
    [{ offset: -3, limit: 1 }, 'line 98\n', 97, 98],
    [{ offset: 500 }, '', 100, undefined],
    [{ offset: -500, limit: 1 }, 'line 1\n', 0, 1],
    [{ unit: 'bytes', offset: 0, limit: 6 }, 'line 1', 0, 6],
    [{ unit: 'bytes', offset: -4 }, '100\n', 787 + 1, undefined],
  ])('reads the part %j', async (part, content, offset, next) => {
    await using file = await withFile(hundred);
    const { structured } = await callTool(tool.read, { file_path: file.path, ...part });
    expect(structured).toMatchObject({ content, offset, truncated: next !== undefined });
    expect(structured['next_offset']).toBe(next);
  });

  it('gives about 24 KB of a longer one, and the rest by next_offset', async () => {
    const long = Array.from({ length: 9000 }, (_, n) => `this is line number ${n}\n`).join('');
    await using file = await withFile(long);
    let all = '';
    let offset: number | undefined = 0;
    let calls = 0;
    while (offset !== undefined) {
      const { structured } = await callTool(tool.read, { file_path: file.path, offset });
      expect(JSON.stringify(structured).length).toBeLessThan(26_000);
      all += structured['content'];
      offset = structured['next_offset'] as number | undefined;
      calls++;
    }
    expect(all).toBe(long);
    expect(calls).toBeLessThan(15);
  });

  it('answers less than 256 KiB however much is asked for', async () => {
    await using file = await withFile('\u0001\n'.repeat(300_000));
    const answer = await callTool(tool.read, { file_path: file.path, limit: 300_000 });
    expect(JSON.stringify(answer).length).toBeLessThan(256 * 1024);
  });

  it('gives bytes as base64', async () => {
    const bytes = randomBytes(50_000);
    await using file = await withFile(bytes);
    const got: Buffer[] = [];
    for (let offset: number | undefined = 0; offset !== undefined; ) {
      const { structured } = await callTool(tool.read, { file_path: file.path, encoding: 'base64', offset });
      got.push(Buffer.from(structured['content'] as string, 'base64'));
      offset = structured['next_offset'] as number | undefined;
    }
    expect(Buffer.concat(got)).toEqual(bytes);
  });

  it('goes on in a line of 10 MB by bytes', async () => {
    await using file = await withFile(`${'x'.repeat(10_000_000)}\nend\n`);
    const first = await callTool(tool.read, { file_path: file.path, limit: 1 });
    expect(first.structured).toMatchObject({ line_cut: true, next_offset: 1, count: 1 });
    expect(first.text).toContain('unit bytes');
    const last = await callTool(tool.read, { file_path: file.path, offset: 1 });
    expect(last.structured).toMatchObject({ content: 'end\n', truncated: false });
  });

  it('says when it is no text', async () => {
    await using file = await withFile(Buffer.from([0x61, 0xc3, 0x28, 0xff]));
    const { structured, text } = await callTool(tool.read, { file_path: file.path });
    expect(structured).toMatchObject({ invalid_utf8: true, size: 4 });
    expect(text).toContain('base64');
  });

  it('reads what is larger than max_file_size in parts only', async () => {
    await using file = await withFile(hundred);
    const small = readFileTool(fileOptions({ maxFileSize: 100 }));
    await expect(callTool(small, { file_path: file.path })).rejects.toEqual(code('payload_too_large'));
    const part = await callTool(small, { file_path: file.path, offset: 50, limit: 1 });
    expect(part.structured['content']).toBe('line 51\n');
  });

  it('names what is missing, and what is no file', async () => {
    await using home = await createTempHome();
    await expect(callTool(tool.read, { file_path: home.join('no') })).rejects.toEqual(code('not_found'));
    await expect(callTool(tool.read, { file_path: home.path })).rejects.toThrow(/is a directory/);
    await expect(callTool(tool.read, { file_path: `${home.path}/x\0` })).rejects.toThrow(/NUL/);
  });
});

describe('write_file', () => {
  it('makes a file, and replaces one keeping its mode', async () => {
    await using home = await createTempHome();
    const file_path = home.join('new');
    const made = await callTool(tool.write, { file_path, content: 'é\n' });
    expect(made.structured).toEqual({
      file_path,
      size: 3,
      bytes_written: 3,
      created: true,
      mode: '644',
      sha256: sha256('é\n'),
    });
    chmodSync(file_path, 0o750);
    const again = await callTool(tool.write, { file_path, content: 'b' });
    expect(again.structured).toMatchObject({ created: false, mode: '750' });
    expect(statSync(file_path).mode & 0o7777).toBe(0o750);
    expect(readdirSync(home.path)).toEqual(['new']);
  });

  it('sets the mode that is asked for', async () => {
    await using home = await createTempHome();
    await callTool(tool.write, { file_path: home.join('f'), content: '', mode: '0600' });
    expect(statSync(home.join('f')).mode & 0o7777).toBe(0o600);
  });

  it('appends to the same file, so that who holds it open goes on', async () => {
    await using file = await withFile('a\n');
    const { ino } = statSync(file.path);
    const { structured } = await callTool(tool.write, { file_path: file.path, content: 'b\n', append: true });
    expect(structured).toMatchObject({ size: 4, bytes_written: 2 });
    expect(readFileSync(file.path, 'utf8')).toBe('a\nb\n');
    expect(statSync(file.path).ino).toBe(ino);
  });

  it.each(['write', 'edit'] as const)('refuses to %s over a file that has changed', async (name) => {
    await using file = await withFile('old\n');
    const change = name === 'write' ? { content: 'new\n' } : { old_text: 'old', new_text: 'new' };
    const args = { file_path: file.path, ...change };
    const stale = callTool(tool[name], { ...args, expected_sha256: sha256('older\n') });
    await expect(stale).rejects.toEqual(code('conflict'));
    expect(readFileSync(file.path, 'utf8')).toBe('old\n');
    await callTool(tool[name], { ...args, expected_sha256: sha256('old\n').toUpperCase() });
    expect(readFileSync(file.path, 'utf8')).toBe('new\n');
  });

  it('writes bytes from base64, and refuses what is none', async () => {
    await using home = await createTempHome();
    const file_path = home.join('f');
    const bytes = randomBytes(1000);
    await callTool(tool.write, { file_path, encoding: 'base64', content: bytes.toString('base64') });
    expect(readFileSync(file_path)).toEqual(bytes);
    await expect(callTool(tool.write, { file_path, encoding: 'base64', content: 'a*b' })).rejects.toThrow(
      /base64/,
    );
    await expect(callTool(tool.write, { file_path, encoding: 'latin1', content: '€' })).rejects.toThrow(
      /latin1/,
    );
    await expect(callTool(tool.write, { file_path, content: '\ud800' })).rejects.toThrow(/surrogate/);
    expect(readFileSync(file_path)).toEqual(bytes);
  });

  it('keeps to max_file_size, also in small steps', async () => {
    await using home = await createTempHome();
    const small = writeFileTool(fileOptions({ maxFileSize: 10 }));
    const args = { file_path: home.join('f'), append: true };
    await callTool(small, { ...args, content: '12345678' });
    await expect(callTool(small, { ...args, content: '901' })).rejects.toEqual(code('payload_too_large'));
    expect(readFileSync(home.join('f'), 'utf8')).toBe('12345678');
  });

  it('leaves nothing behind in a folder that is missing', async () => {
    await using home = await createTempHome();
    const write = callTool(tool.write, { file_path: home.join('no/f'), content: '' });
    await expect(write).rejects.toEqual(code('not_found'));
  });
});

describe('edit_file', () => {
  it('answers the diff, and writes nothing in a dry run', async () => {
    await using file = await withFile('a\r\nb\r\nc\r\n');
    const args = { file_path: file.path, old_text: 'b\nc', new_text: 'B\nc' };
    const dry = await callTool(tool.edit, { ...args, dry_run: true });
    expect(dry.structured).toMatchObject({ changed: false, replacements: 1 });
    expect(dry.text).toContain('-b\r\n+B\r\n');
    expect(readFileSync(file.path, 'utf8')).toBe('a\r\nb\r\nc\r\n');
    const done = await callTool(tool.edit, args);
    expect(done.structured).toMatchObject({ changed: true, sha256: sha256('a\r\nB\r\nc\r\n') });
    expect(readFileSync(file.path, 'utf8')).toBe('a\r\nB\r\nc\r\n');
  });

  it('keeps to max_file_size', async () => {
    await using file = await withFile(hundred);
    const small = editFileTool(fileOptions({ maxFileSize: 100 }));
    const edit = callTool(small, { file_path: file.path, old_text: 'line 5\n', new_text: '' });
    await expect(edit).rejects.toEqual(code('payload_too_large'));
  });
});

describe('list_directory', () => {
  it('tells type, mode, size and target', async () => {
    await using file = await withFile('12345', 'b');
    mkdirSync(file.home.join('a'));
    symlinkSync('b', file.home.join('c'));
    chmodSync(file.path, 0o640);
    const { structured } = await callTool(tool.list, { directory_path: file.home.path });
    expect(structured['entries']).toMatchObject([
      { name: 'a', type: 'directory' },
      { name: 'b', type: 'file', size: 5, mode: '640' },
      { name: 'c', type: 'link', target: 'b' },
    ]);
  });

  it('pages through 10,000 entries in a stable order, each once', async () => {
    // In memory: so many names on a disk wait for whoever syncs it.
    await using home = await createTempHome('/dev/shm/vma-');
    const names = Array.from({ length: 10_000 }, (_, n) => `entry-${n}`);
    for (const name of names) writeFileSync(home.join(name), '');
    const page = async (offset: number) => {
      const got = await callTool(tool.list, { directory_path: home.path, offset, limit: 1000 });
      expect(JSON.stringify(got).length).toBeLessThan(256 * 1024);
      expect(got.structured['total']).toBe(10_000);
      const entries = got.structured['entries'] as { name: string }[];
      return { seen: entries.map(({ name }) => name), next: got.structured['next_offset'] as number };
    };
    const first = await page(0);
    const second = await page(first.next);
    const seen = [...first.seen, ...second.seen];
    expect(seen).toEqual(names.toSorted().slice(0, second.next));
    expect(await page(9990)).toEqual({ seen: names.toSorted().slice(9990), next: undefined });
  });

  it('sorts by size, and leaves hidden names out when asked to', async () => {
    await using home = await createTempHome();
    for (const [name, size] of [
      ['a', 1],
      ['b', 3],
      ['.c', 2],
    ] as const)
      writeFileSync(home.join(name), 'x'.repeat(size));
    const names = async (more: object) =>
      (
        (await callTool(tool.list, { directory_path: home.path, ...more })).structured['entries'] as {
          name: string;
        }[]
      ).map(({ name }) => name);
    expect(await names({ sort: 'size' })).toEqual(['b', '.c', 'a']);
    expect(await names({ hidden: false })).toEqual(['a', 'b']);
  });
});

describe('search_files', () => {
  async function tree() {
    const home = await createTempHome();
    for (const folder of ['src', 'src/deep', '.git']) mkdirSync(home.join(folder));
    writeFileSync(home.join('src/a.ts'), 'one\ntwo\nthree\nfour\n');
    writeFileSync(home.join('src/deep/b.ts'), 'two\n');
    writeFileSync(home.join('src/c.bin'), Buffer.from([0, 1, 2, 116, 119, 111]));
    writeFileSync(home.join('.git/d'), 'two\n');
    return home;
  }

  it('finds names', async () => {
    await using home = await tree();
    const { structured } = await callTool(tool.search, { directory_path: home.path, glob: '*.ts' });
    expect(structured['matches']).toEqual([{ file: 'src/a.ts' }, { file: 'src/deep/b.ts' }]);
  });

  it('finds lines, with what is around them, in a stable order', async () => {
    await using home = await tree();
    const args = { directory_path: home.path, pattern: '^T', ignore_case: true, context: 1, hidden: false };
    const { structured, text } = await callTool(tool.search, args);
    expect(structured).toMatchObject({
      matches: [
        { file: 'src/a.ts', line: 2, text: 'two', before: ['one'], after: ['three'] },
        { file: 'src/a.ts', line: 3, text: 'three', before: ['two'], after: ['four'] },
        { file: 'src/deep/b.ts', line: 1, text: 'two' },
      ],
      skipped: { binary: 1 },
      truncated: false,
    });
    expect(text).toContain('src/a.ts:2:two\n');
  });

  it('stops at max_results, saying so', async () => {
    await using home = await tree();
    const { structured } = await callTool(tool.search, {
      directory_path: home.path,
      pattern: 'o',
      max_results: 2,
    });
    expect(structured).toMatchObject({ truncated: true, stopped_by: 'max_results' });
    expect(structured['matches']).toHaveLength(2);
  });

  it('answers little of many long lines', async () => {
    await using file = await withFile(`${'find me '.repeat(500)}\n`.repeat(2000));
    const got = await callTool(tool.search, {
      directory_path: file.home.path,
      pattern: 'me',
      max_results: 500,
    });
    expect(got.structured).toMatchObject({ stopped_by: 'size' });
    expect(JSON.stringify(got).length).toBeLessThan(256 * 1024);
  });

  it('passes over files above max_file_size', async () => {
    await using file = await withFile(hundred);
    const small = searchFilesTool(fileOptions({ maxFileSize: 100 }));
    const { structured } = await callTool(small, { directory_path: file.home.path, pattern: 'line' });
    expect(structured).toMatchObject({ matches: [], skipped: { too_large: 1 } });
  });

  it('asks for something to search', async () => {
    await expect(callTool(tool.search, { directory_path: '/tmp' })).rejects.toEqual(code('bad_request'));
  });
});

it('a tool that is switched off is refused', async () => {
  const off = readFileTool(fileOptions({ enabled: false }));
  await expect(callTool(off, { file_path: '/etc/hostname' })).rejects.toEqual(code('tool_disabled'));
});
