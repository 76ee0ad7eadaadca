import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { JobId, OrganizationId } from '../../protocol/ids.ts';
import type { CommandKeys } from '../ca/command-keys.ts';
import type { AgentSession } from '../hub/agent-session.ts';
import type { Bus } from '../hub/bus.ts';
import type { HubOptions } from '../hub/hub.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Store } from '../store/store.ts';
import { type Cancel, createCancel } from './cancel.ts';
import { createDispatch, type DispatchLocks } from './dispatch.ts';
import { endHeld } from './end-held.ts';
import { createJobEvents, type JobEvents } from './events.ts';
import { createExpiry } from './expiry.ts';
import { createGroups, type ReadGroups } from './groups.ts';
import type { SubmitHooks } from './hooks.ts';
import { createIngest } from './ingest.ts';
import { createOutputIntake } from './output-intake.ts';
import { createOutputStore, type OutputStore } from './output-store.ts';
import { createPreview, type MakePreview } from './preview.ts';
import { createReleaser, type Release } from './release.ts';
import { createReleaseHeld, type ReleaseHeld } from './release-held.ts';
import { createRetention } from './retention.ts';
import { createRetry, type Retry } from './retry.ts';
import { type Control, createControl } from './rollout/control.ts';
import { createRolloutEngine, type RolloutEngine } from './rollout/engine.ts';
import { stayAhead } from './stay-ahead.ts';
import { createSubmit, type Submit } from './submit.ts';

export interface JobsOptions {
  store: Store;
  commits: GroupCommit;
  keys: Pick<CommandKeys, 'prepareSigner'>;
  bus: Bus;
  clock: Clock;
  log: Logger;
  /** Folder of the commands' output. */
  outputDirectory: string;
  /** Hard cap of each command's output (bytes). */
  outputCap: number;
  /** How long ended jobs and their output are kept (ms); undefined: for ever. */
  keepMs?: number | undefined;
  /** The agent's session, if this process holds one. */
  sessionOf: (agentId: string) => AgentSession | undefined;
  locks?: DispatchLocks;
  /** What must be asked before a job begins. */
  hooks?: SubmitHooks;
}

export interface Jobs {
  submit: Submit;
  /** Starts a job that is held for an approval. */
  release: Release;
  /** Lets go what is held since a restore. */
  releaseHeld: ReleaseHeld;
  preview: MakePreview;
  retry: Retry;
  /** Pause and resume of a rollout. */
  control: Control;
  groups: ReadGroups;
  /** Ends a job that is held for an approval which will not come. */
  endHeld: typeof endHeld;
  cancel: Cancel;
  events: JobEvents;
  files: OutputStore;
  /** What the hub hands its frames to. */
  traffic: HubOptions['traffic'];
  /** Ends what passed its deadline while nobody looked; before the first agent is let in. */
  recover(): Promise<void>;
  close(): Promise<void>;
}

/** Joins the parts of jobs; decides nothing. */
export function createJobs(options: JobsOptions): Jobs {
  const { store, commits, bus, clock, log, keys } = options;
  const files = createOutputStore(options.outputDirectory);
  const expiry = createExpiry({ commits, bus, clock, log });
  const output = createOutputIntake({ store, commits, files, bus, clock });
  const dispatch = createDispatch({
    commits,
    sessionOf: options.sessionOf,
    bus,
    clock,
    log,
    locks: options.locks,
  });
  const ingest = createIngest({ store, commits, output, expiry, bus, clock });
  const { outputCap, hooks = {} } = options;
  let engine: RolloutEngine | undefined;
  const onRollout = (organizationId: OrganizationId, jobId: JobId) => engine?.watch(organizationId, jobId);
  const parts = { commits, keys, dispatch, expiry, bus, clock, outputCap, onRollout };
  const submit = createSubmit({ ...parts, hooks });
  const releaser = createReleaser({ ...parts, hooks });
  const rollouts = createRolloutEngine({ store, commits, keys, releaser, submit, bus, clock, log });
  engine = rollouts;
  const cancel = createCancel({ store, commits, dispatch, bus, clock });
  const retention = createRetention({ store, commits, files, clock, log, keepMs: options.keepMs });
  return {
    submit,
    release: releaser.release,
    releaseHeld: createReleaseHeld({ commits, keys, releaser, bus, clock }),
    endHeld,
    preview: createPreview({ store, clock, hooks }),
    retry: createRetry({ store, submit }),
    control: createControl({ commits, bus, clock, onRollout }),
    groups: createGroups({ store, commits, files }),
    cancel,
    events: createJobEvents({ store, files, bus, clock }),
    files,
    traffic: {
      async opened(session, hello, resumed) {
        if (!resumed) await stayAhead({ commits, clock, log }, session, hello);
        await dispatch.opened(session, hello, resumed);
        rollouts.agentCame();
      },
      freed: dispatch.freed,
      state: ingest.state,
      result: ingest.result,
      output: ingest.output,
    },
    async recover() {
      await expiry.sweep();
      await cancel.recover();
      await rollouts.recover();
    },
    async close() {
      await rollouts.close();
      await retention.close();
      expiry.close();
      ingest.flush();
      await output.idle();
      await files.close();
    },
  };
}
