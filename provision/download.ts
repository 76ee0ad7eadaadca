import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import type { Clock, Timer } from '../base/clock.ts';
import { AppError } from '../protocol/errors.ts';
import type { ReleaseFile } from '../protocol/release-manifest.ts';
import { exists, sha256File } from './files.ts';

/** Without a byte for this long the download is given up. */
const SILENCE_MS = 30_000;

export interface Download {
  url: URL;
  tls: ConnectionOptions;
  clock: Clock;
  file: ReleaseFile;
  /** Where it goes; what is there already counts when it is the file. */
  path: string;
  onProgress?: ((bytes: number, total: number) => void) | undefined;
}

const refuse = (detail: string): AppError =>
  new AppError('signature_invalid', {
    detail,
    hint: 'Run it again; if it happens again, the orchestrator does not hold what its release names: build the release again there.',
  });

/** Streams an archive to disk, at most as long as the manifest says, and checks size and SHA-256. Never more in memory than a chunk. */
export async function download(options: Download): Promise<void> {
  const { file, path, onProgress } = options;
  if ((await exists(path)) && (await sha256File(path)) === file.sha256) return;
  const handle = await open(path, 'w', 0o600);
  try {
    const hash = createHash('sha256');
    let size = 0;
    await read(options, async (chunk) => {
      size += chunk.length;
      if (size > file.size)
        throw refuse(`The ${file.kind} is longer than the ${file.size} bytes that the release names.`);
      hash.update(chunk);
      await handle.writeFile(chunk);
      onProgress?.(size, file.size);
    });
    if (size !== file.size || hash.digest('hex') !== file.sha256)
      throw refuse(
        `The ${file.kind} that was downloaded (${size} bytes) is not the one that the release names.`,
      );
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Calls `take` for each chunk, and reads on when it has resolved. */
async function read({ url, tls, clock }: Download, take: (chunk: Buffer) => Promise<void>): Promise<void> {
  const agent = new Agent({ keepAlive: false, maxCachedSessions: 0 });
  let silence: Timer | undefined;
  const sent = request(url, { ...tls, agent, headers: { accept: '*/*' } });
  const heard = () => {
    silence?.cancel();
    silence = clock.setTimer(SILENCE_MS, () =>
      sent.destroy(
        Object.assign(new Error(`nothing came for ${SILENCE_MS / 1000} s`), { code: 'ETIMEDOUT' }),
      ),
    );
  };
  heard();
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.once('response', resolve).once('error', reject).end();
    });
    if (response.statusCode !== 200)
      throw new AppError('artifact_not_available', {
        detail: `${url.href} was answered with status ${response.statusCode}.`,
        hint: 'Run `npm run build` where the orchestrator was built, and restart it.',
      });
    for await (const chunk of response) {
      heard();
      await take(chunk as Buffer);
    }
  } finally {
    silence?.cancel();
    sent.on('error', () => undefined).destroy();
  }
}
