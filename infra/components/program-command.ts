import { local } from '@pulumi/command';
import * as pulumi from '@pulumi/pulumi';
import type { Action } from '../program/request.ts';
import { commandLine, PROGRAM } from '../program/text.ts';
import type { Orchestrator } from './orchestrator.ts';

export interface ProgramCommandArgs {
  orchestrator: Orchestrator;
  create: Action;
  /** Runs when an input changes, such as the API token; without it the provider would run `create` again. */
  update: Action;
  delete?: Action;
  /** Shape: request.ts. */
  request: pulumi.Input<object>;
  triggers?: pulumi.Input<pulumi.Input<string>[]>;
}

/** A command on the machine that runs Pulumi, which asks the orchestrator. What it prints is secret and not shown. */
export function programCommand(
  name: string,
  args: ProgramCommandArgs,
  opts: pulumi.CustomResourceOptions,
): local.Command {
  const { orchestrator, triggers } = args;
  return new local.Command(
    name,
    {
      create: commandLine(args.create),
      update: commandLine(args.update),
      ...(args.delete === undefined ? {} : { delete: commandLine(args.delete) }),
      stdin: PROGRAM,
      environment: {
        VM_ORCHESTRATOR_URL: orchestrator.url,
        // Only this user and root can read a process's environment; its arguments everybody can.
        VM_ORCHESTRATOR_API_TOKEN: orchestrator.apiToken,
        VM_ORCHESTRATOR_CA: orchestrator.ca,
        VM_ORCHESTRATOR_ORGANIZATION: orchestrator.organization,
        VM_AGENT_REQUEST: pulumi.output(args.request).apply((request) => JSON.stringify(request)),
      },
      ...(triggers === undefined ? {} : { triggers }),
      logging: 'none',
    },
    { ...opts, additionalSecretOutputs: ['stdout', 'stderr'] },
  );
}
