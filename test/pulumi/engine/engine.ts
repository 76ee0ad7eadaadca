// The Pulumi CLI, which is the engine: what the machine has, or built once from the published Go module that go.mod
// and go.sum beside this file pin.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PulumiCommand } from '@pulumi/pulumi/automation/index.js';
import { buildOnce } from '../../host/harness/cache.ts';
import { killGroup, runProgram, startProgram } from '../../host/harness/command.ts';

const PROGRAM = 'github.com/pulumi/pulumi/pkg/v3/cmd/pulumi';
const folder = import.meta.dirname;
const buildTimeoutMs = 1_500_000;

/** The CLI's version is stamped into it: without that it takes itself for a development build. */
const goMod = (): string => readFileSync(join(folder, 'go.mod'), 'utf8');

function buildFlags(): readonly string[] {
  const version = /pulumi\/pkg\/v3 (v\S+)/.exec(goMod())?.[1];
  if (version === undefined) throw new Error('test/pulumi/engine/go.mod does not require pulumi/pkg/v3');
  const stamp = `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${version}`;
  return ['-mod=readonly', '-trimpath', '-buildvcs=false', '-ldflags', `-s -w ${stamp}`];
}

const environment = (): Record<string, string> => ({
  ...(process.env as Record<string, string>),
  CGO_ENABLED: '0',
  GOFLAGS: '',
  GOWORK: 'off',
});

/**
 * `pulumi` of `$PULUMI_HOME` or PATH if the SDK can work with it, else the one that was built here. A first build takes
 * 3 to 10 minutes and 3 GB in Go's caches; `progress` gets a line now and then. Rejects with what is missing to
 * build it. Safe to call from several processes at once; the second waits for the first.
 */
export async function providePulumi(progress: (line: string) => void = () => {}): Promise<PulumiCommand> {
  const home = process.env['PULUMI_HOME'];
  for (const options of [...(home ? [{ root: home }] : []), {}]) {
    const found = await PulumiCommand.get(options).catch(() => undefined);
    if (found !== undefined) return found;
  }
  const goVersion = await runProgram(['go', 'env', 'GOVERSION', 'GOOS', 'GOARCH'], {
    env: environment(),
  }).catch(() => undefined);
  if (goVersion?.code !== 0)
    throw new Error('needs pulumi on the PATH, or Go to build it: install one of them');
  const recipe = [goMod(), readFileSync(join(folder, 'go.sum'), 'utf8'), buildFlags(), goVersion.out];
  const key = createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16);
  const root = await buildOnce(`pulumi-${key}`, async (work) => {
    await build(join(work, 'result/bin/pulumi'), progress);
    return join(work, 'result');
  });
  return PulumiCommand.get({ root });
}

async function build(target: string, progress: (line: string) => void): Promise<void> {
  progress('building the Pulumi CLI: a first time takes some minutes');
  const child = startProgram(
    ['go', '-C', folder, 'build', '-v', ...buildFlags(), '-o', target, PROGRAM],
    environment(),
    ['ignore', 'ignore', 'pipe'],
  );
  const stop = () => killGroup(child);
  process.once('exit', stop);
  const timer = setTimeout(stop, buildTimeoutMs);
  const lines: string[] = [];
  try {
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? 137));
    });
    if (child.stderr === null) throw new Error('go has no stderr');
    for await (const line of createInterface({ input: child.stderr })) {
      lines.push(line);
      if (lines.length % 250 === 0) progress(`building the Pulumi CLI: ${lines.length} packages`);
    }
    const code = await ended;
    if (code !== 0)
      throw new Error(`the Pulumi CLI could not be built (go: ${code}): ${lines.slice(-3).join(' ')}`);
    progress('the Pulumi CLI is built');
  } finally {
    clearTimeout(timer);
    process.off('exit', stop);
  }
}
