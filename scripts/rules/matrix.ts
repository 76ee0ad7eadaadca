/**
 * Who may import what, as data. docs/architecture.md shows the same map to people; biome.json repeats it for
 * editors; `scripts/check-imports.mts` and `test/imports.test.ts` hold it against the sources themselves, so that a
 * disabled lint line fails too.
 *
 * A target is a folder (everything in it), a folder inside one (`agent/identity`) or a single file
 * (`protocol/errors.ts`). Every folder may import from itself.
 */
export const MATRIX: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  // Wire formats that need node:crypto or node:tls to be checked live in base; it knows them, and no behaviour.
  base: [
    'protocol/errors.ts',
    'protocol/problem.ts',
    'protocol/ids.ts',
    'protocol/dsse.ts',
    'protocol/certificate-profile.ts',
    'protocol/version.ts',
  ],
  // Pure: who signed what, and what is in a tree. Both ends must come to the same answer.
  proof: ['protocol'],
  agent: ['protocol', 'base', 'proof'],
  cli: ['protocol', 'base', 'proof', 'agent', 'provision'],
  provision: ['protocol', 'base', 'agent/identity', 'agent/config.ts'],
  'cloud-init': ['protocol'],
  infra: ['protocol', 'cloud-init'],
  orchestrator: ['protocol', 'base', 'proof', 'cloud-init'],
  scripts: [
    'protocol',
    'base',
    'proof',
    'agent',
    'cli',
    'provision',
    'cloud-init',
    'infra',
    'orchestrator',
    'test',
    'bench',
  ],
  test: [
    'protocol',
    'base',
    'proof',
    'agent',
    'cli',
    'provision',
    'cloud-init',
    'infra',
    'orchestrator',
    'scripts',
    'bench',
  ],
  bench: [
    'protocol',
    'base',
    'proof',
    'agent',
    'cli',
    'provision',
    'cloud-init',
    'infra',
    'orchestrator',
    'scripts',
    'test',
  ],
};

/** Only these folders may import test/fakes/: what people run must be the real thing. */
export const MAY_IMPORT_FAKES: readonly string[] = ['test', 'bench'];

/** One part of a program: a folder (`commands`) or a file at the program's root (`agent` for agent.ts). */
export interface Part {
  /** Distance from the entry: a part imports only parts with a larger rank. */
  readonly rank: number;
  /** When given, the only other parts of the program that this one may import. */
  readonly only?: readonly string[];
}

/** Inside the two programs data flows one way as well. A part that is missing here is refused by name. */
export const INNER_ORDER: Readonly<Record<string, Readonly<Record<string, Part>>>> = {
  agent: {
    main: { rank: 0 },
    'exec-main': { rank: 0 },
    'tool-worker': { rank: 1 },
    'pty-host': { rank: 1 },
    agent: { rank: 1 },
    'agent-options': { rank: 1.5 },
    'agent-tools': { rank: 1.4 },
    handlers: { rank: 1.5 },
    'disk-watch': { rank: 1.5 },
    reload: { rank: 1.5 },
    admission: { rank: 1.5 },
    http: { rank: 2 },
    channel: { rank: 2, only: ['identity', 'health'] },
    commands: { rank: 3 },
    tools: { rank: 4 },
    executor: { rank: 5 },
    logs: { rank: 5 },
    files: { rank: 6 },
    policy: { rank: 6 },
    proc: { rank: 6 },
    audit: { rank: 6 },
    identity: { rank: 6 },
    health: { rank: 6 },
    'storage-fault': { rank: 6.5 },
    config: { rank: 6 },
    'log-text': { rank: 6 },
    client: { rank: 6 },
  },
  orchestrator: {
    main: { rank: 0 },
    cli: { rank: 1, only: [] },
    serve: { rank: 1 },
    orchestrator: { rank: 2 },
    controls: { rank: 2.5 },
    // Works on the data beside the server, or instead of it.
    backup: { rank: 2.7 },
    'ca-control': { rank: 2.5 },
    http: { rank: 3 },
    mcp: { rank: 3 },
    schedules: { rank: 3.5 },
    terminals: { rank: 3.5 },
    // A tool of one agent that somebody waits for, and what is made of such calls.
    calls: { rank: 3.5 },
    jobs: { rank: 4 },
    approvals: { rank: 4.2 },
    locks: { rank: 4.4 },
    registration: { rank: 4 },
    fleet: { rank: 3.5 },
    data: { rank: 4 },
    'data-folder': { rank: 4.3 },
    'start-failure': { rank: 4.6 },
    hub: { rank: 5 },
    ca: { rank: 5 },
    tenancy: { rank: 5 },
    metrics: { rank: 6 },
    // What a store knows of having been put back; jobs, doors and the audit log ask it about strangers.
    restores: { rank: 6.5 },
    // What these do is recorded in the transaction that does it.
    audit: { rank: 6 },
    store: { rank: 7 },
    config: { rank: 7 },
    'audit-config': { rank: 7.3 },
    'config-input': { rank: 7.6 },
    'oidc-config': { rank: 8 },
    // The page runs in a browser and speaks REST; it shares nothing with the server but protocol/.
    dashboard: { rank: 9, only: [] },
  },
};
