import { readFile } from 'node:fs/promises';
import type { DiskLayout } from '../protocol/disk-layout.ts';
import { shellQuote } from '../protocol/shell-quote.ts';

/** Where a shell finds the command of an installation for the whole system. */
export const COMMAND_PATH = '/usr/local/bin/vm-agent';

const MARK = '# Left by an uninstallation of vm-agent that was interrupted.';

/**
 * What stands in the command's place while the programs go, so that a second `vm-agent uninstall` works at every
 * instant, also when there is no program left that could run it. The file goes by itself as the last of all.
 */
export const finisherScript = (layout: DiskLayout, command: string): string => `#!/bin/sh
${MARK}
case " $* " in
  *' --dry-run '* | *' --help '*) echo 'An uninstallation was interrupted; vm-agent uninstall finishes it.' && exit 0 ;;
  ' uninstall '*) ;;
  *) echo 'vm-agent was being removed from this machine; finish it by: vm-agent uninstall' >&2 && exit 1 ;;
esac
rm -rf ${shellQuote(layout.versions)} ${shellQuote(layout.current)} || exit 1
rmdir ${shellQuote(layout.root)} 2>/dev/null
rm -f ${shellQuote(command)}.????????????.tmp
rm -f ${shellQuote(command)} && echo 'Done: vm-agent is removed from this machine.' && exit 0
`;

export const isFinisher = async (path: string): Promise<boolean> =>
  (await readFile(path, 'utf8').catch(() => '')).includes(MARK);
