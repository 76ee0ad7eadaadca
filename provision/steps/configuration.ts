import { readFile, rm } from 'node:fs/promises';
import { Document, isMap, parseDocument } from 'yaml';
import { readSecurityFile } from '../../agent/identity/credentials.ts';
import { writeFileAtomic } from '../../base/atomic-file.ts';
import { loadConfig } from '../../base/config-file.ts';
import { agentConfigSchema } from '../../protocol/agent-config.ts';
import {
  configFile,
  directories,
  policyFile,
  RUN_USER,
  SERVICE_USER,
  UNIT_DIR,
} from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { InstallContext } from '../context.ts';
import { DEFAULT_POLICY_TEXT } from '../default-policy.ts';
import { exists, isAsPlanned, makeDirectory, ownerOf, setOwner, unfinishedFiles } from '../files.ts';
import { hasGroup } from '../host.ts';
import { plannedEntries } from '../planned-entries.ts';
import { choosePort } from '../port.ts';
import { readEnrolment } from '../records.ts';
import type { Step } from '../step.ts';
import { lastLine } from './system-dependencies.ts';

const HEADER = ` Configuration of vm-agent. \`vm-agent config show\` prints every key with its present value,
 \`vm-agent config validate\` checks this file. Changes take effect at the next start.`;

type Values = readonly (readonly [path: readonly string[], value: unknown])[];

export function configuration(
  ctx: Pick<
    InstallContext,
    | 'layout'
    | 'mode'
    | 'owners'
    | 'host'
    | 'server'
    | 'labels'
    | 'port'
    | 'note'
    | 'proxy'
    | 'privilegedExecutor'
  >,
): Step {
  const { layout, host } = ctx;
  const file = configFile(layout);
  const policy = policyFile(layout);
  const read = ({ path } = file) =>
    readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return undefined;
      throw cause;
    });
  const entries = () => plannedEntries(layout, ctx.mode);
  const users =
    ctx.mode === 'user'
      ? []
      : [
          { name: SERVICE_USER, home: layout.state },
          ...(ctx.privilegedExecutor ? [{ name: RUN_USER, home: '/' }] : []),
        ];
  // BusyBox makes users without a group of their own, and has no groupadd.
  const groupIsThere = async (name: string) =>
    (await hasGroup(name)) || (await host.which('groupadd')) === undefined;
  const missingUsers = async () => {
    const there = await Promise.all(
      users.map(async ({ name }) => (await host.userIds(name)) !== undefined && (await groupIsThere(name))),
    );
    return users.filter((_, index) => !there[index]);
  };
  const unfinished = async () => [
    ...(await unfinishedFiles([layout.security, layout.trust, layout.config])),
    ...(ctx.mode === 'system' ? await unfinishedFiles([UNIT_DIR], SERVICE_USER) : []),
  ];

  return {
    id: 'configuration',
    title: 'Configuration, user and permissions',
    async isDone() {
      const text = await read();
      if (text === undefined || !(await exists(policy.path)) || (await missingUsers()).length > 0)
        return false;
      if ((await unfinished()).length > 0) return false;
      const document = parseDocument(text);
      // Port 0 asks for any free one: the one that was chosen before will do.
      const wanted = await valuesToSet(ctx.port === 0 ? undefined : ctx.port);
      if (wanted.some(([path, value]) => !same(document.getIn(path), value))) return false;
      const owners = await ctx.owners();
      for (const entry of await entries()) if (!(await isAsPlanned(entry, owners))) return false;
      return true;
    },
    async apply() {
      for (const user of await missingUsers()) await createUser(user);
      const owners = await ctx.owners();
      for (const { path, mode } of directories(layout)) await makeDirectory(path, mode);
      for (const path of await unfinished()) await rm(path, { force: true });
      const text = await read();
      const document = documentOf(text, file.path);
      const configured = document.getIn(['server', 'port']);
      const port = await choosePort({
        ...ctx,
        configured: typeof configured === 'number' ? configured : undefined,
      });
      for (const [path, value] of await valuesToSet(port)) document.setIn(path, value);
      const next = document.toString();
      loadConfig({ schema: agentConfigSchema, source: file.path, file: next });
      if (next !== text)
        await writeFileAtomic(file.path, next, { mode: file.mode, owner: ownerOf(file, owners) });
      // The policy is its owner's: it is written once and never changed.
      if (!(await exists(policy.path)))
        await writeFileAtomic(policy.path, DEFAULT_POLICY_TEXT, {
          mode: policy.mode,
          owner: ownerOf(policy, owners),
        });
      for (const entry of await entries()) await setOwner(entry, owners);
      return file.path;
    },
    async undo() {
      await rm(file.path, { force: true });
      if ((await read(policy)) === DEFAULT_POLICY_TEXT) await rm(policy.path, { force: true });
    },
  };

  /** What the file must say; everything else in it is its owner's. */
  async function valuesToSet(port: number | undefined): Promise<Values> {
    const answer = (await readEnrolment(layout))?.answer;
    const labels = Object.entries(ctx.labels);
    return [
      [['agent', 'id'], await readSecurityFile(layout, 'vmId')],
      ...labels.map(([key, value]) => [['agent', 'labels', key], value] as const),
      ...(port === undefined ? [] : [[['server', 'port'], port] as const]),
      [['orchestrator', 'url'], ctx.server.origin],
      // A service has no such environment: what led here is written down for it.
      ...Object.entries(ctx.proxy ?? {}).map(
        ([key, value]) => [['orchestrator', 'proxy', key], value] as const,
      ),
      [['orchestrator', 'websocket_url'], await readSecurityFile(layout, 'websocketUrl')],
      [['orchestrator', 'agent_id'], await readSecurityFile(layout, 'agentId')],
      ...(answer === undefined
        ? []
        : [[['orchestrator', 'heartbeat_interval'], answer.heartbeat_interval] as const]),
    ];
  }

  async function createUser({ name, home }: { name: string; home: string }): Promise<void> {
    const ids = await host.userIds(name);
    // Users are written before groups: a power cut may have come in between.
    if (ids !== undefined) return createGroup(name, ids.gid);
    const shell = (await host.which('nologin')) ?? '/bin/false';
    const useradd = await host.which('useradd');
    const made =
      useradd === undefined
        ? // BusyBox has adduser alone, with options of its own.
          await host.run((await host.which('adduser')) ?? 'adduser', [
            '-S',
            '-D',
            '-H',
            '-h',
            home,
            '-s',
            shell,
            name,
          ])
        : await host.run(useradd, [
            '--system',
            '--user-group',
            '--no-create-home',
            '--home-dir',
            home,
            '--shell',
            shell,
            '--comment',
            'vm-agent',
            name,
          ]);
    if (made.code === 0 && (await host.userIds(name)) !== undefined) return;
    throw new AppError('step_failed', {
      detail: `The user ${name} could not be made: ${lastLine(made.stderr) || `exit code ${made.code}`}`,
      hint: `Make a system user ${name} with a group of the same name, and run this again.`,
    });
  }

  async function createGroup(name: string, gid: number): Promise<void> {
    const { code, stderr } = await host.run('groupadd', ['--system', '--gid', String(gid), name]);
    if (code === 0) return;
    throw new AppError('step_failed', {
      detail: `The user ${name} has no group of its name, and that could not be made: ${lastLine(stderr) || `exit code ${code}`}`,
      hint: `Make the group ${name} with the id ${gid}, and run this again.`,
    });
  }
}

const same = (present: unknown, wanted: unknown): boolean => present === wanted;

function documentOf(text: string | undefined, path: string): Document {
  if (text !== undefined) {
    const document = parseDocument(text);
    if (document.errors.length === 0 && isMap(document.contents)) return document as unknown as Document;
    throw new AppError('config_invalid', {
      detail: `${path} cannot be understood: ${document.errors[0]?.message ?? 'it is no mapping'}`,
      hint: `Correct it, or move it away, and run this again.`,
    });
  }
  const document = new Document({});
  document.commentBefore = HEADER;
  return document;
}
