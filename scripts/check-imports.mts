// Holds the map of docs/architecture.md against the sources: `node scripts/check-imports.mts`.
import { ROOT } from './lib/root.ts';
import { findViolations } from './rules/all.ts';
import { findLonersInBase } from './rules/shared.ts';
import { readSources } from './rules/sources.ts';

const sources = readSources(ROOT);
const violations = [...findViolations(sources), ...findLonersInBase(sources)];
for (const violation of violations) console.error(violation);
console.log(`imports: ${sources.length} files, ${violations.length} against the map`);
process.exitCode = violations.length ? 1 : 0;
