import {
  BACKGROUND_TOOLS,
  backgroundCommandSchema,
  listCommandsArgumentsSchema,
  listCommandsSchema,
  readOutputArgumentsSchema,
  readOutputSchema,
  sendInputArgumentsSchema,
  sendInputSchema,
  stopCommandArgumentsSchema,
} from '../../protocol/background.ts';
import type { BackgroundCommands } from './background.ts';
import type { Tool, ToolAnnotations } from './tool.ts';

const READS: ToolAnnotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};
const ACTS: ToolAnnotations = {
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: false,
  openWorldHint: true,
};

interface Options {
  background: BackgroundCommands;
  enabled: boolean;
}

/** What a caller can do with commands that it started in the background. They are switched on and off with the shell. */
export function backgroundTools(options: Options): Tool[] {
  return [listTool(options), readTool(options), sendTool(options), stopTool(options)];
}

const common = ({ enabled }: Options, defaultTimeoutS: number) => ({
  group: 'shell',
  disabled: !enabled,
  defaultTimeoutS,
});

function listTool(options: Options): Tool<typeof listCommandsArgumentsSchema, typeof listCommandsSchema> {
  return {
    ...common(options, 15),
    name: BACKGROUND_TOOLS.list,
    title: 'List background commands',
    description: 'Your commands in the background, running ones and those that ended within the hour.',
    input: listCommandsArgumentsSchema,
    output: listCommandsSchema,
    annotations: READS,
    run: async ({ caller }) => ({
      kind: 'value',
      structured: { commands: options.background.list(caller) },
    }),
  };
}

function readTool(options: Options): Tool<typeof readOutputArgumentsSchema, typeof readOutputSchema> {
  return {
    ...common(options, 60),
    name: BACKGROUND_TOOLS.read,
    title: 'Read a background command’s output',
    description:
      'Output of a background command from an offset, at once or when there is more, and its state.',
    input: readOutputArgumentsSchema,
    output: readOutputSchema,
    annotations: READS,
    run: async ({ caller, signal }, args) => {
      const structured = await options.background.find(caller, args.id).read(args, signal);
      const { state, exit_code, next_offset, size, text } = structured;
      const end = exit_code === undefined ? state : `${state}, exit code ${exit_code}`;
      return { kind: 'value', structured, text: `${end}; next_offset ${next_offset} of ${size}\n${text}` };
    },
  };
}

function sendTool(options: Options): Tool<typeof sendInputArgumentsSchema, typeof sendInputSchema> {
  return {
    ...common(options, 15),
    name: BACKGROUND_TOOLS.send,
    title: 'Send input to a background command',
    description: 'Writes to the stdin of a background command that was started without stdin.',
    input: sendInputArgumentsSchema,
    output: sendInputSchema,
    annotations: ACTS,
    run: async ({ caller, signed }, { id, data, eof }) => {
      const command = options.background.find(caller, id);
      const sent = command.send(data, eof === true, signed);
      return { kind: 'value', structured: { id, state: command.status().state, sent_bytes: sent } };
    },
  };
}

function stopTool(options: Options): Tool<typeof stopCommandArgumentsSchema, typeof backgroundCommandSchema> {
  return {
    ...common(options, 30),
    name: BACKGROUND_TOOLS.stop,
    title: 'Stop a background command',
    description: 'Ends a background command and everything that it started, or sends it a signal.',
    input: stopCommandArgumentsSchema,
    output: backgroundCommandSchema,
    annotations: { ...ACTS, idempotentHint: true },
    run: async ({ caller }, { id, signal }) => {
      const command = options.background.find(caller, id);
      if (signal === undefined) await command.stop('cancelled');
      else await command.signal(signal);
      return { kind: 'value', structured: command.status() };
    },
  };
}
