import { AppError } from '../../protocol/errors.ts';
import type { Parameter, SavedDefinition } from '../../protocol/rest-schedules.ts';
import { shellQuote } from '../../protocol/shell-quote.ts';

/** A name in two braces; anything else in braces belongs to the shell. */
const PLACE = /\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,31})\s*\}\}/g;

const namesIn = (command: string): Set<string> =>
  new Set([...command.matchAll(PLACE)].map((match) => match[1] ?? ''));

/** Every name in the command is a parameter and the reverse. @throws AppError `bad_request` */
export function checkTemplate({
  command,
  parameters,
}: Pick<SavedDefinition, 'command' | 'parameters'>): void {
  const used = namesIn(command);
  const declared = new Set(parameters.map(({ name }) => name));
  const problems = [
    ...(declared.size < parameters.length ? ['two parameters have the same name'] : []),
    ...[...used].filter((name) => !declared.has(name)).map((name) => `{{${name}}} is no parameter`),
    ...[...declared].filter((name) => !used.has(name)).map((name) => `the parameter ${name} is not used`),
    ...parameters
      .filter((p) => p.default !== undefined && p.choices !== undefined && !p.choices.includes(p.default))
      .map(({ name }) => `the default of ${name} is none of its choices`),
  ];
  if (problems.length === 0) return;
  throw new AppError('bad_request', {
    detail: `The command does not fit its parameters: ${problems.join('; ')}.`,
    hint: 'Write {{NAME}} in the command for each parameter, and name each in parameters.',
  });
}

function wordOf(parameter: Parameter, given: string | undefined): string {
  const value = given ?? parameter.default;
  if (value === undefined)
    throw new AppError('bad_request', {
      detail: `The parameter ${parameter.name} has no value.`,
      hint: parameter.description === '' ? `Give it, as ${parameter.name}=VALUE.` : parameter.description,
    });
  if (value.includes('\0'))
    throw new AppError('bad_request', { detail: `${parameter.name} must not contain a NUL byte.` });
  if (parameter.choices !== undefined && !parameter.choices.includes(value))
    throw new AppError('bad_request', {
      detail: `${parameter.name} cannot be "${value.slice(0, 100)}".`,
      hint: `One of: ${parameter.choices.join(', ')}.`,
    });
  return value;
}

/**
 * The command with its values, each quoted as one word of the shell: a value is data and never becomes a command.
 * @throws AppError `bad_request`
 */
export function fill(
  { command, parameters }: Pick<SavedDefinition, 'command' | 'parameters'>,
  given: Readonly<Record<string, string>>,
): string {
  const known = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const unknown = Object.keys(given).filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new AppError('bad_request', {
      detail: `There is no parameter ${unknown.join(', ')}.`,
      hint: known.size === 0 ? 'This command has none.' : `It has: ${[...known.keys()].join(', ')}.`,
    });
  const values = new Map(parameters.map((p) => [p.name, shellQuote(wordOf(p, given[p.name]))]));
  return command.replace(PLACE, (_whole, name: string) => values.get(name) ?? '');
}
