import type { Source } from './sources.ts';

/** More files than this and base/ is where everything lands that nobody found a place for. */
const MOST_FILES = 12;

/** What base/ must be: few files, each of which two folders of the product need. One sentence for each that is not. */
export function findLonersInBase(sources: readonly Source[]): string[] {
  const files = sources.filter(({ path }) => path.startsWith('base/')).map(({ path }) => path);
  const found =
    files.length > MOST_FILES ? [`base/ has ${files.length} files, and may have ${MOST_FILES}`] : [];
  for (const file of files) {
    const callers = new Set<string>();
    for (const { path, imports } of sources) {
      const folder = path.split('/')[0] ?? '';
      const counts = !['base', 'test', 'bench'].includes(folder);
      if (counts && imports.some(({ target }) => target === file)) callers.add(folder);
    }
    if (callers.size < 2)
      found.push(`${file}: only ${[...callers].join('') || 'nobody'} needs it; move it there`);
  }
  return found;
}
