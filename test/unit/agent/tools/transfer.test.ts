import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { downloadFileTool } from '../../../../agent/tools/file-download.ts';
import { deleteFileTool, makeDirectoryTool, moveFileTool } from '../../../../agent/tools/file-manage.ts';
import { uploadFileTool } from '../../../../agent/tools/file-upload.ts';
import type { Tool } from '../../../../agent/tools/tool.ts';
import { callTool, EVERYWHERE, fileOptions } from '../../../fakes/call-tool.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';

// Whether a call was signed is the registry's question; these tests are about what a call does.
const asked = (tool: Tool): Tool => ({ ...tool, signedOnly: false });
const upload = asked(uploadFileTool(fileOptions({ maxFileSize: 1_000_000 })));
const download = asked(downloadFileTool(fileOptions()));
const [mkdir, move, remove] = [makeDirectoryTool, moveFileTool, deleteFileTool].map((make) =>
  asked(make(fileOptions())),
);
const ID = 'a1'.repeat(8);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const code = (name: string) => expect.objectContaining({ code: name });
let home: TempHome;
let path: string;

beforeEach(async () => {
  home = await createTempHome();
  path = home.join('f');
});
afterEach(() => home.remove());

const step = (args: Record<string, unknown>, id = ID) =>
  callTool(upload, { file_path: path, upload_id: id, ...args }).then(({ structured }) => structured);
const piece = (bytes: Buffer, offset: number) =>
  step({ step: 'piece', offset, content: bytes.toString('base64') });

describe('upload_file', () => {
  it('puts pieces together in whatever order they come, and in its place only at the end', async () => {
    const bytes = randomBytes(3000);
    await step({ step: 'begin', size: 3000 });
    await Promise.all([
      piece(bytes.subarray(2000), 2000),
      piece(bytes.subarray(1000, 2000), 1000),
      piece(bytes.subarray(0, 1000), 0),
    ]);
    expect(existsSync(path)).toBe(false);
    expect(await step({ step: 'begin', size: 3000 })).toMatchObject({ received: 3000 });
    await piece(bytes.subarray(500, 1500), 500);
    expect(await step({ step: 'finish', size: 3000, sha256: sha256(bytes), mode: '600' })).toMatchObject({
      done: true,
      created: true,
    });
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(home.path)).toEqual(['f']);
  });

  it('refuses what is not what was sent, and a size that is not there', async () => {
    await step({ step: 'begin', size: 4 });
    await piece(Buffer.from('abcd'), 0);
    await expect(step({ step: 'finish', size: 5, sha256: sha256(Buffer.from('abcd')) })).rejects.toEqual(
      code('conflict'),
    );
    await expect(step({ step: 'finish', size: 4, sha256: sha256(Buffer.from('abce')) })).rejects.toEqual(
      code('conflict'),
    );
    expect(readdirSync(home.path)).toEqual([]);
  });

  it('replaces a file only when that is asked for, and only the one that was seen', async () => {
    writeFileSync(path, 'old');
    await expect(step({ step: 'begin', size: 1 })).rejects.toEqual(code('conflict'));
    const { structured } = await callTool(download, { file_path: path, limit: 0 });
    await step({ step: 'begin', size: 1, overwrite: true });
    await piece(Buffer.from('x'), 0);
    writeFileSync(path, 'newer');
    const finish = { step: 'finish', size: 1, sha256: sha256(Buffer.from('x')), overwrite: true };
    await expect(step({ ...finish, expected_version: structured['version'] })).rejects.toEqual(
      code('conflict'),
    );
    expect(await step(finish)).toMatchObject({ created: false });
  });

  it('knows its limits: size, disk, folders, links', async () => {
    await expect(step({ step: 'begin', size: 1_000_001 })).rejects.toEqual(code('payload_too_large'));
    symlinkSync('/etc', home.join('link'));
    await expect(
      callTool(upload, { step: 'begin', file_path: home.join('link', 'x'), upload_id: ID, size: 1 }),
    ).rejects.toEqual(code('path_refused'));
    await expect(
      callTool(
        upload,
        { step: 'begin', file_path: path, upload_id: ID, size: 1 },
        { access: { ...EVERYWHERE, write: ['/srv'] } },
      ),
    ).rejects.toEqual(code('path_refused'));
    await expect(piece(Buffer.from('x'), 0)).rejects.toEqual(code('not_found'));
  });

  it('takes away what was left of uploads a week ago, and what is given up', async () => {
    await step({ step: 'begin', size: 10 }, 'bb'.repeat(8));
    const [left = ''] = readdirSync(home.path);
    utimesSync(home.join(left), 0, 0);
    await step({ step: 'begin', size: 10 });
    expect(readdirSync(home.path)).toEqual([`.f.${ID}.part`]);
    await step({ step: 'abort' });
    expect(readdirSync(home.path)).toEqual([]);
  });
});

describe('download_file', () => {
  it('gives any part, and refuses to go on with another file', async () => {
    writeFileSync(path, 'hello world');
    const { structured } = await callTool(download, { file_path: path, offset: -5 });
    expect(structured).toMatchObject({
      size: 11,
      offset: 6,
      content: Buffer.from('world').toString('base64'),
    });
    writeFileSync(path, 'something else');
    await expect(callTool(download, { file_path: path, version: structured['version'] })).rejects.toEqual(
      code('conflict'),
    );
  });
});

describe('make_directory, move_file and delete_file', () => {
  it('change what they name and replace nothing', async () => {
    writeFileSync(path, 'x');
    writeFileSync(home.join('g'), 'y');
    if (mkdir === undefined || move === undefined || remove === undefined) throw new Error('no tools');
    await callTool(mkdir, { directory_path: home.join('d') });
    await expect(callTool(mkdir, { directory_path: path })).rejects.toEqual(code('conflict'));
    await expect(callTool(move, { file_path: path, new_path: home.join('g') })).rejects.toEqual(
      code('conflict'),
    );
    await callTool(move, { file_path: path, new_path: home.join('d', 'h') });
    await expect(callTool(remove, { file_path: home.join('g'), expected_version: '1-2-3' })).rejects.toEqual(
      code('conflict'),
    );
    await callTool(remove, { file_path: home.join('g') });
    await expect(callTool(remove, { file_path: home.join('g') })).rejects.toEqual(code('not_found'));
    expect(readdirSync(home.path)).toEqual(['d']);
    expect(readFileSync(home.join('d', 'h'), 'utf8')).toBe('x');
  });
});
