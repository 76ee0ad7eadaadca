/**
 * What the product promises, as data. A test that proves a promise cites its id in its name, like `[delivery-1]`;
 * `test/coverage.test.ts` fails for a promise that no test cites, and for an id that stands nowhere here.
 */
export interface Guarantee {
  id: string;
  text: string;
}

export const GUARANTEES: readonly Guarantee[] = [
  {
    id: 'delivery-1',
    text: 'A command that the API accepted is on disk before the answer: a killed orchestrator runs it once after its restart.',
  },
  { id: 'delivery-2', text: 'A command starts at most once on its agent, whatever crashes or repeats.' },
  {
    id: 'delivery-3',
    text: 'A command whose outcome cannot be known ends as unknown and is never silently run again.',
  },
  { id: 'delivery-4', text: 'A result, once produced, is never lost and shows once.' },
  { id: 'delivery-5', text: 'Every command reaches a final state by its deadline.' },
  {
    id: 'delivery-6',
    text: 'An agent that is offline gets its commands when it returns, in order, until they expire.',
  },
  {
    id: 'delivery-7',
    text: 'The same Idempotency-Key gives the same job; with another request it is refused.',
  },
  {
    id: 'output-1',
    text: 'Stdout and stderr arrive apart and byte-exact, whatever they hold and however long they are.',
  },
  { id: 'output-2', text: 'A line reaches the caller before the next one is printed.' },
  { id: 'output-3', text: 'A command that passes its output cap ends with output_limit.' },
  {
    id: 'output-4',
    text: 'A reader of events that comes back with the last id it saw misses nothing and sees nothing twice.',
  },
  { id: 'process-1', text: 'Cancel and timeout end the whole tree of a command’s processes.' },
  {
    id: 'sandbox-1',
    text: 'By systemd’s own measure the daemon is exposed no more than 1.2, and its executor no more than 1.0.',
  },
  {
    id: 'sandbox-2',
    text: 'Code that runs inside the daemon can read no secret of the system, write outside its state, start a program or see other processes.',
  },
  {
    id: 'executor-1',
    text: 'Commands that are unsigned, altered, expired, replayed or another VM’s are refused by the executor, and each is in its audit log.',
  },
  {
    id: 'executor-2',
    text: 'Without a signature a caller has what the policy grants to local-api, as its user, and no more.',
  },
  {
    id: 'executor-3',
    text: 'Root on the VM may do through the executor what root may, noted in the audit log; who it is, the kernel says.',
  },
  {
    id: 'upgrade-1',
    text: 'Commands that run survive an upgrade of their agent, with all of their output and their exit code.',
  },
  {
    id: 'upgrade-2',
    text: 'A new version that does not become healthy and connected is taken back by the old one, also after a reboot, with its reason.',
  },
  {
    id: 'upgrade-3',
    text: 'An upgrade that is killed at any point leaves one version that works, and the next run completes it.',
  },
  {
    id: 'secret-3',
    text: 'A command’s text, environment and input can be read by its user and root alone.',
  },
  {
    id: 'enroll-1',
    text: 'The installer sends nothing to an orchestrator whose CA is not the one that its token names.',
  },
  { id: 'enroll-2', text: 'A one-use token enrolls exactly one machine, however many try at once.' },
  { id: 'enroll-3', text: 'The same token with the same key is answered again with the same certificate.' },
  {
    id: 'enroll-4',
    text: 'Running the installer twice changes nothing; a run that was interrupted at any step is finished by the next.',
  },
  { id: 'enroll-5', text: 'Each failure of the installer has its own message that says what to do.' },
  {
    id: 'remove-1',
    text: 'An uninstalled agent is ended at its orchestrator and leaves no file, user, unit or process of ours behind.',
  },
  { id: 'remove-2', text: 'An uninstallation that was interrupted at any step is finished by the next.' },
  { id: 'identity-1', text: 'The CA takes the public key from a CSR and nothing else.' },
  {
    id: 'identity-2',
    text: 'An agent’s certificate opens neither another agent’s paths nor the users’ part of the orchestrator.',
  },
  { id: 'identity-3', text: 'An agent refuses a server that shows an agent’s certificate.' },
  { id: 'identity-4', text: 'A revoked agent’s live connection is closed and it cannot come back.' },
  {
    id: 'command-1',
    text: 'An agent runs only commands that are signed for it, in time, with a sequence number that it has not seen.',
  },
  {
    id: 'secret-1',
    text: 'Private keys and API keys are readable by their owner alone from their first instant.',
  },
  {
    id: 'secret-2',
    text: 'Token and API key are in no command line, environment of another process, unit, journal, log or message.',
  },
  {
    id: 'mcp-1',
    text: 'The agent’s MCP endpoint meets the official conformance suite’s requirements of 2026-07-28 and of 2025-11-25.',
  },
  {
    id: 'mcp-2',
    text: 'A call that is cancelled, or whose client disconnects, leaves no process after a second, for clients of both eras.',
  },
  {
    id: 'mcp-3',
    text: 'Answers of clients that work at once never cross, although their request ids are equal.',
  },
  {
    id: 'mcp-4',
    text: 'Without the API key or a granted client certificate nobody reaches a tool; foreign hosts and origins are turned away first.',
  },
  {
    id: 'files-1',
    text: 'No path leads a file tool out of the folders that the policy grants, or to devices, processes and the agent’s own files.',
  },
  { id: 'files-2', text: 'Everyday links are read; a granted folder may itself be reached through a link.' },
  { id: 'files-3', text: 'Who swaps folders for links while a file is read or written gains nothing.' },
  {
    id: 'files-4',
    text: 'An edit changes what it names and nothing else: the rest of the file, its tail and its line ends stay.',
  },
  { id: 'files-5', text: 'Reading a part of a file of any size takes little memory.' },
  {
    id: 'policy-1',
    text: 'What policy.yaml does not grant to a caller is refused by whichever door it comes; an invalid policy refuses all.',
  },
  {
    id: 'container-1',
    text: 'An agent’s container needs its token at the first start alone, and comes back as the same agent from its volume.',
  },
  {
    id: 'container-2',
    text: 'No process in an agent’s container has the provisioning token in its environment, and no file of its volume holds it.',
  },
  {
    id: 'cloud-1',
    text: 'After enrolment by user-data the token is in no file, log, journal or program’s output of the machine, also after a reboot.',
  },
  {
    id: 'cloud-2',
    text: 'A copy of a disk with another instance id neither runs as the original nor enrolls with its token, and says so.',
  },
  {
    id: 'token-1',
    text: 'A token with a rate enrolls no more machines within its time, however many come at once.',
  },
  {
    id: 'fleet-1',
    text: 'pulumi up makes every host of a fleet an agent, with its labels, and a second one changes nothing.',
  },
  {
    id: 'fleet-2',
    text: 'A change of how a host is reached touches nothing on it: its agent goes on, and no token is made.',
  },
  {
    id: 'fleet-3',
    text: 'A new version comes to a fleet in place and in waves, and the commands that run meanwhile do not notice.',
  },
  {
    id: 'fleet-4',
    text: 'A host that fails, fails alone; when more fail than may, later waves are left as they are.',
  },
  {
    id: 'fleet-5',
    text: 'An agent that is gone shows in pulumi preview, and pulumi up repairs that host and no other.',
  },
  {
    id: 'fleet-6',
    text: 'Adding and removing hosts touches those and no other; what is removed leaves nothing, and a host with a wrong key gets nothing.',
  },
  { id: 'fleet-7', text: 'pulumi destroy leaves nothing on the hosts and no agent at the orchestrator.' },
  {
    id: 'fleet-8',
    text: 'Provisioning tokens, the API token and SSH keys are in clear neither in Pulumi’s state nor in what it prints or logs.',
  },
  {
    id: 'fleet-9',
    text: 'While the orchestrator cannot be reached, pulumi up fails and takes no agent off its host, with --continue-on-error too.',
  },
  { id: 'fleet-10', text: 'A host that is renamed in the program is still an agent after pulumi up.' },
  {
    id: 'terminal-1',
    text: 'Everything that was started in a terminal ends with it, whatever it detached to.',
  },
  { id: 'terminal-2', text: 'A terminal ends when nobody uses it, and at its time limit.' },
  {
    id: 'terminal-3',
    text: 'Input that is forged, for another terminal, out of order or repeated does not reach a terminal.',
  },
  {
    id: 'terminal-4',
    text: 'Whoever opens a terminal is asked for credentials, origin and right, and again while it is open.',
  },
  { id: 'terminal-5', text: 'Nobody sits down at another person’s terminal.' },
  { id: 'terminal-6', text: 'A recording holds what a terminal showed and not what was typed.' },
  {
    id: 'terminal-7',
    text: 'A recording survives a crash of the orchestrator, and no terminal goes on unrecorded.',
  },
  {
    id: 'terminal-8',
    text: 'A terminal’s output acts on nothing of the page: no title, no clipboard, no link.',
  },
  { id: 'page-1', text: 'Text from a VM never becomes markup in the dashboard.' },
];
