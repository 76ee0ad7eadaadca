import { findCycles, findForbiddenImports } from './imports.ts';
import type { Source } from './sources.ts';
import { findForbiddenUses } from './uses.ts';

/** Everything that the sources do against the map, one sentence each; empty when all is well. */
export function findViolations(sources: readonly Source[]): string[] {
  return [...findForbiddenImports(sources), ...findCycles(sources), ...findForbiddenUses(sources)];
}
