import type { Guarantee } from './guarantee.ts';
import { CERTIFICATE_GUARANTEES } from './guarantees-certificates.ts';
import { DELIVERY_GUARANTEES } from './guarantees-delivery.ts';
import { FAULT_GUARANTEES } from './guarantees-faults.ts';
import { MACHINE_GUARANTEES } from './guarantees-machines.ts';

/**
 * What the product promises, as data. A test that proves a promise cites its id in its name, like `[delivery-1]`;
 * `test/coverage.test.ts` fails for a promise that no test cites, and for an id that stands nowhere here.
 */
export const GUARANTEES: readonly Guarantee[] = [
  ...MACHINE_GUARANTEES,
  ...CERTIFICATE_GUARANTEES,
  ...DELIVERY_GUARANTEES,
  ...FAULT_GUARANTEES,
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
    id: 'schedule-1',
    text: 'An occurrence of a schedule starts once, never before its time, and on machines that carry it also while they are cut off.',
  },
  {
    id: 'rest-1',
    text: 'The OpenAPI document describes every answer of the REST API, and no request makes a server error.',
  },
  { id: 'rest-2', text: 'A POST with an Idempotency-Key is done once; a repeat gets the first answer.' },
  { id: 'rest-3', text: 'A POST that failed half-way is not done again by the same Idempotency-Key.' },
  { id: 'rest-4', text: 'Lists come page by page, each item once, and none ends early in silence.' },
  { id: 'rest-5', text: 'What runs later needs the right of what it does, as a job does.' },
  { id: 'rest-6', text: 'Who asks too often gets 429 with Retry-After and a problem.' },
  {
    id: 'tenancy-1',
    text: 'Without credentials that count, also revoked, expired and ended ones, every route for people answers 401.',
  },
  {
    id: 'tenancy-2',
    text: 'For the users of one organization another one and its objects do not exist, and no answer holds any of it.',
  },
  {
    id: 'tenancy-3',
    text: 'Each role may do what it has the right for, on every route, and is refused the rest.',
  },
  { id: 'tenancy-4', text: 'An API token does no more than its scopes and its role together allow.' },
  { id: 'tenancy-5', text: 'What is for agents opens to the certificate of that very agent alone.' },
  { id: 'tenancy-6', text: 'Every query on what belongs to an organization names the organization.' },
  {
    id: 'tenancy-7',
    text: 'Nobody grants more than he has: neither by roles of users nor by API tokens.',
  },
  {
    id: 'tenancy-8',
    text: 'An API token of a user never does more than that user may by now; of who is disabled or removed it is refused.',
  },
  {
    id: 'session-1',
    text: 'A session ends with logging out, its idle and its whole time, another password, another role and a disabled account.',
  },
  {
    id: 'session-2',
    text: 'Streams and terminals that are open end at once when the right for them does.',
  },
  {
    id: 'session-3',
    text: 'A session’s token is renewed while it is used; the one before, coming again later, ends the session.',
  },
  {
    id: 'oidc-1',
    text: 'A login by OpenID Connect counts only with the state, nonce, code and issuer of the login that this browser began.',
  },
  { id: 'oidc-2', text: 'Roles that groups gave are gone at the next login without the group.' },
  {
    id: 'rate-1',
    text: 'A user or API token that asks too often is told when to come back; others are not slowed down.',
  },
  {
    id: 'logs-1',
    text: 'An analysis of a log counts each line that it read once, in an event and in a pattern, whatever the lines hold.',
  },
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
  {
    id: 'page-2',
    text: 'Every page of the dashboard can be used on a phone, in light and dark, without a serious finding of axe.',
  },
  {
    id: 'audit-1',
    text: 'Verification of the audit log names the first event that was changed, deleted, put in, swapped or cut off, and sees a whole log that was hashed or signed anew.',
  },
  {
    id: 'audit-2',
    text: 'Every event is sealed into its log within a second, once and in order, whatever is killed meanwhile.',
  },
  {
    id: 'audit-3',
    text: 'An erased person’s names and addresses are gone from the audit log and cannot be guessed from it, and the log still verifies.',
  },
  {
    id: 'audit-4',
    text: 'Retention drops the oldest events under a signed checkpoint, and every earlier checkpoint can still be proven.',
  },
  {
    id: 'audit-5',
    text: 'An export of the audit log verifies with nothing but the file and the key that was kept apart from it.',
  },
  {
    id: 'audit-6',
    text: 'Agents keep the newest checkpoint of their organization’s log and refuse one that does not continue it: an orchestrator that goes back raises an alarm.',
  },
  {
    id: 'audit-7',
    text: 'The orchestrator keeps and counter-signs the head of each agent’s own audit log, and raises an alarm when it goes back.',
  },
  {
    id: 'audit-8',
    text: 'Copies of sealed events reach a webhook at least once and in order, and syslog as RFC 5424, however often a receiver fails.',
  },
  {
    id: 'call-1',
    text: 'A call of a tool is a signed command like any other and is in the audit log, and it stands in no list of jobs.',
  },
  {
    id: 'call-2',
    text: 'A call whose result nobody waits for any more is cancelled, and never runs later.',
  },
  {
    id: 'call-3',
    text: 'A tool is called, from the page or as a job, only by who has its right in the organization of the agent.',
  },
  {
    id: 'transfer-1',
    text: 'An upload that was cut at any byte goes on there, and a file is in its place only when it is what was sent.',
  },
  {
    id: 'transfer-2',
    text: 'A file of a VM is served as an attachment in a sandbox, from any byte on, and never as parts of two versions.',
  },
  {
    id: 'transfer-3',
    text: 'A file that changed since it was read is not overwritten by an edit of what it was.',
  },
  {
    id: 'metrics-1',
    text: 'The load of agents is kept for 7 days, coarser as it is older, with its peaks, in a row for ten heartbeats.',
  },
  { id: 'page-3', text: 'The dashboard writes a file only after it has shown what the change does.' },
  {
    id: 'logs-2',
    text: 'Packed and rotated logs and the journal are analyzed as one stream, and only what the policy lets the caller read.',
  },
  {
    id: 'logs-3',
    text: 'An analysis names what is new, rare, bursting, silent or changed between two windows, and is quiet where nothing is.',
  },
  {
    id: 'logs-4',
    text: 'An analysis does not hold up the agent, and ends with its thread when it is cancelled.',
  },
  { id: 'logs-5', text: 'The end of a log of any size is analyzed without reading what comes before it.' },
  {
    id: 'logs-6',
    text: 'Counts of a log’s analysis add up to the lines that were read, whatever the log holds and is filtered by.',
  },
  {
    id: 'retention-1',
    text: 'Ended jobs and their output go when they are older than --job-retention says, and nothing that is open or younger does.',
  },
];
