import { type Command, InvalidArgumentError } from 'commander';
import { RECOVERY_MAX_S, type RecoveryRule, recoveryRuleSchema } from '../../protocol/rest-fleet.ts';
import { durationArgument } from './arguments.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, write } from './print.ts';

interface Flags extends ClientFlags {
  admit?: RecoveryRule;
}

const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
const inDays = durationArgument('--admit', { least: '1m', most: `${RECOVERY_MAX_S / DAY_S}d` });

/** `never`, or how long after its certificate's end a machine is let in: `30d`, also written `within 30d`. */
function admitArgument(text: string): RecoveryRule {
  const words = text.trim().replace(/^within\s+/, '');
  if (words === 'never') return { admit_within_s: null };
  try {
    return { admit_within_s: Math.round(inDays(words)) };
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError)) throw cause;
    throw new InvalidArgumentError(
      `Write never, or a time from 1m to ${RECOVERY_MAX_S / DAY_S}d, such as 30d.`,
    );
  }
}

function ruleText({ admit_within_s: seconds }: RecoveryRule): string {
  if (seconds === null)
    return 'a machine whose certificate ended waits in quarantine until somebody admits it';
  const time =
    seconds % DAY_S === 0
      ? `${seconds / DAY_S} d`
      : seconds % HOUR_S === 0
        ? `${seconds / HOUR_S} h`
        : `${seconds} s`;
  return `a machine whose certificate ended is let in by itself within ${time}; later it waits until somebody admits it`;
}

async function recovery(deps: CliDeps, flags: Flags): Promise<void> {
  const client = await clientFor(deps, flags);
  const path = '/recovery';
  const rule = await client.call(
    flags.admit === undefined
      ? { path, answer: recoveryRuleSchema }
      : { method: 'PUT', path, body: flags.admit, answer: recoveryRuleSchema },
  );
  if (flags.json) return printJson(deps.stdout, rule);
  await write(deps.stdout, `${ruleText(rule)}\n`);
}

/** `vm-orchestrator org recovery`: what becomes of machines that slept past their certificate. */
export function registerRecovery(org: Command, deps: CliDeps): void {
  withClientFlags(
    org
      .command('recovery')
      .description('say or show whether machines whose certificate ended come back by themselves')
      .option(
        '--admit <when>',
        'never: somebody admits each one; 30d: by itself within that time after its certificate’s end',
        admitArgument,
      ),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nExamples:\n  vm-orchestrator org recovery\n  vm-orchestrator org recovery --admit 30d\n  vm-orchestrator org recovery --admit never`,
    )
    .action((flags: Flags) => reporting(deps, flags, () => recovery(deps, flags)));
}
