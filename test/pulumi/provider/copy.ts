// command:remote:CopyToRemote, for files and texts.
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Log } from './command.ts';
import { dial } from './ssh.ts';
import { isObject, type Properties, text } from './values.ts';

/** What of a source this double cannot copy, although the real provider can; undefined if it can. */
export function sourceObstacle(source: unknown): string | undefined {
  if (isObject(source) && (text(source['path']) !== undefined || text(source['text']) !== undefined))
    return undefined;
  return 'source: this test double copies a FileAsset or a StringAsset';
}

/** Whether another source or another place makes a copy necessary; nothing else does. */
export function needsCopy(olds: Properties, news: Properties): boolean {
  const hash = (props: Properties) => (isObject(props['source']) ? props['source']['hash'] : undefined);
  return hash(olds) !== hash(news) || olds['remotePath'] !== news['remotePath'];
}

/** `inputs` are plain. A file goes into a folder that is there under its own name; a text needs a file's path. */
export async function copyToRemote(inputs: Properties, log: Log): Promise<void> {
  const source = isObject(inputs['source']) ? inputs['source'] : {};
  const path = text(source['path']);
  const content = path === undefined ? (text(source['text']) ?? '') : readFileSync(path);
  const session = await dial(isObject(inputs['connection']) ? inputs['connection'] : {}, log.status);
  const run = async (command: string, input?: string | Uint8Array) => {
    const ended = await session.run(command, input);
    if (ended.code !== 0) throw new Error(`failed to copy to ${inputs['remotePath']}: ${ended.err.trim()}`);
    return ended.out;
  };
  try {
    let target = String(inputs['remotePath']);
    if ((await run(`if [ -d ${quoted(target)} ]; then echo folder; fi`)) !== '') {
      if (path === undefined)
        throw new Error(
          `remote path ${target} is a directory; when using a text asset, remotePath must be a file path`,
        );
      target = join(target, basename(path));
    }
    await run(`mkdir -p ${quoted(dirname(target))} && cat > ${quoted(target)}`, content);
  } finally {
    await session.close();
  }
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
