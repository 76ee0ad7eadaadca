import { AppError } from '../protocol/errors.ts';
import type { InstallContext } from './context.ts';

export const DEFAULT_PORT = 8080;

/**
 * The port for the agent's local interface: the one asked for, else the configured one, else 8080. In user mode a
 * taken 8080 gives way to a free port; a port that somebody chose is never changed behind his back.
 * @throws AppError `conflict`
 */
export async function choosePort(
  options: Pick<InstallContext, 'mode' | 'host' | 'port' | 'note'> & { configured: number | undefined },
): Promise<number> {
  const { host, configured } = options;
  if (options.port === 0) return configured ?? host.freePort();
  const wanted = options.port ?? configured ?? DEFAULT_PORT;
  // A configured port may be taken by this very agent.
  if (wanted === configured || (await host.isPortFree(wanted))) return wanted;
  if (options.mode === 'user' && options.port === undefined) {
    const free = await host.freePort();
    options.note(`Port ${wanted} is taken; the agent uses ${free}.`);
    return free;
  }
  throw new AppError('conflict', {
    detail: `Port ${wanted} is taken by another program.`,
    hint: 'Choose another one with --port N, or end the program that listens there.',
  });
}
