import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { COMMAND_SLICE, COMMAND_UNIT_PREFIX } from '../../../protocol/disk-layout.ts';
import type { CommandLimits } from '../../../protocol/policy.ts';
import { shellQuote } from '../../../protocol/shell-quote.ts';
import type { ExecutorPlaces } from './places.ts';

export const unitOf = (id: string): string => `${COMMAND_UNIT_PREFIX}${id}.service`;

/** After SIGTERM the processes of a command have this long until SIGKILL. */
const STOP_GRACE = '5s';

export interface UnitPlan {
  id: string;
  runAs: string;
  places: ExecutorPlaces;
  limits: CommandLimits;
  timeoutS: number;
  merged: boolean;
  stdin: boolean;
  waitForStart?: boolean;
  /** Unit with which it ends. */
  boundTo?: string | undefined;
}

/**
 * Arguments of systemd-run(1). Any local user can read a unit's command lines, so none holds anything of the command:
 * the script comes as a credential, and the rest is paths. The unit writes its own beginning and end, as root, so that
 * both are known whoever is there to see them. Neither a prefix (`+`) nor a `$` stands in a command line: systemd 252
 * does not understand its own transient file any more when it reads that again (daemon-reload). `terminal`: path of
 * the pseudo-terminal that it sits at.
 */
export function unitArguments(plan: UnitPlan, terminal?: string): string[] {
  const { id, runAs, places, limits } = plan;
  const file = (folder: string, suffix = '') => join(folder, `${id}${suffix}`);
  const properties = [
    'Type=exec',
    `User=${runAs}`,
    // What goes before and after is root's.
    'PermissionsStartOnly=yes',
    `Slice=${COMMAND_SLICE}`,
    'KillMode=control-group',
    `TimeoutStopSec=${STOP_GRACE}`,
    `RuntimeMaxSec=${Math.max(1, Math.round(plan.timeoutS * 1000))}ms`,
    `LoadCredential=script:${file(places.run, '.script')}`,
    ...(terminal === undefined
      ? [
          `StandardOutput=append:${file(places.output, '.stdout')}`,
          plan.merged ? 'StandardError=inherit' : `StandardError=append:${file(places.output, '.stderr')}`,
          ...(plan.stdin ? [`StandardInput=file:${file(places.run, '.stdin')}`] : []),
        ]
      : [
          // Its controlling terminal, which belongs to its user meanwhile. Shells that talk heed SIGHUP alone.
          'StandardInput=tty',
          'StandardOutput=tty',
          'StandardError=tty',
          `TTYPath=${terminal}`,
          'SendSIGHUP=yes',
        ]),
    `ExecStartPre=/usr/bin/dd if=/proc/sys/kernel/random/boot_id of=${file(places.started)} conv=excl,fsync status=none`,
    `ExecStopPost=/bin/sh ${places.endScript} ${file(places.ended)}`,
    ...(limits.memory === undefined ? [] : [`MemoryMax=${limits.memory}`, 'MemorySwapMax=0']),
    ...(limits.tasks === undefined ? [] : [`TasksMax=${limits.tasks}`]),
    ...(limits.cpu_weight === undefined ? [] : [`CPUWeight=${limits.cpu_weight}`]),
    ...(plan.boundTo === undefined ? [] : [`BindsTo=${plan.boundTo}`, `After=${plan.boundTo}`]),
  ];
  return [
    '--quiet',
    // With live input the start is waited for: until it is executed, nobody holds the pipe's other end.
    ...(plan.waitForStart ? [] : ['--no-block']),
    '--collect',
    '--no-ask-password',
    `--unit=${unitOf(id)}`,
    '--description=a command of vm-agent',
    ...properties.map((property) => `--property=${property}`),
    '/bin/sh',
    `/run/credentials/${unitOf(id)}/script`,
  ];
}

/** As systemd has it (200/CHDIR): the script could not enter its folder. */
export const EXIT_CHDIR = 200;

/** What the unit's shell reads: a line that makes the environment, then the command as it is. */
export function unitScript(options: {
  command: string;
  cwd?: string | undefined;
  env: Readonly<Record<string, string>>;
}): string {
  const { command, cwd, env } = options;
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${shellQuote(value)}`);
  const own = 'unset CREDENTIALS_DIRECTORY INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID';
  const enter =
    cwd === undefined
      ? 'cd 2>/dev/null || cd /'
      : `cd -- ${shellQuote(cwd)} 2>/dev/null || exit ${EXIT_CHDIR}`;
  return `${[own, 'SHELL=/bin/sh', 'export SHELL', ...exports, enter].join('; ')}\n${command}\n`;
}

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}
export type RunProgram = (file: string, args: readonly string[]) => Promise<Ran>;

export const runProgram: RunProgram = (file, args) =>
  new Promise((resolve) => {
    execFile(
      file,
      [...args],
      { env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' }, maxBuffer: 4 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 127;
        resolve({ code, stdout, stderr: stderr === '' && error !== null ? error.message : stderr });
      },
    );
  });
