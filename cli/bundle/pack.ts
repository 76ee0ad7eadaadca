import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { packTar } from 'modern-tar';

/** A tar.gz of texts in one folder, for its owner alone. */
export async function packTexts(
  folder: string,
  texts: ReadonlyMap<string, string>,
  nowMs: number,
): Promise<Buffer> {
  const entries = [...texts].map(([name, text]) => {
    const body = Buffer.from(text);
    const header = { name: `${folder}/${name}`, size: body.length, mode: 0o600, mtime: new Date(nowMs) };
    return { header, body };
  });
  return promisify(gzip)(await packTar(entries));
}
