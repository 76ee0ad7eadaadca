import { defineConfig } from 'vitest/config';
import { SUITES } from './scripts/lib/suites.ts';

export default defineConfig({
  test: {
    projects: SUITES.map(({ name, files, timeout, serial, workers }) => ({
      test: {
        name,
        include: [files],
        testTimeout: timeout,
        hookTimeout: timeout,
        fileParallelism: !serial,
        ...(workers === undefined ? {} : { maxWorkers: workers }),
      },
    })),
  },
});
