import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { listDirectoryTool } from '../../agent/tools/directory-list.ts';
import { editFileTool } from '../../agent/tools/file-edit.ts';
import { readFileTool } from '../../agent/tools/file-read.ts';
import { writeFileTool } from '../../agent/tools/file-write.ts';
import { searchFilesTool } from '../../agent/tools/search-files.ts';
import { callTool, fileOptions } from '../fakes/call-tool.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';

const tools = {
  read: readFileTool(fileOptions()),
  write: writeFileTool(fileOptions()),
  edit: editFileTool(fileOptions()),
  list: listDirectoryTool(fileOptions()),
  search: searchFilesTool(fileOptions()),
};
type Name = keyof typeof tools;

const argsOf: Record<Name, (path: string) => Record<string, unknown>> = {
  read: (file_path) => ({ file_path }),
  write: (file_path) => ({ file_path, content: 'STOLEN' }),
  edit: (file_path) => ({ file_path, old_text: 'secret', new_text: 'STOLEN' }),
  list: (directory_path) => ({ directory_path }),
  search: (directory_path) => ({ directory_path, glob: '*' }),
};

/** `allowed/` is the only root; `outside/` and its prefix twin `allowed-evil/` hold what nobody may see or change. */
function scene(home: TempHome) {
  const root = home.join('allowed');
  for (const folder of ['allowed', 'allowed/sub', 'allowed-evil', 'outside', 'outside/dir'])
    mkdirSync(home.join(folder));
  for (const file of ['allowed-evil/f', 'outside/f', 'outside/dir/f', 'allowed/mine'])
    writeFileSync(home.join(file), 'a secret\n');
  return { root, access: { read: [root], write: [root] } };
}

const fingerprint = (home: TempHome) =>
  ['allowed-evil', 'outside', 'outside/dir'].flatMap((folder) =>
    readdirSync(home.join(folder), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${folder}/${entry.name}: ${readFileSync(home.join(folder, entry.name), 'utf8')}`),
  );

const attacks: readonly [what: string, tools: readonly Name[], make: (home: TempHome) => string][] = [
  ['.. out of the root', ['read', 'write', 'edit'], (h) => `${h.path}/allowed/../outside/f`],
  ['.. to a new file', ['write'], (h) => `${h.path}/allowed/sub/../../outside/new`],
  ['.. as a directory', ['list', 'search'], (h) => `${h.path}/allowed/../outside`],
  ['the prefix twin of the root', ['read', 'write', 'edit'], (h) => h.join('allowed-evil/f')],
  ['the prefix twin as a directory', ['list', 'search'], (h) => h.join('allowed-evil')],
  [
    'a link out of the root',
    ['read', 'write', 'edit'],
    (h) => {
      symlinkSync(h.join('outside/f'), h.join('allowed/link'));
      return h.join('allowed/link');
    },
  ],
  [
    'a relative link out of the root',
    ['read', 'write', 'edit'],
    (h) => {
      symlinkSync('../outside/f', h.join('allowed/link'));
      return h.join('allowed/link');
    },
  ],
  [
    'a file below a link to a directory',
    ['read', 'write', 'edit'],
    (h) => {
      symlinkSync(h.join('outside/dir'), h.join('allowed/dir'));
      return h.join('allowed/dir/f');
    },
  ],
  [
    'a new file below a link to a directory',
    ['write'],
    (h) => {
      symlinkSync(h.join('outside/dir'), h.join('allowed/dir'));
      return h.join('allowed/dir/new');
    },
  ],
  [
    'a link to a directory',
    ['list', 'search'],
    (h) => {
      symlinkSync(h.join('outside'), h.join('allowed/dir'));
      return h.join('allowed/dir');
    },
  ],
  [
    'a dangling link',
    ['read', 'write', 'edit'],
    (h) => {
      symlinkSync(h.join('outside/new'), h.join('allowed/dangling'));
      return h.join('allowed/dangling');
    },
  ],
  [
    'a chain of links',
    ['read', 'write', 'edit'],
    (h) => {
      symlinkSync('second', h.join('allowed/first'));
      symlinkSync('../outside/f', h.join('allowed/second'));
      return h.join('allowed/first');
    },
  ],
  [
    'a hard link to a file outside',
    ['write', 'edit'],
    (h) => {
      linkSync(h.join('outside/f'), h.join('allowed/hard'));
      return h.join('allowed/hard');
    },
  ],
  ['a NUL byte', ['read', 'write', 'edit'], (h) => `${h.path}/allowed/mine\0/../../outside/f`],
  ['a NUL byte in a directory', ['list', 'search'], (h) => `${h.path}/allowed\0/x`],
  ['a relative path', ['read', 'write', 'edit', 'list', 'search'], () => 'allowed/mine'],
  [
    'a FIFO',
    ['read', 'write', 'edit'],
    (h) => {
      execFileSync('mkfifo', [h.join('allowed/fifo')]);
      return h.join('allowed/fifo');
    },
  ],
];

const kernel: readonly [path: string, tools: readonly Name[]][] = [
  ['/dev/zero', ['read', 'write', 'edit']],
  ['/dev/null', ['read', 'write']],
  ['/dev/new', ['write']],
  ['/proc/self/environ', ['read', 'write', 'edit']],
  ['/proc/self/root/etc/passwd', ['write']],
  ['/proc/self/cwd/package.json', ['write']],
  ['/proc/thread-self/environ', ['read']],
  ['/proc/1/environ', ['read', 'write']],
  ['/proc/mounts', ['read']],
  ['/dev/stdin', ['read', 'write']],
  ['/dev/fd/0', ['read']],
  ['/proc/kcore', ['read']],
  ['/proc/sys/kernel/hostname', ['write', 'edit']],
  ['/proc/sysrq-trigger', ['read', 'write']],
  ['/proc/self', ['list', 'search']],
  ['/proc/1', ['list']],
];

const REFUSED = expect.objectContaining({
  code: expect.stringMatching(/^(path_refused|bad_request|not_found|forbidden)$/),
});

describe('[files-1] paths that lead elsewhere', () => {
  it.each(attacks.flatMap(([what, names, make]) => names.map((name) => ({ what, name, make }))))(
    'refuses $name by $what',
    async ({ name, make }) => {
      await using home = await createTempHome();
      const { access } = scene(home);
      const path = make(home);
      const before = fingerprint(home);
      await expect(callTool(tools[name], argsOf[name](path), { access })).rejects.toEqual(REFUSED);
      expect(fingerprint(home)).toEqual(before);
      expect(readFileSync(home.join('allowed/mine'), 'utf8')).toBe('a secret\n');
    },
  );

  it.each(kernel.flatMap(([path, names]) => names.map((name) => ({ path, name }))))(
    'refuses $name of $path even where everything is allowed',
    async ({ name, path }) => {
      await expect(callTool(tools[name], argsOf[name](path))).rejects.toEqual(REFUSED);
    },
  );

  it('refuses a socket', async () => {
    await using home = await createTempHome();
    const server = createServer().listen(home.join('s'));
    await once(server, 'listening');
    for (const name of ['read', 'write', 'edit'] as const)
      await expect(callTool(tools[name], argsOf[name](home.join('s')))).rejects.toThrow(/socket/);
    server.close();
  });

  it('does not tell what exists outside the roots', async () => {
    await using home = await createTempHome();
    const { access } = scene(home);
    const said = async (path: string) =>
      callTool(tools.read, { file_path: path }, { access }).then(
        () => '',
        (error: Error) => error.message.replace(path, ''),
      );
    expect(await said(home.join('outside/none'))).toBe(await said(home.join('outside/f')));
  });

  it('searches and lists without following links', async () => {
    await using home = await createTempHome();
    const { root, access } = scene(home);
    symlinkSync(home.join('outside'), home.join('allowed/out'));
    const found = await callTool(tools.search, { directory_path: root, pattern: 'secret' }, { access });
    expect(found.structured['matches']).toEqual([{ file: 'mine', line: 1, text: 'a secret' }]);
    const listed = await callTool(tools.list, { directory_path: root }, { access });
    expect(listed.text).toContain(`out -> ${home.join('outside')}`);
  });

  it.each(['security', 'config', 'trust', 'state'])(
    'lets nobody write in %s, whatever is allowed',
    async (folder) => {
      await using home = await createTempHome();
      for (const one of ['security', 'config', 'trust', 'state']) mkdirSync(home.join(one));
      writeFileSync(home.join(folder, 'there'), 'a secret\n');
      const protectedPaths = {
        unreadable: [home.join('security'), home.join('state')],
        unwritable: ['security', 'config', 'trust', 'state'].map((one) => home.join(one)),
      };
      const options = fileOptions({ protectedPaths });
      const refused = expect.objectContaining({ code: 'path_refused' });
      for (const file of ['there', 'new'])
        await expect(callTool(writeFileTool(options), argsOf.write(home.join(folder, file)))).rejects.toEqual(
          refused,
        );
      await expect(callTool(editFileTool(options), argsOf.edit(home.join(folder, 'there')))).rejects.toEqual(
        refused,
      );
      const read = () => callTool(readFileTool(options), argsOf.read(home.join(folder, 'there')));
      const searched = await callTool(searchFilesTool(options), {
        directory_path: home.path,
        pattern: 'secret',
      });
      if (['security', 'state'].includes(folder)) {
        await expect(read()).rejects.toEqual(refused);
        await expect(callTool(listDirectoryTool(options), argsOf.list(home.join(folder)))).rejects.toEqual(
          refused,
        );
        expect(searched.structured['matches']).toEqual([]);
      } else {
        expect((await read()).text).toBe('a secret\n');
        expect(searched.structured['matches']).toHaveLength(1);
      }
    },
  );
});

describe('[files-2] everyday links', () => {
  it.each(['/etc/os-release', '/etc/localtime', '/etc/mtab', '/bin/sh', '/proc/cpuinfo', '/etc/hostname'])(
    'reads %s, or refuses it for what it leads to',
    async (path) => {
      const got = callTool(tools.read, { file_path: path, limit: 3 });
      // /etc/mtab leads to this process's own entry in /proc.
      if (path === '/etc/mtab') await expect(got).rejects.toEqual(REFUSED);
      else expect((await got).structured['size']).toBeGreaterThan(0);
    },
  );

  it('reads below /lib, which is a link itself, and /etc/resolv.conf when it is one', async () => {
    await using home = await createTempHome();
    mkdirSync(home.join('run'));
    writeFileSync(home.join('run/resolv.conf'), 'nameserver 127.0.0.53\n');
    mkdirSync(home.join('etc'));
    symlinkSync('../run/resolv.conf', home.join('etc/resolv.conf'));
    const access = { read: [home.path], write: [] };
    const got = await callTool(tools.read, { file_path: home.join('etc/resolv.conf') }, { access });
    expect(got.text).toBe('nameserver 127.0.0.53\n');
    const listed = await callTool(tools.list, { directory_path: '/lib' });
    expect(listed.structured['total']).toBeGreaterThan(0);
  });

  it('takes a root that is reached through a link, by either name', async () => {
    await using home = await createTempHome();
    const { root } = scene(home);
    symlinkSync(root, home.join('alias'));
    const access = { read: [home.join('alias')], write: [home.join('alias')] };
    for (const path of [home.join('alias/mine'), home.join('allowed/mine')]) {
      await callTool(tools.write, { file_path: path, content: path }, { access });
      expect((await callTool(tools.read, { file_path: path }, { access })).text).toBe(path);
    }
    await expect(callTool(tools.write, argsOf.write(home.join('outside/f')), { access })).rejects.toEqual(
      REFUSED,
    );
  });
});

describe('[files-3] an attacker who swaps a directory for a link', () => {
  it('gets nothing read or written outside in 4 s', { timeout: 30_000 }, async () => {
    await using home = await createTempHome();
    const { access } = scene(home);
    writeFileSync(home.join('allowed/sub/f'), 'mine\n');
    symlinkSync(home.join('outside/dir'), home.join('allowed/trap'));
    renameSync(home.join('allowed/trap'), home.join('trap'));
    const attacker = spawn(
      process.execPath,
      [
        '-e',
        `const { renameSync: r } = require('node:fs'); const [sub, kept, trap] = process.argv.slice(1);
         const until = performance.now() + 4000; let swaps = 0;
         while (performance.now() < until) { r(sub, kept); r(trap, sub); r(sub, trap); r(kept, sub); swaps++; }
         console.log(swaps);`,
        home.join('allowed/sub'),
        home.join('allowed/kept'),
        home.join('trap'),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let said = '';
    attacker.stdout.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    const ended = once(attacker, 'exit');
    let going = true;
    ended.then(() => {
      going = false;
    });
    const path = home.join('allowed/sub/f');
    const counts = { written: 0, read: 0, refused: 0 };
    const texts = new Set<string>();
    for (let n = 0; going; n++) {
      await callTool(tools.write, { file_path: path, content: `mine ${n % 2}\n` }, { access }).then(
        () => counts.written++,
        () => counts.refused++,
      );
      await callTool(
        tools.write,
        { file_path: home.join('allowed/sub/new'), content: 'mine\n' },
        { access },
      ).then(
        () => counts.written++,
        () => counts.refused++,
      );
      await callTool(tools.read, { file_path: path }, { access }).then(
        ({ text }) => texts.add(text) && counts.read++,
        () => counts.refused++,
      );
    }
    await ended;
    expect(Number(said)).toBeGreaterThan(100);
    expect([...texts].filter((text) => text.includes('secret'))).toEqual([]);
    expect(readFileSync(home.join('outside/dir/f'), 'utf8')).toBe('a secret\n');
    expect(readdirSync(home.join('outside/dir'))).toEqual(['f']);
    // The tools went on working between the swaps.
    expect(counts.written).toBeGreaterThan(0);
    expect(counts.read).toBeGreaterThan(0);
  });
});
