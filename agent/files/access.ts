/** What a call may touch, decided by the policy before the tool runs. Absolute paths; each covers what lies below it. */
export interface FileAccess {
  read: readonly string[];
  write: readonly string[];
}

/** The agent's own files, which no tool reads or changes whatever the policy says. They are recognised by device and inode. */
export interface ProtectedPaths {
  /** Keys, and the commands and output of others. */
  unreadable: readonly string[];
  /** What decides whom the agent trusts and what it does: identity, configuration, policy, program, state. */
  unwritable: readonly string[];
}

/** Whether `path` is `root` or lies below it; `/a-evil` does not lie below `/a`. Both without links, `.` and `..`. */
export const isWithin = (path: string, root: string): boolean =>
  root === '/' || path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`);
