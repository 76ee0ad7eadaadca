import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { systemClock } from '../../base/clock.ts';
import { createTempHome } from '../../test/fakes/temp-home.ts';
import { freePort, portAccepts, startDaemon } from './child.ts';

const SSHD = '/usr/sbin/sshd';
/** Where sshd locks its unprivileged half in when it runs as root; compiled in, normally made by its service unit. */
const PRIVSEP = '/run/sshd';

/** An OpenSSH server of the benchmark's own on 127.0.0.1, with its own keys, configuration and folder. */
export interface LoopbackSshd extends AsyncDisposable {
  /** Arguments of `ssh` up to the command: a new connection each time. `options` are further `-o`. */
  newConnection(...options: string[]): string[];
  /** The same over one connection that is already there (ControlMaster). */
  multiplexed(): string[];
}

/** Why there can be no ssh here, or undefined. */
export function sshObstacle(): string | undefined {
  if (!existsSync(SSHD)) return `${SSHD} is not installed (Debian: openssh-server)`;
  if (!existsSync('/usr/bin/ssh')) return '/usr/bin/ssh is not installed (Debian: openssh-client)';
  if (process.getuid?.() === 0) {
    try {
      execFileSync('getent', ['passwd', 'sshd'], { stdio: 'ignore' });
    } catch {
      return 'the user sshd, which the package makes, does not exist';
    }
  }
  return undefined;
}

const keygen = (path: string): void => {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
};

/**
 * Nothing of /etc/ssh or ~/.ssh is read or written. HOME of the session is an empty folder, so that the account's shell, which OpenSSH
 * starts for each command, reads no .bashrc: that alone may cost more than the whole connection, and is not ssh's.
 */
export async function startSshd(): Promise<LoopbackSshd> {
  const closing = new AsyncDisposableStack();
  try {
    const home = closing.use(await createTempHome('vmb-ssh-'));
    if (process.getuid?.() === 0 && !existsSync(PRIVSEP)) {
      await mkdir(PRIVSEP, { mode: 0o755 });
      closing.defer(() => rmdir(PRIVSEP).catch(() => undefined));
    }
    const [hostKey, userKey, empty] = [home.join('host'), home.join('user'), home.join('home')];
    keygen(hostKey);
    keygen(userKey);
    await mkdir(empty);
    const port = await freePort();
    const config = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${userKey}.pub`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'PermitUserRC no',
      'PrintMotd no',
      'PrintLastLog no',
      `SetEnv HOME=${empty}`,
    ];
    await writeFile(home.join('sshd_config'), `${config.join('\n')}\n`);
    const daemon = closing.use(startDaemon(SSHD, ['-D', '-e', '-f', home.join('sshd_config')]));
    await portAccepts(port, daemon);

    const common = [
      ...['-F', 'none', '-i', userKey, '-p', String(port)],
      ...[
        '-o',
        'IdentitiesOnly=yes',
        '-o',
        'IdentityAgent=none',
        '-o',
        'BatchMode=yes',
        '-o',
        'LogLevel=ERROR',
      ],
      ...['-o', `UserKnownHostsFile=${home.join('known')}`, '-o', 'StrictHostKeyChecking=accept-new'],
    ];
    const target = `${userInfo().username}@127.0.0.1`;
    const control = home.join('mux');
    const master = closing.use(
      startDaemon('ssh', [...common, '-N', '-M', '-o', `ControlPath=${control}`, target]),
    );
    const shared = [...common, '-o', `ControlPath=${control}`, '-o', 'ControlMaster=no'];
    await masterAnswers([...shared, '-O', 'check', target], () => master.output());
    const stack = closing.move();
    return {
      newConnection: (...options) => [...common, ...options.flatMap((text) => ['-o', text]), target],
      // Without its master ssh would quietly open a new connection and be measured as the wrong thing; this makes it fail.
      multiplexed: () => [...shared, '-o', 'ProxyCommand=false', target],
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (cause) {
    await closing.disposeAsync();
    throw cause;
  }
}

async function masterAnswers(check: readonly string[], output: () => string): Promise<void> {
  const giveUp = systemClock.monotonic() + 15_000;
  for (;;) {
    try {
      execFileSync('ssh', check, { stdio: 'ignore' });
      return;
    } catch (cause) {
      if (systemClock.monotonic() > giveUp)
        throw new Error(`the multiplexed ssh connection did not come up:\n${output()}`, { cause });
      await systemClock.sleep(50);
    }
  }
}
