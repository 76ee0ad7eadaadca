/** The policy that the installer writes: what holds without the file, spelled out so that its owner can tighten it. */
export const DEFAULT_POLICY_TEXT = `# What each kind of caller may do on this VM. Only root (in user mode: the user) may change this file; no tool can.
# A change holds from the next call on. An invalid file refuses every call: vm-agent config validate checks it.
#
# A caller without a grant may do nothing, and a grant without roots opens no file. Roots limit the file and log tools;
# they do not limit execute_shell_command, which may do whatever the user that it runs as may do. Whoever should be
# kept to some folders must not have that tool, nor its background commands.
version: 1

grants:
  # Commands that the orchestrator has signed.
  orchestrator:
    tools:
      allow: ["*"]
      deny: []
    roots:
      read: [/]
      write: [/]

  # Programs that show this VM's API key (security/api_key).
  local-api:
    tools:
      allow: ["*"]
      deny: []
    roots:
      read: [/]
      write: [/]

  # A client certificate, by the id in it; without a grant it is refused. For example one that only looks:
  # client:dashboard:
  #   tools:
  #     allow: [read_file, list_directory, search_files, analyze_log_file, tail_log, get_system_metrics]
  #   roots:
  #     read: [/var/log]
`;
