import { runDaemon } from '../../agent/main.ts';

// What `vm-agent server --home DIR` does, for tests that run the daemon from its sources.
runDaemon({ home: process.argv[2] }).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${String(error instanceof Error ? error.message : error)}\n`);
    process.exitCode = 1;
  },
);
