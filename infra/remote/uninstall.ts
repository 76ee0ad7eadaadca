import { diskLayout } from '../../protocol/disk-layout.ts';
import { shellQuote } from '../../protocol/shell-quote.ts';
import { HOST_LABEL } from '../program/request.ts';
import { LABEL_FUNCTIONS } from './labels.ts';
import { asRoot } from './shell.ts';

/**
 * The command that takes the agent off a host; nothing to do is a success, and so is an agent that has become another
 * host of a program meanwhile: when a host is renamed, its new name is installed before the old one is removed. An
 * agent that says nothing of a host is taken off: an installation that did not come to its end has written no label.
 */
export const uninstallCommand = ({ host, purge }: { host: string; purge: boolean }): string => {
  const layout = diskLayout();
  return asRoot(`set -eu
umask 077
host=${shellQuote(host)} config=${layout.config}/agent_config.yaml
${LABEL_FUNCTIONS}
present=$(label ${HOST_LABEL})
if [ -n "$present" ] && [ "$present" != "$host" ]; then
  echo "vm-agent: the agent belongs to another host, $present, and is left alone"
  exit 0
fi
program=/usr/local/bin/vm-agent
[ -x "$program" ] || program=${layout.current}/bin/vm-agent
if [ ! -x "$program" ]; then
  forget_labels
  echo "vm-agent: nothing to remove"
  exit 0
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "$program" uninstall --yes${purge ? ' --purge' : ''} >"$log" 2>&1; then
  echo "vm-agent: the removal failed" >&2
  tail -n 15 "$log" >&2
  exit 1
fi
# What is kept of the configuration must not make a later agent, enrolled in another way, this host.
forget_labels
echo "vm-agent: removed"
`);
};
