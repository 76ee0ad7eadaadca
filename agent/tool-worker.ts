import { Socket } from 'node:net';
import { hostname } from 'node:os';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { diskLayout } from '../protocol/disk-layout.ts';
import { AppError } from '../protocol/errors.ts';
import type { FrozenConfig } from './config.ts';
import { FrameReader, writeJsonFrame } from './executor/frames.ts';
import { protectedPaths } from './files/protected-paths.ts';
import { quietTools } from './tools/catalogue.ts';
import { createRegistry } from './tools/registry.ts';
import { ToolStop } from './tools/tool.ts';

/** What the executor tells a worker first. */
export interface WorkerConfiguration {
  tools: FrozenConfig['tools'];
  home: string | undefined;
}

interface Request {
  configure?: WorkerConfiguration;
  call?: {
    id: string;
    tool: string;
    args: Record<string, unknown>;
    access: { read: string[]; write: string[] };
  };
  cancel?: string;
}

/** Runs tools for the executor, with the rights of this process, until its input ends. */
export function runToolWorker(options: {
  input: number;
  output: number;
  clock: Clock;
  log: Logger;
}): Promise<void> {
  const { clock, log } = options;
  const input = new Socket({ fd: options.input, readable: true, writable: false });
  const output = new Socket({ fd: options.output, readable: false, writable: true });
  const running = new Map<string, AbortController>();
  const reader = new FrameReader();
  let registry: ReturnType<typeof createRegistry> | undefined;
  const access = new Map<string, { read: readonly string[]; write: readonly string[] }>();

  const configure = ({ tools, home }: WorkerConfiguration) => {
    const layout = diskLayout(home);
    registry = createRegistry(
      quietTools({
        clock,
        hostname: hostname(),
        config: tools,
        protectedPaths: protectedPaths(layout, {}),
        // The executor has seen the signature that such tools ask for.
      }).map((tool) => ({ ...tool, signedOnly: false })),
      // The executor has asked the policy already; what it allowed comes with the call.
      (grant) => {
        const { read, write } = access.get(grant) ?? { read: [], write: [] };
        return { allowed: true, read, write };
      },
    );
  };

  const call = async ({ id, tool, args, access: allowed }: NonNullable<Request['call']>): Promise<void> => {
    const abort = new AbortController();
    running.set(id, abort);
    access.set(id, allowed);
    try {
      if (registry === undefined) throw new AppError('internal', { detail: 'The worker is not configured.' });
      const end = await registry.prepare(tool, args).run({
        id,
        clock,
        log,
        signal: abort.signal,
        output: () => undefined,
        caller: { door: 'channel', id, grant: id },
        progress: () => undefined,
      });
      if (end.kind !== 'value') throw new AppError('internal', { detail: `${tool} gave no value.` });
      const { structured, text } = end;
      writeJsonFrame(output, { id, value: { structured, ...(text === undefined ? {} : { text }) } });
    } catch (cause) {
      const error = cause instanceof AppError ? cause : undefined;
      if (error === undefined && !(cause instanceof ToolStop))
        log.error({ err: cause, tool }, 'a tool failed');
      const { code, message, hint } = error ?? {
        code: cause instanceof ToolStop ? 'unavailable' : 'internal',
        message:
          cause instanceof ToolStop ? cause.message : 'The tool failed; the journal of the VM says why.',
        hint: undefined,
      };
      writeJsonFrame(output, { id, thrown: { code, message, ...(hint === undefined ? {} : { hint }) } });
    } finally {
      running.delete(id);
      access.delete(id);
    }
  };

  return new Promise((resolve) => {
    input.on('data', (chunk: Buffer) => {
      for (const frame of reader.push(chunk)) {
        if (frame.kind !== 'json') continue;
        const request = frame.value as Request;
        if (request.configure !== undefined) configure(request.configure);
        if (request.call !== undefined) void call(request.call);
        if (request.cancel !== undefined) running.get(request.cancel)?.abort(new ToolStop('cancelled'));
      }
    });
    input.on('error', () => input.destroy());
    input.on('close', () => {
      output.destroy();
      resolve();
    });
    output.on('error', () => input.destroy());
  });
}
