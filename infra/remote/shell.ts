import { shellQuote } from '../../protocol/shell-quote.ts';

/**
 * A command line that runs a POSIX script as root, whatever the user's shell is and whoever logs in: root itself, or
 * somebody who may sudo without a password. Stdin goes to the script.
 */
export function asRoot(script: string): string {
  const chosen =
    'if [ "$(id -u)" -eq 0 ]; then exec sh -c "$1"; fi; command -v sudo >/dev/null 2>&1 || { echo "vm-agent: needs root, and there is no sudo" >&2; exit 10; }; exec sudo -n sh -c "$1"';
  return `exec sh -c ${shellQuote(chosen)} sh ${shellQuote(script)}`;
}
