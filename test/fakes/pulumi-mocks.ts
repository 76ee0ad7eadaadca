import * as pulumi from '@pulumi/pulumi';

/** A resource as it was declared. */
export interface Declared {
  type: string;
  name: string;
  /** What a preview cannot know is missing. */
  inputs: Record<string, unknown>;
  /** Name of the parent. */
  parent: string;
  /** Names of what it comes after. */
  after: readonly string[];
  secretOutputs: readonly string[];
  ignored: readonly string[];
  retained: boolean;
}

export interface MockEngine {
  readonly declared: readonly Declared[];
  /** @throws Error when nothing of that name was declared */
  named(name: string): Declared;
  /** Waits until everything that a program declares has been declared. */
  settled(): Promise<void>;
}

const SECRET = '4dabf18193072939515e22adb298388d';
export const isSecret = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && SECRET in value;
/** A value without the wrap that marks secrets. */
export const plain = (value: unknown): unknown =>
  isSecret(value) ? (value as unknown as { value: unknown }).value : value;

/** The request that the SDK sends for a resource, as far as the tests look at it. */
interface RegisterRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getDependenciesList(): string[];
  getAdditionalsecretoutputsList(): string[];
  getIgnorechangesList(): string[];
  getRetainondelete(): boolean;
}

/**
 * Takes the engine's place in this process, for good: one file of tests each, which imports what it tests after
 * this. `outputs` says what a resource answers besides its inputs; undefined: it fails.
 */
export async function mockEngine(options: {
  preview: boolean;
  outputs(resource: { type: string; name: string; inputs: Record<string, unknown> }): object | undefined;
}): Promise<MockEngine> {
  const declared: Declared[] = [];
  const requests = new Map<string, RegisterRequest>();
  await pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs }) {
        const request = requests.get(`${type}::${name}`);
        const nameOf = (urn: string) => urn.split('::').at(-1) ?? '';
        declared.push({
          type,
          name,
          inputs,
          parent: nameOf(request?.getParent() ?? ''),
          after: (request?.getDependenciesList() ?? []).map(nameOf),
          secretOutputs: request?.getAdditionalsecretoutputsList() ?? [],
          ignored: request?.getIgnorechangesList() ?? [],
          retained: request?.getRetainondelete() ?? false,
        });
        const outputs = options.outputs({ type, name, inputs });
        if (outputs === undefined) throw new Error(`${name} fails`);
        return { id: `${name}-id`, state: { ...inputs, ...outputs } };
      },
      call: () => ({}),
    },
    'project',
    'stack',
    options.preview,
  );
  const monitor = (pulumi.runtime as unknown as { getMonitor(): MockedMonitor }).getMonitor();
  const register = monitor.registerResource.bind(monitor);
  // The mocks are told type, name and inputs alone; parents and options are in the request.
  monitor.registerResource = (request, callback) => {
    requests.set(`${request.getType()}::${request.getName()}`, request);
    register(request, callback);
  };
  return {
    declared,
    settled: () => (pulumi.runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs(),
    named(name) {
      const found = declared.find((one) => one.name === name);
      if (found === undefined)
        throw new Error(`there is no ${name}, but ${declared.map((one) => one.name).join(', ')}`);
      return found;
    },
  };
}

interface MockedMonitor {
  registerResource(request: RegisterRequest, callback: unknown): void;
}

/** The output's value; it must be known. */
export const valueOfOutput = <T>(output: pulumi.Output<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const ended = output.apply((value): [T | undefined, Error | undefined] => [value, undefined]);
    pulumi
      .recover(ended, (cause: Error): [undefined, Error] => [undefined, cause])
      .apply((end) => {
        const [value, cause] = end as [T, Error | undefined];
        if (cause === undefined) resolve(value);
        else reject(cause);
      });
  });
