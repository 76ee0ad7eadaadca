import { asRoot } from './shell.ts';

/** The command that takes the agent off a host; nothing to do is a success. */
export const uninstallCommand = (purge: boolean): string =>
  asRoot(`set -eu
umask 077
program=/usr/local/bin/vm-agent
[ -x "$program" ] || program=/opt/vm-agent/current/bin/vm-agent
if [ ! -x "$program" ]; then
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
echo "vm-agent: removed"
`);
