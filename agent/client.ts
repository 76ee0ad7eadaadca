/**
 * The client of one agent: what the command line uses, and what the package exports as `vm-agent/client`. Every
 * method is a tool of the agent or one of its endpoints; refusals are thrown as {@link AppError}.
 */
import type { z } from 'zod';
import {
  type AgentHealth,
  type AgentInfo,
  agentHealthSchema,
  agentInfoSchema,
} from '../protocol/agent-http.ts';
import {
  BACKGROUND_TOOLS,
  type BackgroundCommandStatus,
  backgroundCommandSchema,
  listCommandsSchema,
  type ReadOutput,
  type readOutputArgumentsSchema,
  readOutputSchema,
  type sendInputArgumentsSchema,
  sendInputSchema,
  type stopCommandArgumentsSchema,
} from '../protocol/background.ts';
import { AppError, type AppErrorOptions, type ErrorCode } from '../protocol/errors.ts';
import {
  type EditFile,
  type editFileArgumentsSchema,
  editFileSchema,
  type ListDirectory,
  type listDirectoryArgumentsSchema,
  listDirectorySchema,
  type ReadFile,
  type readFileArgumentsSchema,
  readFileSchema,
  type SearchFiles,
  type searchFilesArgumentsSchema,
  searchFilesSchema,
  type WriteFile,
  type writeFileArgumentsSchema,
  writeFileSchema,
} from '../protocol/file-tools.ts';
import {
  type AnalyzeLog,
  type analyzeLogArgumentsSchema,
  analyzeLogSchema,
  type TailLog,
  type tailLogArgumentsSchema,
  tailLogSchema,
} from '../protocol/log-tools.ts';
import {
  type ProcessList,
  type processListArgumentsSchema,
  processListSchema,
  type SystemMetrics,
  systemMetricsSchema,
} from '../protocol/system.ts';
import {
  type CommandOutput,
  commandOutputSchema,
  SHELL_TOOL,
  type ShellArguments,
} from '../protocol/tool-manifest.ts';
import { type AgentAddress, exchange, readText, refusal } from './client/exchange.ts';
import { ask, type CallOptions, callTool, type Progress } from './client/mcp-call.ts';

export type {
  AgentAddress,
  AgentHealth,
  AgentInfo,
  AnalyzeLog,
  AppErrorOptions,
  BackgroundCommandStatus,
  CallOptions,
  CommandOutput,
  EditFile,
  ErrorCode,
  ListDirectory,
  ProcessList,
  Progress,
  ReadFile,
  ReadOutput,
  SearchFiles,
  ShellArguments,
  SystemMetrics,
  TailLog,
  WriteFile,
};
export { AppError };

export interface ToolDescription {
  name: string;
  title?: string;
  description?: string;
  inputSchema: Record<string, unknown>;
  outputSchema?: Record<string, unknown>;
}

export class AgentClient {
  readonly #address: AgentAddress;

  constructor(address: AgentAddress) {
    this.#address = address;
  }

  get secure(): boolean {
    return new URL(this.#address.url).protocol === 'https:';
  }

  /** A client of the same agent that shows neither key nor certificate. */
  asStranger(): AgentClient {
    const { url, tls } = this.#address;
    return new AgentClient({ url, tls: { ca: tls?.ca, servername: tls?.servername } });
  }

  /** Runs a shell command to its end; with `background: true` it returns a `command_id` at once. */
  execute(args: ShellArguments, options?: CallOptions): Promise<CommandOutput> {
    return this.#tool(SHELL_TOOL, args, commandOutputSchema, options);
  }

  readFile(args: z.input<typeof readFileArgumentsSchema>, options?: CallOptions): Promise<ReadFile> {
    return this.#tool('read_file', args, readFileSchema, options);
  }

  writeFile(args: z.input<typeof writeFileArgumentsSchema>, options?: CallOptions): Promise<WriteFile> {
    return this.#tool('write_file', args, writeFileSchema, options);
  }

  editFile(args: z.input<typeof editFileArgumentsSchema>, options?: CallOptions): Promise<EditFile> {
    return this.#tool('edit_file', args, editFileSchema, options);
  }

  listDirectory(
    args: z.input<typeof listDirectoryArgumentsSchema>,
    options?: CallOptions,
  ): Promise<ListDirectory> {
    return this.#tool('list_directory', args, listDirectorySchema, options);
  }

  searchFiles(args: z.input<typeof searchFilesArgumentsSchema>, options?: CallOptions): Promise<SearchFiles> {
    return this.#tool('search_files', args, searchFilesSchema, options);
  }

  /** What the last lines of a log say, in short. */
  analyzeLog(args: z.input<typeof analyzeLogArgumentsSchema>, options?: CallOptions): Promise<AnalyzeLog> {
    return this.#tool('analyze_log_file', args, analyzeLogSchema, options);
  }

  tailLog(args: z.input<typeof tailLogArgumentsSchema>, options?: CallOptions): Promise<TailLog> {
    return this.#tool('tail_log', args, tailLogSchema, options);
  }

  systemMetrics(options?: CallOptions): Promise<SystemMetrics> {
    return this.#tool('get_system_metrics', {}, systemMetricsSchema, options);
  }

  processes(
    args: z.input<typeof processListArgumentsSchema> = {},
    options?: CallOptions,
  ): Promise<ProcessList> {
    return this.#tool('get_process_list', args, processListSchema, options);
  }

  async backgroundCommands(options?: CallOptions): Promise<BackgroundCommandStatus[]> {
    return (await this.#tool(BACKGROUND_TOOLS.list, {}, listCommandsSchema, options)).commands;
  }

  readOutput(args: z.input<typeof readOutputArgumentsSchema>, options?: CallOptions): Promise<ReadOutput> {
    return this.#tool(BACKGROUND_TOOLS.read, args, readOutputSchema, options);
  }

  sendInput(
    args: z.input<typeof sendInputArgumentsSchema>,
    options?: CallOptions,
  ): Promise<z.infer<typeof sendInputSchema>> {
    return this.#tool(BACKGROUND_TOOLS.send, args, sendInputSchema, options);
  }

  stopCommand(
    args: z.input<typeof stopCommandArgumentsSchema>,
    options?: CallOptions,
  ): Promise<BackgroundCommandStatus> {
    return this.#tool(BACKGROUND_TOOLS.stop, args, backgroundCommandSchema, options);
  }

  /** Any tool by its name, e.g. one of a newer agent. */
  call(
    name: string,
    args: Readonly<Record<string, unknown>> = {},
    options?: CallOptions,
  ): Promise<Record<string, unknown>> {
    return callTool(this.#address, name, args, options);
  }

  /** What the agent offers to this caller. */
  async tools(options?: CallOptions): Promise<ToolDescription[]> {
    const { tools } = await ask(this.#address, 'tools/list', {}, options);
    return tools as ToolDescription[];
  }

  /** How the agent is, also when it is not well. */
  async health(): Promise<AgentHealth> {
    return agentHealthSchema.parse(JSON.parse(await this.#get('/health', [200, 503])));
  }

  async info(): Promise<AgentInfo> {
    return agentInfoSchema.parse(JSON.parse(await this.#get('/info', [200])));
  }

  /** Prometheus text. */
  metricsText(): Promise<string> {
    return this.#get('/metrics', [200]);
  }

  /** The text at a path. */
  get(path: string): Promise<string> {
    return this.#get(path, [200]);
  }

  async #tool<T>(
    name: string,
    args: Readonly<Record<string, unknown>>,
    output: z.ZodType<T>,
    options?: CallOptions,
  ): Promise<T> {
    return output.parse(await callTool(this.#address, name, args, options));
  }

  async #get(path: string, accepted: readonly number[]): Promise<string> {
    const response = await exchange(this.#address, { method: 'GET', path });
    const text = await readText(response);
    const status = response.statusCode ?? 0;
    if (!accepted.includes(status)) throw refusal(status, text);
    return text;
  }
}
