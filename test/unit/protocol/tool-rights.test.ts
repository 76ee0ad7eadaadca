import { expect, it } from 'vitest';
import { rightFor } from '../../../protocol/tool-rights.ts';

it.each([
  ['read_file', 'files.read'],
  ['tail_log', 'files.read'],
  ['upload_file', 'files.write'],
  ['get_process_list', 'inspect.read'],
  ['execute_shell_command', 'jobs.run'],
  ['a_plugin_of_the_owner', 'jobs.run'],
  ['constructor', 'jobs.run'],
])('%s needs %s', (tool, right) => expect(rightFor(tool)).toBe(right));
