import { parseDocument } from 'yaml';
import { z } from 'zod';
import { AppError } from '../protocol/errors.ts';

/** One thing that is wrong with a configuration: where, what was there, what is allowed. */
export interface ConfigProblem {
  key: string;
  value: unknown;
  message: string;
  /** The known key that is spelled most like an unknown one. */
  nearest?: string;
}

/** Every problem at once; the message lists them a line each. */
export class ConfigError extends AppError {
  readonly problems: readonly ConfigProblem[];
  constructor(source: string, problems: readonly ConfigProblem[]) {
    super('config_invalid', {
      detail: `${source} is not valid:\n${problems.map((p) => `  ${describeProblem(p)}`).join('\n')}`,
    });
    this.problems = problems;
  }
}

export function describeProblem(problem: ConfigProblem): string {
  const shown =
    problem.value === undefined
      ? ''
      : ` (is ${JSON.stringify(problem.value)
          ?.replace(/\/\/[^/@\s"]*@/g, '//')
          .slice(0, 80)})`;
  const hint = problem.nearest === undefined ? '' : `; did you mean "${problem.nearest}"?`;
  return `${problem.key || 'the file'}: ${problem.message}${shown}${hint}`;
}

/** Levenshtein distance, for short names. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ),
      );
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

type JsonSchema = { properties?: Record<string, JsonSchema>; additionalProperties?: JsonSchema | boolean };

function keysOf(schema: JsonSchema, prefix = ''): string[] {
  const named = Object.entries(schema.properties ?? {}).flatMap(([key, child]) => [
    `${prefix}${key}`,
    ...keysOf(child, `${prefix}${key}.`),
  ]);
  // Below names that the user chooses.
  const { additionalProperties: any } = schema;
  return typeof any === 'object' ? [...named, ...keysOf(any, `${prefix}*.`)] : named;
}

/** Dotted names of every key of a schema. */
export const knownKeys = (schema: z.ZodType): string[] =>
  keysOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema);

function nearestKey(unknown: string, known: readonly string[]): string | undefined {
  const name = unknown.split('.').pop() ?? unknown;
  const ranked = known
    .map((key) => ({
      key,
      far: Math.min(distance(unknown, key), distance(name, key.split('.').pop() ?? key)),
    }))
    .sort((a, b) => a.far - b.far || distance(unknown, a.key) - distance(unknown, b.key));
  const best = ranked[0];
  return best !== undefined && best.far <= Math.max(2, Math.floor(name.length / 3)) ? best.key : undefined;
}

const at = (data: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    data,
  );

function problemsOf(error: z.ZodError, data: unknown, known: readonly string[]): ConfigProblem[] {
  return error.issues.flatMap((issue): ConfigProblem[] => {
    const key = issue.path.join('.');
    if (issue.code !== 'unrecognized_keys')
      return [{ key, value: at(data, issue.path), message: issue.message }];
    return issue.keys.map((name) => {
      const full = key === '' ? name : `${key}.${name}`;
      const nearest = nearestKey(full, known);
      return {
        key: full,
        value: at(data, [...issue.path, name]),
        message: 'unknown key',
        ...(nearest === undefined ? {} : { nearest }),
      };
    });
  });
}

/** A variable's text as YAML would read it (`true`, `8080`, `[a, b]`), else as it stands. */
function envValue(text: string): unknown {
  const document = parseDocument(text);
  return document.errors.length > 0 || text === '' ? text : document.toJS();
}

/** `PREFIX<SECTION>__<KEY>` variables as a tree. Only names with `__` are overrides; others belong to programs. */
export function envOverrides(
  env: Readonly<Record<string, string | undefined>>,
  prefix: string,
): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(prefix) || !name.includes('__') || text === undefined) continue;
    const path = name.slice(prefix.length).toLowerCase().split('__');
    let node = tree;
    for (const part of path.slice(0, -1)) {
      const child = Object.hasOwn(node, part) ? node[part] : undefined;
      const next = typeof child === 'object' && child !== null ? (child as Record<string, unknown>) : {};
      node[part] = next;
      node = next;
    }
    node[path.at(-1) ?? ''] = envValue(text);
  }
  return tree;
}

export function mergeTrees(base: unknown, over: unknown): unknown {
  const isTree = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isTree(base) || !isTree(over)) return over === undefined ? base : over;
  const keys = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries([...keys].map((key) => [key, mergeTrees(base[key], over[key])]));
}

/** YAML text → plain data. @throws ConfigError with the line. */
export function parseYaml(text: string, source: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  const refuse = (message: string) => new ConfigError(source, [{ key: '', value: undefined, message }]);
  const problem = document.errors[0];
  if (problem) throw refuse(problem.message);
  try {
    return document.toJS() ?? {};
  } catch (cause) {
    // Only here does it show that an alias means nothing, or that aliases multiply without end.
    throw refuse((cause as Error).message);
  }
}

/** File, then environment, then flags; checked as a whole. @throws ConfigError with every problem. */
export function loadConfig<S extends z.ZodType>(options: {
  schema: S;
  source: string;
  file?: string | undefined;
  env?: Record<string, unknown>;
  flags?: Record<string, unknown>;
}): z.output<S> {
  const fromFile = options.file === undefined ? {} : parseYaml(options.file, options.source);
  const merged = mergeTrees(mergeTrees(fromFile, options.env ?? {}), options.flags ?? {});
  const result = options.schema.safeParse(merged);
  if (!result.success)
    throw new ConfigError(options.source, problemsOf(result.error, merged, knownKeys(options.schema)));
  return result.data;
}
