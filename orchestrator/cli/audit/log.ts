import type { Command } from 'commander';
import { withClientFlags } from '../client.ts';

/** Which log is meant: the organization's of --org, or the orchestrator's own. */
export interface LogFlags {
  system?: true;
}

export const scopeOf = (flags: LogFlags): 'organization' | 'all' => (flags.system ? 'all' : 'organization');

export const withLogFlags = (command: Command): Command =>
  withClientFlags(command).option(
    '--system',
    'the log of what concerns the whole orchestrator (logins, settings), not of an organization',
  );
