import { z } from 'zod';
import type { Tool } from './tool.ts';

export type JsonSchema = Record<string, unknown>;

export interface ToolSchemas {
  input: JsonSchema;
  output: JsonSchema;
}

const known = new WeakMap<Tool, ToolSchemas>();

/** JSON Schemas of a tool's arguments and answer, as short as they can be said: every word is a cost for a model. */
export function toolSchemas(tool: Tool): ToolSchemas {
  let schemas = known.get(tool);
  if (schemas === undefined) {
    schemas = { input: shortSchema(tool.input), output: shortSchema(tool.output) };
    known.set(tool, schemas);
  }
  return schemas;
}

function shortSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return prune(json) as JsonSchema;
}

/** Bounds that say no more than "a number of JavaScript". */
const EMPTY_BOUNDS: readonly (readonly [string, number])[] = [
  ['minimum', Number.MIN_SAFE_INTEGER],
  ['maximum', Number.MAX_SAFE_INTEGER],
];

function prune(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(prune);
  if (typeof node !== 'object' || node === null) return node;
  const copy: JsonSchema = {};
  for (const [key, value] of Object.entries(node)) copy[key] = prune(value);
  for (const [key, bound] of EMPTY_BOUNDS) if (copy[key] === bound) delete copy[key];
  // Formats of zod's own, which the pattern beside them says to everybody.
  if (typeof copy['pattern'] === 'string') delete copy['format'];
  return copy;
}
