// `node scripts/diagnose.mts [--json] [--fix] [--home DIR]`: what `vm-agent diagnose` does, from a checkout. It also helps
// where the installed command itself does not start.
import { homedir, hostname } from 'node:os';
import { Command } from 'commander';
import { PROGRAM_VERSION } from '../agent/identity/program-version.ts';
import { addDiagnose } from '../cli/diagnose.ts';
import { reportFailure } from '../provision/run-installer.ts';

const program = new Command('scripts/diagnose.mts').exitOverride((error) =>
  process.exit(error.exitCode === 0 ? 0 : 2),
);
addDiagnose(program, {
  process,
  hostname: hostname(),
  homedir: homedir(),
  moduleDir: import.meta.dirname,
  version: PROGRAM_VERSION,
});
try {
  await program.parseAsync(['diagnose', ...process.argv.slice(2)], { from: 'user' });
} catch (cause) {
  process.exitCode = reportFailure(cause, { output: process.stderr, env: process.env, debug: false });
}
