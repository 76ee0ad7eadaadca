/** One call of each tool, in an order that works. `$command_id` stands for the one that was answered last. */
export const callPlan = (
  folder: string,
): readonly (readonly [tool: string, args: Record<string, unknown>])[] => [
  ['execute_shell_command', { command: 'printf "a\\nb\\n"; printf c >&2; exit 3', cwd: '/tmp' }],
  ['execute_shell_command', { command: 'read line; echo "got $line"', background: true }],
  ['send_input', { id: '$command_id', data: 'ping\n' }],
  ['read_command_output', { id: '$command_id', wait_ms: 5000, until_regex: 'got' }],
  ['list_commands', {}],
  ['stop_command', { id: '$command_id' }],
  ['write_file', { file_path: `${folder}/note.txt`, content: 'one\ntwo ü\n' }],
  ['read_file', { file_path: `${folder}/note.txt` }],
  ['edit_file', { file_path: `${folder}/note.txt`, old_text: 'one', new_text: 'three' }],
  ['list_directory', { directory_path: folder }],
  ['search_files', { directory_path: folder, pattern: 'three' }],
  ['tail_log', { log_path: `${folder}/note.txt`, lines: 1 }],
  ['analyze_log_file', { log_path: `${folder}/note.txt`, lines: 10 }],
  ['get_system_metrics', {}],
  ['get_process_list', {}],
];
