import type { Source } from './sources.ts';

interface Ban {
  readonly what: RegExp;
  readonly allowedIn: RegExp;
  readonly reason: string;
}

// Browser code has no base/: the page takes the browser's own timers.
const CLOCK_ALLOWED =
  /^((base|test|bench|scripts|orchestrator\/dashboard|infra\/program)\/|infra\/clock\.ts$)/;

const BANS: readonly Ban[] = [
  {
    what: /^((globalThis\.)?(Date\.now|setTimeout|setInterval|Math\.random)|new Date\(\))$/,
    allowedIn: CLOCK_ALLOWED,
    reason: 'take a Clock (base/clock.ts), so that tests own the time',
  },
  {
    what: /^rejectUnauthorized: false$/,
    allowedIn: /^(base\/tls-server|provision\/fetch-ca)\.ts$/,
    reason: 'certificates are checked everywhere but in base/tls-server.ts and provision/fetch-ca.ts',
  },
  {
    what: /^(vi\.(mock|doMock|hoisted)|jest\.mock)$/,
    allowedIn: /^$/,
    reason: 'pass a fake from test/fakes/ instead of replacing modules',
  },
];

const BANNED_PACKAGES: readonly {
  readonly name: RegExp;
  readonly allowedIn: RegExp;
  readonly reason: string;
}[] = [
  {
    name: /^(node:)?timers(\/promises)?$/,
    allowedIn: CLOCK_ALLOWED,
    reason: 'take a Clock (base/clock.ts), so that tests own the time',
  },
];

/** Files longer than this are where everything starts to land. */
const MAX_LINES = 400;

/** Every banned call, setting and over-long file, one sentence each. */
export function findForbiddenUses(sources: readonly Source[]): string[] {
  const found: string[] = [];
  for (const { path, lines, uses, packages } of sources) {
    if (lines > MAX_LINES) found.push(`${path}: ${lines} lines; split it, ${MAX_LINES} is the most`);
    for (const { what, line } of uses) {
      const ban = BANS.find((candidate) => candidate.what.test(what) && !candidate.allowedIn.test(path));
      if (ban) found.push(`${path}:${line}: ${what}: ${ban.reason}`);
    }
    for (const { name, line } of packages) {
      const ban = BANNED_PACKAGES.find(
        (candidate) => candidate.name.test(name) && !candidate.allowedIn.test(path),
      );
      if (ban) found.push(`${path}:${line}: ${name}: ${ban.reason}`);
    }
  }
  return found;
}
