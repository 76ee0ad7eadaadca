import * as pulumi from '@pulumi/pulumi';

/** A resource and what its URN is made of. */
export interface Named {
  resource: pulumi.Resource;
  name: string;
  type: string;
  parent: pulumi.Resource;
}

export const LOCAL_COMMAND = 'command:local:Command';
export const REMOTE_COMMAND = 'command:remote:Command';

/** The value; waits for ever for one that a preview cannot know. */
const known = <T>(output: pulumi.Output<T>): Promise<T> =>
  new Promise((resolve) => {
    output.apply((value) => resolve(value));
  });

/** Whether the engine did what was asked for this resource; waits until that is known. */
export const succeeded = (resource: pulumi.Resource): Promise<boolean> =>
  // A URN is known in previews as well.
  known(
    pulumi.recover(
      resource.urn.apply(() => true),
      () => false,
    ),
  );

/**
 * For `dependsOn`: comes after these, and is skipped when one of them failed.
 *
 * A plain `dependsOn` on a failed resource keeps the SDK from declaring the dependent one at all. With
 * `--continue-on-error` the engine then takes that for removed and deletes it: here, an agent from its machine. A
 * dependency on the failed resource's URN is declared, skipped by the engine, and stays in the state.
 */
export async function after(...before: readonly Named[]): Promise<pulumi.Resource[]> {
  return Promise.all(
    before.map(async ({ resource, name, type, parent }) => {
      if (await succeeded(resource)) return resource;
      return new pulumi.DependencyResource(await known(pulumi.createUrn(name, type, parent)));
    }),
  );
}

/** At most `most` at a time, in the order in which they ask. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#free = most;
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
