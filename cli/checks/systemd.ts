import type { Host } from '../../provision/host.ts';
import { lastLine } from '../../provision/steps/system-dependencies.ts';

/** What `systemctl show` says of a unit, by property. */
export async function showUnit(
  host: Pick<Host, 'run'>,
  unit: string,
  properties: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const { code, stdout, stderr } = await host.run('systemctl', [
    'show',
    `--property=${properties.join(',')}`,
    unit,
  ]);
  if (code !== 0) throw new Error(`systemctl show ${unit}: ${lastLine(stderr)}`);
  return Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

/** @throws Error with what systemctl said. */
export async function systemctl(host: Pick<Host, 'run'>, ...words: string[]): Promise<void> {
  const { code, stderr } = await host.run('systemctl', words);
  if (code !== 0) throw new Error(`systemctl ${words.join(' ')}: ${lastLine(stderr)}`);
}
