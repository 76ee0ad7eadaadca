import type { Clock } from '../base/clock.ts';
import type { Host } from './host.ts';
import type { Output } from './progress.ts';
import type { Reporter } from './step.ts';

interface Debug {
  output: Output;
  clock: Pick<Clock, 'monotonic'>;
}

const took = (clock: Debug['clock'], since: number): string => `${Math.round(clock.monotonic() - since)} ms`;

/** Says each command that is run, how it ended and how long it took. No command carries a secret. */
export function debuggedHost(host: Host, { output, clock }: Debug): Host {
  return {
    ...host,
    async run(file, args) {
      const begun = clock.monotonic();
      const words = [file, ...args].join(' ');
      try {
        const ran = await host.run(file, args);
        output.write(`debug: ran ${words}: exit code ${ran.code}, ${took(clock, begun)}\n`);
        for (const line of ran.stderr.split('\n').filter(Boolean)) output.write(`debug:   ${line}\n`);
        return ran;
      } catch (cause) {
        output.write(`debug: ran ${words}: ${cause instanceof Error ? cause.message : String(cause)}\n`);
        throw cause;
      }
    },
  };
}

/** Says how long each step took. */
export function debuggedReporter(reporter: Reporter, { output, clock }: Debug): Reporter {
  let begun = 0;
  return {
    begin(step, index, total) {
      begun = clock.monotonic();
      reporter.begin(step, index, total);
    },
    end(step, end) {
      reporter.end(step, end);
      output.write(`debug: step ${step.id} took ${took(clock, begun)}\n`);
    },
    fail(step) {
      reporter.fail(step);
      output.write(`debug: step ${step.id} failed after ${took(clock, begun)}\n`);
    },
  };
}
