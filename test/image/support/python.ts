// Programs from the Python package index, installed once into the cache.
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildOnce } from '../../host/harness/cache.ts';
import { type CommandOptions, type Outcome, runProgram } from '../../host/harness/command.ts';

/** Exact versions, dependencies included, so that a test does not change by itself. */
const PINS = {
  'kubernetes-validate': [
    'kubernetes-validate==1.37.0',
    'attrs==26.1.0',
    'importlib_resources==7.1.0',
    'jsonschema==4.26.0',
    'jsonschema-specifications==2025.9.1',
    'packaging==26.4',
    'PyYAML==6.0.4',
    'referencing==0.37.0',
    'rpds-py==2026.9.1',
    'typing_extensions==4.16.0',
  ],
  'ansible-core': [
    'ansible-core==2.19.14',
    'cffi==2.1.1',
    'cryptography==50.0.2',
    'Jinja2==3.1.6',
    'MarkupSafe==3.0.4',
    'packaging==26.4',
    'pycparser==3.12',
    'PyYAML==6.0.4',
    'resolvelib==1.2.1',
  ],
} as const satisfies Record<string, readonly string[]>;

export interface PythonTool {
  /** Runs `python3 -m MODULE ARG…` with the packages. Any exit status is an answer. */
  run(args: readonly string[], options?: CommandOptions): Promise<Outcome>;
}

/** The installed packages, or why this machine cannot have them. */
export async function providePython(name: keyof typeof PINS): Promise<PythonTool | string> {
  const version = await runProgram([
    'python3',
    '-c',
    'import sys; print(sys.version_info[:2], sys.platform)',
  ]).catch(() => undefined);
  if (version?.code !== 0) return 'there is no python3';
  const pip = await runProgram(['python3', '-m', 'pip', '--version']);
  if (pip.code !== 0) return 'python3 has no pip: install python3-pip';
  const recipe = JSON.stringify([version.out, process.arch, PINS[name]]);
  const hash = createHash('sha256').update(recipe).digest('hex').slice(0, 16);
  const installed = await buildOnce(`python-${name}-${hash}`, async (work) => {
    const folder = join(work, 'packages');
    mkdirSync(folder);
    const argv = [
      'python3',
      '-m',
      'pip',
      'install',
      '-q',
      '--disable-pip-version-check',
      '--root-user-action=ignore',
    ];
    const made = await runProgram(
      [...argv, '--no-deps', '--only-binary=:all:', '--target', folder, ...PINS[name]],
      { timeoutMs: 200_000 },
    );
    if (made.code !== 0)
      throw new Error(`pip could not install ${name}: ${made.err.trim().split('\n').at(-1)}`);
    return folder;
  }).catch((cause: unknown) => (cause instanceof Error ? cause : new Error(String(cause))));
  if (installed instanceof Error) return installed.message;
  return {
    run: (args, options = {}) =>
      runProgram(['python3', '-m', ...args], {
        ...options,
        env: { ...(process.env as Record<string, string>), ...options.env, PYTHONPATH: installed },
      }),
  };
}
