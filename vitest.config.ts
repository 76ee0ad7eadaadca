import { defineConfig } from 'vitest/config';
import { FULL_PATIENCE, FULL_SIZE, SUITES } from './scripts/lib/suites.ts';

const patience = process.env[FULL_SIZE] === '1' ? FULL_PATIENCE : 1;

export default defineConfig({
  test: {
    projects: SUITES.map(({ name, files, timeout, serial, workers }) => ({
      test: {
        name,
        include: [files],
        testTimeout: timeout * patience,
        hookTimeout: timeout * patience,
        // What is asked for again and again comes when the machine comes to it; a crowded one needs more than a second.
        expect: { poll: { timeout: (timeout * patience) / 2 } },
        fileParallelism: !serial,
        ...(workers === undefined ? {} : { maxWorkers: workers }),
      },
    })),
  },
});
