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
    schemas = { input: shortSchema(tool.input, INPUT_DROPS), output: shortSchema(tool.output, OUTPUT_DROPS) };
    known.set(tool, schemas);
  }
  return schemas;
}

/** Lengths are checked here; a model does not count characters. */
const INPUT_DROPS: readonly string[] = ['minLength', 'maxLength'];
/** What an answer holds is the question, not what it may not hold. */
const OUTPUT_DROPS: readonly string[] = [
  ...INPUT_DROPS,
  'required',
  'additionalProperties',
  'minimum',
  'maximum',
];

function shortSchema(schema: z.ZodType, drops: readonly string[]): JsonSchema {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return prune(json, drops) as JsonSchema;
}

/** Bounds that say no more than "a number of JavaScript". */
const EMPTY_BOUNDS: readonly (readonly [string, number])[] = [
  ['minimum', Number.MIN_SAFE_INTEGER],
  ['maximum', Number.MAX_SAFE_INTEGER],
];

function prune(node: unknown, drops: readonly string[]): unknown {
  if (Array.isArray(node)) return node.map((item) => prune(item, drops));
  if (typeof node !== 'object' || node === null) return node;
  const copy: JsonSchema = {};
  for (const [key, value] of Object.entries(node)) {
    // Under `properties` the keys are names, whatever they look like.
    if (key === 'properties' && typeof value === 'object' && value !== null)
      copy[key] = Object.fromEntries(Object.entries(value).map(([name, of]) => [name, prune(of, drops)]));
    // A map's values are described by `additionalProperties`; only its `false` can go.
    else if (!drops.includes(key) || (key === 'additionalProperties' && value !== false))
      copy[key] = prune(value, drops);
  }
  for (const [key, bound] of EMPTY_BOUNDS) if (copy[key] === bound) delete copy[key];
  // Formats of zod's own, which the pattern beside them says to everybody.
  if (typeof copy['pattern'] === 'string') delete copy['format'];
  return copy;
}
