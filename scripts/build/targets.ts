/** What `dist/` is made of; a new program or file is one line here. Paths are relative to the checkout's root. */

/** What the package exports as `vm-agent/client`; its types are made beside it. */
export const CLIENT = 'agent/client.ts';

/** What it exports as `vm-agent/infra`; its types are made beside it too. */
export const INFRA = 'infra/index.ts';

/** Programs for Node, each bundled into one self-contained ESM file. */
export const PROGRAMS: readonly {
  readonly name: string;
  readonly entry: string;
  /** Packages that stay outside the bundle: whoever runs it has them. */
  readonly external?: readonly string[];
}[] = [
  { name: 'vm-agent', entry: 'cli/main.ts' },
  { name: 'vm-agent-exec', entry: 'agent/exec-main.ts' },
  // A thread of the two above.
  { name: 'vm-agent-log-worker', entry: 'agent/logs/worker-main.ts' },
  { name: 'vm-orchestrator', entry: 'orchestrator/main.ts' },
  { name: 'setup', entry: 'provision/setup.mts' },
  { name: 'client', entry: CLIENT },
  { name: 'infra', entry: INFRA, external: ['@pulumi/*'] },
  { name: 'pulumi-resource-vm-agent', entry: 'infra/provider/main.ts', external: ['@pulumi/*'] },
];

/** Scripts and style sheets for the browser. */
export const PAGES: readonly { readonly out: string; readonly entry: string }[] = [
  { out: 'dashboard/app.js', entry: 'orchestrator/dashboard/app.ts' },
  { out: 'dashboard/charts.js', entry: 'orchestrator/dashboard/charts.ts' },
  { out: 'dashboard/sha256.js', entry: 'orchestrator/dashboard/sha256.ts' },
  { out: 'dashboard/style.css', entry: 'orchestrator/dashboard/style.css' },
  // Loaded by the pages that show a terminal alone.
  { out: 'dashboard/terminal.js', entry: 'orchestrator/dashboard/terminal/bundle.ts' },
  { out: 'dashboard/terminal.css', entry: 'orchestrator/dashboard/terminal/terminal.css' },
];

/** Files and folders taken as they are. */
export const COPIES: readonly { readonly out: string; readonly from: string }[] = [
  { out: 'dashboard/index.html', from: 'orchestrator/dashboard/index.html' },
  { out: 'units', from: 'provision/units' },
  { out: 'bootstrap.sh', from: 'provision/bootstrap.sh' },
  // What the images start; their Containerfiles build from dist/ alone.
  { out: 'LICENSE', from: 'LICENSE' },
  { out: 'container/base.sh', from: 'provision/container/base.sh' },
  { out: 'container/entrypoint.sh', from: 'provision/container/entrypoint.sh' },
  { out: 'container/launcher.sh', from: 'provision/container/launcher.sh' },
];

/** What of `dist/` the `agent` archive carries to a VM, beside its VERSION file. */
export const AGENT_FILES: readonly string[] = [
  'vm-agent.mjs',
  'vm-agent-exec.mjs',
  'vm-agent-log-worker.mjs',
  'setup.mjs',
  'native',
  'units',
  'THIRD-PARTY-LICENSES.txt',
];
