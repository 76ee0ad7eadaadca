// Values as the engine sends them: secrets and assets are objects under a signature.

const SIGNATURE = '4dabf18193072939515e22adb298388d';
const SECRET = '1b47061264138c4ac30d75fd1eb44270';

export type Properties = Readonly<Record<string, unknown>>;

/** The same value without the wrapping of secrets: for use, never for an answer. */
export function unwrapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrapped);
  if (!isObject(value)) return value;
  if (value[SIGNATURE] === SECRET) return unwrapped(value['value']);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, unwrapped(inner)]));
}

export const properties = (value: unknown): Properties => {
  const plain = unwrapped(value);
  return isObject(plain) ? plain : {};
};

/** As `change` makes it, in the wrapping that the value came in. */
export function inside(value: unknown, change: (plain: unknown) => unknown): unknown {
  if (isObject(value) && value[SIGNATURE] === SECRET)
    return { ...value, value: inside(value['value'], change) };
  return change(value);
}

export const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
