import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Labels, parseLabel } from '../protocol/provisioning-token.ts';
import { exitCodeTable } from './exit-codes.ts';

/** What the command line says, as commander hands it on. */
export interface InstallFlags {
  provisioningToken?: string;
  tokenStdin?: boolean;
  tokenFile?: string;
  serverUrl?: string;
  orchestratorUrl?: string;
  caFile?: string;
  skipDependencies?: boolean;
  forceReinstall?: boolean;
  sameMachine?: boolean;
  debug?: boolean;
  user?: boolean;
  home?: string;
  label?: Labels;
  port?: number;
  privilegedExecutor: boolean;
  dryRun?: boolean;
  artifacts?: string;
}

const collectLabel = (text: string, before: Labels | undefined): Labels => {
  const label = parseLabel(text);
  if (label === undefined)
    throw new InvalidArgumentError('It must look like key=value, such as env=prod or role=web.');
  return { ...before, [label[0]]: label[1] };
};

export const parsePort = (text: string): number => {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new InvalidArgumentError('It must be a number from 0 to 65535.');
  return port;
};

/** The options of the installer, the same for every way to start it. */
export function withInstallOptions(command: Command): Command {
  return command
    .option('--server-url <url>', 'address of the orchestrator, https://HOST:PORT (env: ORCHESTRATOR_URL)')
    .addOption(new Option('--orchestrator-url <url>', 'the same as --server-url').conflicts('serverUrl'))
    .option('--token-stdin', 'read the provisioning token from stdin: nobody else sees it')
    .option('--token-file <file>', 'read the provisioning token from a file')
    .option(
      '--provisioning-token <token>',
      'the token itself; visible to other users of this machine while this runs (env: PROVISIONING_TOKEN)',
    )
    .option(
      '--ca-file <file>',
      'take the orchestrator’s CA from a file; it must be the one that the token names',
    )
    .option('--label <key=value>', 'label that this machine reports; may be repeated', collectLabel)
    .option('--port <n>', 'port of the agent’s local interface (default 8080; 0: a free one)', parsePort)
    .option('--user', 'install for yourself: no root, no systemd')
    .option(
      '--home <dir>',
      'folder of such an installation (implies --user; default ~/.vm-agent; env: VM_AGENT_HOME)',
    )
    .option('--skip-dependencies', 'install no system packages')
    .option('--force-reinstall', 'replace the identity by a new one; keeps logs and configuration', false)
    .option('--same-machine', 'keep the identity although the platform gave this machine another instance id')
    .option('--no-privileged-executor', 'run commands inside the agent, with the rights of its user alone')
    .option('--dry-run', 'say what would be done, and change nothing')
    .option('--debug', 'show each command that is run, how long each step took, and where an error happened')
    .addOption(new Option('--artifacts <dir>', 'archives that were downloaded already').hideHelp());
}

export const EXIT_HELP = `\nExit codes:\n${exitCodeTable()}\n`;
