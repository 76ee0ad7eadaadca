import { INNER_ORDER, MATRIX, MAY_IMPORT_FAKES } from './matrix.ts';
import type { Source } from './sources.ts';

/** Every import that the map does not allow, one sentence each. */
export function findForbiddenImports(sources: readonly Source[]): string[] {
  const found: string[] = [];
  for (const source of sources) {
    const from = area(source.path);
    // Files at the root (vitest.config.ts) configure tools; they belong to no folder.
    if (from === undefined) continue;
    if (!MATRIX[from]) {
      found.push(`${source.path}: the folder ${from}/ is not on the map; add it to scripts/rules/matrix.ts`);
      continue;
    }
    for (const { target, line } of source.imports) {
      const reason = refusal(source.path, from, target);
      if (reason) found.push(`${source.path}:${line}: imports ${target}: ${reason}`);
    }
  }
  return found;
}

function refusal(path: string, from: string, target: string): string | undefined {
  const to = area(target);
  if (to === undefined) return undefined;
  if (isInside(target, 'test/fakes') && !MAY_IMPORT_FAKES.includes(from)) {
    return 'test/fakes/ serves test/ and bench/ alone';
  }
  if (to === from) return innerRefusal(from, path, target);
  const allowed = MATRIX[from] ?? [];
  if (from === 'orchestrator' && partOf(path) === 'dashboard' && to !== 'protocol') {
    return 'the page runs in a browser: of ours it imports protocol/ alone';
  }
  if (allowed.some((entry) => isInside(target, entry))) return undefined;
  return `${from}/ may import ${allowed.length ? allowed.join(', ') : 'nothing of ours'}`;
}

function innerRefusal(program: string, path: string, target: string): string | undefined {
  const order = INNER_ORDER[program];
  if (!order) return undefined;
  const [from, to] = [partOf(path), partOf(target)];
  if (from === to) return undefined;
  const [importer, imported] = [order[from], order[to]];
  const unknown = importer ? (imported ? undefined : to) : from;
  if (unknown) return `${program}/${unknown} has no place in the order of scripts/rules/matrix.ts`;
  if (!importer || !imported) return undefined;
  if (importer.only && !importer.only.includes(to)) {
    return `${program}/${from} may import ${importer.only.length ? importer.only.join(' and ') : 'no other part'} of ${program}/`;
  }
  if (imported.rank > importer.rank) return undefined;
  return `${program}/${from} stands after or beside ${program}/${to}; pass it in from the wiring file`;
}

/** Every import cycle among the sources, once each. Type-only imports count: they tie the meaning together as well. */
export function findCycles(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const state = new Map<string, 'open' | 'done'>();
  const trail: string[] = [];
  const found: string[] = [];
  const visit = (path: string) => {
    state.set(path, 'open');
    trail.push(path);
    for (const { target } of byPath.get(path)?.imports ?? []) {
      if (state.get(target) === 'open') {
        found.push(`import cycle: ${[...trail.slice(trail.indexOf(target)), target].join(' → ')}`);
      } else if (!state.has(target) && byPath.has(target)) visit(target);
    }
    trail.pop();
    state.set(path, 'done');
  };
  for (const { path } of sources) if (!state.has(path)) visit(path);
  return found;
}

function area(path: string): string | undefined {
  const [first, ...rest] = path.split('/');
  return rest.length ? first : undefined;
}

/** The part of a program that a path belongs to: its second component without the extension. */
function partOf(path: string): string {
  return (path.split('/')[1] ?? '').replace(/\.m?ts$/, '');
}

function isInside(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}/`);
}
