import { shellQuote } from '../../protocol/shell-quote.ts';
import type { TerminalArguments } from '../../protocol/terminal.ts';

/**
 * What `/bin/sh` reads to become the login shell of its user. Accounts that nobody is to log in to have a program that
 * refuses as their shell; whoever is let in as such a user by the policy gets a real one.
 */
export function terminalScript({ term, command }: Pick<TerminalArguments, 'term' | 'command'>): string {
  return [
    's=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f7)',
    'case "$s" in ""|*/nologin|*/false|*/sync) s=/bin/bash;; esac',
    '[ -x "$s" ] || s=/bin/sh',
    `export SHELL="$s" TERM=${shellQuote(term)}`,
    'unset s',
    command === undefined ? 'exec "$SHELL" -l' : `exec "$SHELL" -c ${shellQuote(command)}`,
  ].join('\n');
}
