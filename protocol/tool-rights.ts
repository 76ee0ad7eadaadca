import type { Permission } from './roles.ts';
import { SHELL_TOOL } from './tool-manifest.ts';

/**
 * The right that somebody needs in the organization to call a tool, as a job or from the page. What opens a file of
 * the caller's choice counts as reading files, logs too: else who may only look at processes could read any file as one.
 */
const RIGHTS: Readonly<Record<string, Permission>> = {
  [SHELL_TOOL]: 'jobs.run',
  upgrade_agent: 'jobs.run',
  get_system_metrics: 'inspect.read',
  get_process_list: 'inspect.read',
  analyze_log_file: 'files.read',
  tail_log: 'files.read',
  read_file: 'files.read',
  list_directory: 'files.read',
  search_files: 'files.read',
  download_file: 'files.read',
  write_file: 'files.write',
  edit_file: 'files.write',
  upload_file: 'files.write',
  make_directory: 'files.write',
  move_file: 'files.write',
  delete_file: 'files.write',
};

/** What a tool does that is not in the table, only its author knows: it counts as running a command. */
export const rightFor = (tool: string): Permission =>
  Object.hasOwn(RIGHTS, tool) ? (RIGHTS[tool] ?? 'jobs.run') : 'jobs.run';
