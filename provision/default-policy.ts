/** The policy that the installer writes: what holds without the file, spelled out so that its owner can tighten it. */
export const DEFAULT_POLICY_TEXT = `# What each kind of caller may do on this VM. Only root (in user mode: the user) may change this file; no tool can.
# A change holds from the next call on. An invalid file refuses every call: vm-agent config validate checks it.
#
# A caller without a grant may do nothing, and a grant without roots opens no file. Roots limit the file and log tools;
# they do not limit execute_shell_command, which may do whatever the user that it runs as may do. Whoever should be
# kept to some folders must not have that tool, nor its background commands.
#
# run_as is the user whose rights the tools have, and limits is what one command may take at most: memory (512MB, or a
# share: 50%), tasks, cpu_weight, timeout (seconds), output. The kernel enforces them. Both hold where the agent has its
# privileged executor; without it everything runs as the agent's own user. A grant of unrestricted root limits nothing.
version: 1

grants:
  # Commands that the orchestrator has signed. Without run_as they run as tools.shell_executor.run_as of
  # agent_config.yaml says: as root by default.
  orchestrator:
    tools:
      allow: ["*"]
      deny: []
    roots:
      read: [/]
      write: [/]
    limits:
      memory: 90%
      tasks: 16384

  # Programs that show this VM's API key (security/api_key), and whatever else nobody has signed: should the daemon be
  # hijacked, this is what it may do.
  local-api:
    tools:
      allow: ["*"]
      deny: []
    roots:
      read: [/]
      write: [/]
    run_as: vm-agent-run
    limits:
      memory: 50%
      tasks: 1024

  # A client certificate, by the id in it; without a grant it is refused. It narrows what local-api has, whose rights it
  # uses, and never widens it. For example one that only looks:
  # client:dashboard:
  #   tools:
  #     allow: [read_file, list_directory, search_files, analyze_log_file, tail_log, get_system_metrics]
  #   roots:
  #     read: [/var/log]
`;
