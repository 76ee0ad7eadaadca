type Labels = Readonly<Record<string, string>>;
export type SeriesType = 'counter' | 'gauge';

/**
 * Writes Prometheus' text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): a family's
 * HELP and TYPE once, its series together.
 */
export class Exposition {
  readonly #families = new Map<string, string[]>();

  /** `value`: anything that is not a finite number is left out. */
  add(name: string, type: SeriesType, help: string, value: number | undefined, labels: Labels = {}): void {
    if (value === undefined || !Number.isFinite(value)) return;
    let lines = this.#families.get(name);
    if (lines === undefined) {
      lines = [
        `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
        `# TYPE ${name} ${type}`,
      ];
      this.#families.set(name, lines);
    }
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
    lines.push(`${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`);
  }

  /** Names of what was added. */
  get names(): string[] {
    return [...this.#families.keys()];
  }

  toString(): string {
    return `${[...this.#families.values()].flat().join('\n')}\n`;
  }
}

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const escapeLabel = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
