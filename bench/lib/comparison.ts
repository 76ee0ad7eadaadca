import type { Report } from './report.ts';

export interface BenchOptions {
  /** Measured rounds of what is repeated. */
  rounds: number | undefined;
  /** Length of what is observed over time. */
  seconds: number | undefined;
  /** Size of what is streamed, in MiB. */
  mib: number | undefined;
  /** Both programs write a CPU profile there when they end. Profiling costs time: such a run's ratios are too high. */
  cpuProfileDir: string | undefined;
  /** One line about what is going on, for a person who waits. */
  progress(text: string): void;
}

/** What each file beside run.mts exports: ours against its peers, in one run. */
export interface Comparison {
  name: string;
  summary: string;
  run(options: BenchOptions): Promise<Report>;
}
