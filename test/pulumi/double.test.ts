// The test double of the `command` provider, by the real engine and over real SSH: what the components lean on. Where
// the official plugin is installed these tests hold for that one instead.
import { local, remote } from '@pulumi/command';
import { asset, type CustomResourceOptions, secret } from '@pulumi/pulumi';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { providePulumi } from './engine/engine.ts';
import { bootSshMachine, type SshKey, type SshMachine, sshKey } from './support/ssh-machine.ts';
import { openStack, type TestStack } from './support/stack.ts';

let key: SshKey;
let host: SshMachine;
let stack: TestStack;

beforeAll(async () => {
  await providePulumi();
  key = await sshKey();
  host = await bootSshMachine('double-1', key);
});
afterAll(async () => {
  await host?.machine.dispose();
});
beforeEach(async () => {
  stack = await openStack({ program: async () => {} });
  await host.machine.runOk('rm -rf /root/log /srv/copy');
  return () => stack.dispose();
});

const connection = (more: object = {}) => ({
  host: host.machine.address,
  user: 'root',
  privateKey: key.privateKey,
  hostKey: host.hostKey,
  dialErrorLimit: 0,
  ...more,
});
const over = (args: Partial<remote.CommandArgs>, options: CustomResourceOptions = {}) => {
  stack.program = async () => {
    const command = new remote.Command('c', { connection: connection(), ...args }, options);
    return { stdout: command.stdout };
  };
  return stack.up();
};
/** What the commands have left on the machine, a line each. */
const ran = async () => (await host.machine.run('cat /root/log')).out.split('\n').filter(Boolean);
const note = (word: string) => `echo ${word} >> /root/log`;

describe('a remote command', () => {
  it('runs on create, not again while its inputs stay, and its delete text on destroy', async () => {
    expect(
      await over({ create: `${note('create')}; cat`, stdin: 'given\n', delete: note('delete') }),
    ).toMatchObject({
      error: undefined,
      touched: ['create c'],
      outputs: { stdout: 'given' },
    });
    expect((await stack.up()).touched).toEqual([]);
    expect((await stack.destroy()).touched).toEqual(['delete c']);
    expect(await ran()).toEqual(['create', 'delete']);
  });

  it('runs again where any text changes, by update where there is one, else by create', async () => {
    await over({ create: note('create') });
    expect((await over({ create: note('create-2') })).touched).toEqual(['update c']);
    expect((await over({ create: note('create-2'), update: note('update') })).touched).toEqual(['update c']);
    expect(
      (await over({ create: note('create-2'), update: note('update'), delete: 'true' })).touched,
    ).toEqual(['update c']);
    expect(await ran()).toEqual(['create', 'create-2', 'update', 'update']);
  });

  it('runs again where any field of its connection changes', async () => {
    await over({ create: note('create') });
    const { touched } = await over({ create: note('create'), connection: connection({ dialErrorLimit: 1 }) });
    expect(touched).toEqual(['update c']);
    expect(await ran()).toEqual(['create', 'create']);
  });

  it('is replaced where its triggers change, and the old delete text then runs after the new create', async () => {
    await over({ create: note('create-1'), delete: note('delete-1'), triggers: [1] });
    await over({ create: note('create-2'), delete: note('delete-2'), triggers: [2] });
    expect(await ran()).toEqual(['create-1', 'create-2', 'delete-1']);
    await over({ create: note('create-3'), delete: 'true', triggers: [3] }, { deleteBeforeReplace: true });
    expect((await ran()).slice(3)).toEqual(['delete-2', 'create-3']);
  });

  it('keeps its old state where it fails, names the command, and is tried again', async () => {
    await over({ create: note('create') });
    const failed = await over({ create: `${note('fails')}; echo why >&2; exit 7` });
    expect(failed.error).toContain('Process exited with status 7: running');
    expect(failed.error).toContain('why');
    expect((await stack.up()).error).toContain('status 7');
    expect((await over({ create: note('create') })).touched).toEqual([]);
    expect(await ran()).toEqual(['create', 'fails', 'fails']);
  });

  it('refuses a host with another key, and takes any where none is given', async () => {
    const other = await sshKey();
    const connectionTo = (hostKey: string | undefined) => ({ ...connection(), hostKey: hostKey as string });
    expect(
      (await over({ create: note('never'), connection: connectionTo(other.publicKey) })).error,
    ).toContain('host key mismatch');
    expect((await over({ create: note('any'), connection: connectionTo(undefined) })).error).toBeUndefined();
    expect(await ran()).toEqual(['any']);
  });

  it('fails by an environment, as a stock sshd takes none', async () => {
    expect((await over({ create: note('never'), environment: { COLOUR: 'red' } })).error).toContain(
      'could not set environment variable "COLOUR"',
    );
    expect(await ran()).toEqual([]);
  });
});

describe('a secret', () => {
  it('on stdin, and the key, are nowhere in clear: not in state, not in what the engine says', async () => {
    const args = {
      create: 'cat',
      stdin: secret('TOP-SECRET-1'),
      logging: 'none',
    } as const;
    const options = { additionalSecretOutputs: ['stdout', 'stderr'] };
    expect((await over(args, options)).error).toBeUndefined();
    await over({ ...args, create: 'cat; cat' }, options);
    const body = key.privateKey.split('\n')[2] ?? '';
    for (const text of ['TOP-SECRET-1', body]) {
      expect(stack.said).not.toContain(text);
      expect(stack.filesWith(text)).toEqual([]);
    }
    expect(stack.filesWith('ciphertext')).not.toEqual([]);
  });

  it('that is echoed into an output which nobody declared secret is in the state in clear', async () => {
    await over({ create: 'cat', stdin: secret('TOP-SECRET-2'), logging: 'none' });
    expect(stack.filesWith('TOP-SECRET-2')).not.toEqual([]);
  });

  it('in the text of a command that fails is in the output in clear', async () => {
    await over({ create: secret('echo TOP-SECRET-3; exit 1') });
    expect(stack.said).toContain('TOP-SECRET-3');
  });
});

it('a local command sees its environment, stdin and folder, and what it printed the time before', async () => {
  let colour = 'red';
  stack.program = async () => {
    const command = new local.Command('l', {
      create: 'read word; echo "$word $COLOUR $PWD$PULUMI_COMMAND_STDOUT"',
      update: 'echo "after: $PULUMI_COMMAND_STDOUT"',
      delete: `echo "$PULUMI_COMMAND_STDOUT" > ${stack.folder}/deleted`,
      environment: { COLOUR: colour },
      stdin: 'word\n',
      dir: '/usr',
    });
    return { stdout: command.stdout };
  };
  expect((await stack.up()).outputs).toEqual({ stdout: 'word red /usr' });
  colour = 'blue';
  expect((await stack.up()).outputs).toEqual({ stdout: 'after: word red /usr' });
  await stack.destroy();
  expect(stack.filesWith('after: word red /usr')).toContain(`${stack.folder}/deleted`);
});

it('a copy happens again where its source or its place changes, and leaves the file when it is deleted', async () => {
  const copy = (text: string, more: object = {}) => {
    stack.program = async () => {
      new remote.CopyToRemote('f', {
        connection: connection(more),
        source: new asset.StringAsset(text),
        remotePath: '/srv/copy/file',
      });
    };
    return stack.up();
  };
  const content = async () => (await host.machine.run(['cat', '/srv/copy/file'])).out;
  expect((await copy('one')).error).toBeUndefined();
  expect(await content()).toBe('one');
  await copy('two');
  expect(await content()).toBe('two');
  await host.machine.runOk('echo changed > /srv/copy/file');
  expect((await copy('two', { dialErrorLimit: 2 })).touched).toEqual(['update f']);
  expect(await content()).toBe('changed\n');
  await stack.destroy();
  expect(await content()).toBe('changed\n');
});
