import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { LeftoverSweeper } from '../executor/leftovers.ts';
import { PipePool } from '../executor/pipes.ts';
import { localShell } from './local-shell.ts';
import { commandEnvironment } from './shell-execute.ts';
import type { ShellHost } from './shell-host.ts';

/** Commands inside the daemon, with its rights: user mode, and where there is no privileged executor. */
export class LocalCommands {
  readonly host: ShellHost;
  readonly #pipes: PipePool;
  readonly #leftovers: LeftoverSweeper;
  readonly #log: Logger;

  constructor(options: {
    /** For pipes; its own. */
    folder: string;
    user: { name: string; home: string; lang?: string | undefined };
    clock: Clock;
    log: Logger;
  }) {
    const { folder, user, clock, log } = options;
    this.#log = log;
    this.#pipes = new PipePool(folder);
    this.#leftovers = new LeftoverSweeper({
      clock,
      onKilled: (killed) => log.info({ killed }, 'ended processes that commands left behind'),
    });
    this.host = localShell({
      pipes: this.#pipes,
      leftovers: this.#leftovers,
      env: commandEnvironment(user),
      cwd: user.home,
    });
  }

  /** Makes pipes ahead of need, so that the first command does not wait for them. */
  warm(): void {
    this.#pipes.refill().catch((cause: unknown) => {
      this.#log.error({ err: cause }, 'pipes for commands cannot be made; is mkfifo(1) installed?');
    });
  }

  idle(): Promise<void> {
    return this.#leftovers.idle();
  }

  close(): Promise<void> {
    return this.#pipes.close();
  }
}
