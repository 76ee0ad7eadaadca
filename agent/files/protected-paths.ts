import type { DiskLayout } from '../../protocol/disk-layout.ts';
import type { ProtectedPaths } from './access.ts';

/** State of the privileged side: replay marks, output and the audit chain of root's commands. */
const EXECUTOR_STATE = '/var/lib/vm-agent-exec';

/** What no tool touches on this installation. `files` are further ones outside its folders. */
export function protectedPaths(
  layout: DiskLayout,
  files: { config?: string | undefined; tlsKey?: string | undefined },
): ProtectedPaths {
  const given = (path: string | undefined) => (path === undefined ? [] : [path]);
  const unreadable = [layout.security, layout.state, EXECUTOR_STATE, ...given(files.tlsKey)];
  return {
    unreadable,
    unwritable: [
      ...unreadable,
      layout.root,
      layout.config,
      layout.trust,
      layout.log,
      layout.run,
      ...given(files.config),
    ],
  };
}
