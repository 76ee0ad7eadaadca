import { runDaemon } from '../../agent/main.ts';
import { AppError } from '../../protocol/errors.ts';

// What `vm-agent server --home DIR` does, for tests that run the daemon from its sources.
runDaemon({ home: process.argv[2] }).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const hint = error instanceof AppError && error.hint !== undefined ? ` ${error.hint}` : '';
    process.stderr.write(`${String(error instanceof Error ? error.message : error)}${hint}\n`);
    process.exitCode = 1;
  },
);
