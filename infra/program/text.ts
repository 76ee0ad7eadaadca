import { runAction } from './actions.ts';
import type { Action } from './request.ts';
import { restOf } from './rest.ts';

/**
 * The program that `node -` reads from its stdin. It is text, not a path: a path differs between the machines that
 * run `pulumi up`, and every command that names it would then be seen as changed.
 */
export const PROGRAM = `const restOf = ${restOf};
const runAction = ${runAction};
runAction(process.argv[2], process.env, restOf).then(
  (text) => process.stdout.write(text),
  (error) => {
    process.stderr.write('error: ' + error.message + '\\n');
    process.exitCode = 1;
  },
);
`;

/** The command line for it; the same in a POSIX shell and in cmd.exe. */
export const commandLine = (action: Action): string => `node - ${action}`;
