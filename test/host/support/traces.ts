import type { Machine } from '../harness/machine.ts';

/** Names of ours anywhere on a machine's disk, in its accounts, among its processes and its units; empty: nothing. */
export async function traces(machine: Machine): Promise<string> {
  const { out } = await machine.runOk(
    `find / /run /tmp /dev/shm -xdev \\( -iname '*vm-agent*' -o -iname '*vm_agent*' -o -iname 'vmagent*' \\) -not -path '/proc/*'
     grep -l vm-agent /etc/passwd /etc/group /etc/shadow /etc/gshadow
     pgrep -f 'vm-agent[.]mjs'
     systemctl list-units --all --plain --no-legend 'vm-agent*' 'vmagent*'
     systemctl list-unit-files --no-legend 'vm-agent*' 'vmagent*'
     true`,
  );
  return out;
}
