import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildOnce } from '../../host/harness/cache.ts';
import { runProgram, runProgramOk } from '../../host/harness/command.ts';

const VERSION = 'v5.8.0';

/** Path of a kustomize: this machine's, else one that is built once by Go; or why there is none. */
export async function provideKustomize(): Promise<{ program: string } | string> {
  const found = await runProgram(['sh', '-c', 'command -v kustomize']);
  if (found.code === 0) return { program: found.out.trim() };
  const go = await runProgram(['sh', '-c', 'command -v go || ls /usr/local/go/bin/go']);
  if (go.code !== 0) return 'there is neither kustomize nor Go to build it';
  const folder = await buildOnce(`kustomize-${VERSION}-${process.arch}`, async (work) => {
    const bin = join(work, 'bin');
    mkdirSync(bin);
    await runProgramOk([go.out.trim(), 'install', `sigs.k8s.io/kustomize/kustomize/v5@${VERSION}`], {
      env: { ...(process.env as Record<string, string>), GOBIN: bin, GOFLAGS: '-trimpath', CGO_ENABLED: '0' },
      timeoutMs: 240_000,
    });
    if (!existsSync(join(bin, 'kustomize'))) throw new Error('go install made no kustomize');
    return bin;
  }).catch((cause: unknown) => (cause instanceof Error ? cause : new Error(String(cause))));
  return folder instanceof Error
    ? `kustomize could not be built: ${folder.message.split('\n').at(-1)}`
    : { program: join(folder, 'kustomize') };
}
