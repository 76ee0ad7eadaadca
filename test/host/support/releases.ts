// Releases of other versions than this one, good and broken, as an orchestrator would serve them.
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { archive, entriesOf } from '../../../scripts/build/archive.ts';
import { type Artifact, writeRelease } from '../../../scripts/build/release.ts';
import { readReleaseKey } from '../../../scripts/build/release-key.ts';
import { AGENT_FILES } from '../../../scripts/build/targets.ts';
import { PACKAGE, ROOT } from '../../../scripts/lib/root.ts';

/** What is wrong with a version: code that runs first in its `server`. */
export const BROKEN = {
  crashes: 'process.exit(3);',
  hangs: 'setInterval(() => undefined, 1000); await new Promise(() => undefined);',
  'never connects': "process.env.VM_AGENT_ORCHESTRATOR__WEBSOCKET_URL = 'wss://127.0.0.1:9/none';",
} as const;

/** A copy of the built programs, whose release can be changed while an orchestrator serves it. */
export class Releases {
  readonly folder = mkdtempSync(join(tmpdir(), 'vmo-dist-'));
  #sequence = Math.floor(Date.now() / 1000) + 1;

  constructor() {
    cpSync(join(ROOT, 'dist'), this.folder, { recursive: true });
  }

  /** For `serve`. */
  get program(): readonly string[] {
    return [process.execPath, join(this.folder, 'vm-orchestrator.mjs')];
  }

  /** From now on this version is offered. */
  async offer(version: string, broken?: keyof typeof BROKEN): Promise<void> {
    const staging = mkdtempSync(join(tmpdir(), 'vmo-release-'));
    try {
      for (const name of AGENT_FILES)
        cpSync(join(ROOT, 'dist', name), join(staging, name), { recursive: true });
      for (const name of readdirSync(staging).filter((file) => file.endsWith('.mjs'))) {
        const text = readFileSync(join(staging, name), 'utf8').replaceAll(
          `"${PACKAGE.version}"`,
          `"${version}"`,
        );
        const [first = '', ...rest] = text.split('\n');
        const fault =
          broken !== undefined && name === 'vm-agent.mjs'
            ? [`if (process.argv[2] === 'server') { ${BROKEN[broken]} }`]
            : [];
        const lines = first.startsWith('#!') ? [first, ...fault, ...rest] : [...fault, first, ...rest];
        writeFileSync(join(staging, name), lines.join('\n'));
      }
      const agent = [
        ...AGENT_FILES.flatMap((name) => entriesOf(staging, name)),
        ...entriesOf(ROOT, 'LICENSE'),
        { name: 'VERSION', body: Buffer.from(`${version}\n`) },
      ];
      const artifacts: Artifact[] = [{ kind: 'agent', body: await archive(agent) }, this.#runtime()];
      const key = readReleaseKey(process.env['VM_AGENT_RELEASE_KEY_FILE']);
      this.#sequence += 1;
      writeRelease({
        folder: join(this.folder, 'artifacts'),
        version,
        artifacts,
        key,
        now: this.#sequence * 1000,
      });
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #runtime(): Artifact {
    const folder = join(ROOT, 'dist/artifacts');
    const line = readFileSync(join(folder, 'manifest.txt'), 'utf8')
      .split('\n')
      .find((l) => l.includes(' runtime '));
    const [sha256 = '', , , platform = ''] = line?.split(' ') ?? [];
    const body = readFileSync(join(folder, `${sha256}.tar.gz`));
    if (createHash('sha256').update(body).digest('hex') !== sha256)
      throw new Error('the built runtime is broken');
    return { kind: 'runtime', platform, body };
  }
}
