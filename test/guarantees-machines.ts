import type { Guarantee } from './guarantee.ts';

/** What holds on one machine and between it and its orchestrator: delivery, enforcement, identity. */
export const MACHINE_GUARANTEES: readonly Guarantee[] = [
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
    id: 'rollout-1',
    text: 'A rollout stops at its threshold, and its report says exactly who ran, who did not and why.',
  },
  {
    id: 'rollout-2',
    text: 'A rollout keeps to its waves, its concurrency and its threshold, and ends by its deadline, whatever machines do.',
  },
  {
    id: 'rollout-3',
    text: 'A rollout whose orchestrator is killed at any moment goes on where it was; no machine runs it twice.',
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
  {
    id: 'approval-1',
    text: 'A job that meets an approval rule runs only after others than its requester have approved it; tokens of one person are one person.',
  },
  {
    id: 'approval-2',
    text: 'An approval is bound to the exact tool, arguments, limits and machines; what was changed since is not run.',
  },
  {
    id: 'approval-3',
    text: 'Where a machine’s policy demands approvers’ own signatures, its executor runs nothing that an orchestrator alone has signed, and takes no signature for anything but what it was given for.',
  },
  { id: 'approval-4', text: 'What nobody decides on in time ends as expired, and is never run.' },
  { id: 'approval-5', text: 'No pattern of a rule or policy can hold a program up.' },
  {
    id: 'lock-1',
    text: 'A lock stops what it names at submission, at dispatch and in live sessions, and says why.',
  },
  {
    id: 'lock-2',
    text: 'A locked user and his tokens are refused with the reason; a locked agent gets nothing.',
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
];
