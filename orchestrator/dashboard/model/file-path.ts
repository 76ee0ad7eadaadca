/** Paths of a VM, which is Linux: absolute, parts joined by `/`. */

export const joinPath = (folder: string, name: string): string =>
  folder === '/' ? `/${name}` : `${folder}/${name}`;

export function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** The way from the root to a path, each part with the path that it leads to. */
export function crumbsOf(path: string): { name: string; path: string }[] {
  const parts = path.split('/').filter((part) => part !== '');
  return [
    { name: '/', path: '/' },
    ...parts.map((name, index) => ({ name, path: `/${parts.slice(0, index + 1).join('/')}` })),
  ];
}

/** What somebody typed as a path; undefined when it is none. Without `//`, and `/` at its end. */
export function typedPath(text: string): string | undefined {
  const trimmed = text.trim();
  if (!trimmed.startsWith('/')) return undefined;
  const plain = trimmed.replace(/\/+/g, '/').replace(/(?<=.)\/$/, '');
  return plain.split('/').some((part) => part === '.' || part === '..') ? undefined : plain;
}

/** A single name of a file: no way into another folder. Says what is wrong with another one. */
export function nameProblem(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'Write a name.';
  if (name.includes('/')) return 'A name holds no “/”.';
  if (new TextEncoder().encode(name).length > 255) return 'A name has at most 255 bytes.';
  return undefined;
}

export const folderLink = (agentId: string, path: string): string =>
  `#/agents/${agentId}/files?${new URLSearchParams({ path })}`;
export const fileLink = (agentId: string, file: string): string =>
  `#/agents/${agentId}/files?${new URLSearchParams({ file })}`;
