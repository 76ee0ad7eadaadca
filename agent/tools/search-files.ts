import type { z } from 'zod';
import { AppError } from '../../protocol/errors.ts';
import {
  type SearchFiles,
  searchFilesArgumentsSchema,
  searchFilesSchema,
} from '../../protocol/file-tools.ts';
import { fileError } from '../files/file-error.ts';
import { compileGlob, type GlobTest } from '../files/glob.ts';
import { grepFile, type LineMatch } from '../files/grep.ts';
import { openDirectory } from '../files/open-for-read.ts';
import { compileMatcher, type LineMatcher } from '../files/pattern.ts';
import { type TreeEntry, walkTree } from '../files/tree.ts';
import { identitiesOf } from '../files/walk.ts';
import type { FileToolOptions } from './file-options.ts';
import type { Tool, ToolContext, ToolEnd } from './tool.ts';

/** A search that takes longer answers what it has. */
const MAX_MS = 30_000;
const REPORT_EVERY_MS = 5000;
/** Characters of matches, which an answer carries twice. */
const MAX_TEXT = 48 * 1024;

type Arguments = z.output<typeof searchFilesArgumentsSchema>;
type Match = SearchFiles['matches'][number];

/** Files by name, or lines by what they say. */
export function searchFilesTool(
  options: FileToolOptions,
): Tool<typeof searchFilesArgumentsSchema, typeof searchFilesSchema> {
  return {
    name: 'search_files',
    group: 'file',
    title: 'Search files',
    description:
      'Searches below a directory: lines that match pattern, or names that match glob. Links are not followed.',
    input: searchFilesArgumentsSchema,
    output: searchFilesSchema,
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    disabled: !options.enabled,
    defaultTimeoutS: 60,
    run: (context, args) => searchFiles(options, context, args),
  };
}

async function searchFiles(
  options: FileToolOptions,
  context: ToolContext,
  args: Arguments,
): Promise<ToolEnd> {
  const { signal, access } = context;
  const { protectedPaths } = options;
  if (args.pattern === undefined && args.glob === undefined)
    throw new AppError('bad_request', {
      detail: 'Say what to search: glob for names, pattern for lines, or both.',
    });
  const fold = (text: string) => (args.ignore_case ? text.toLowerCase() : text);
  const glob = args.glob === undefined ? () => true : compileGlob(fold(args.glob));
  const matcher =
    args.pattern === undefined
      ? undefined
      : compileMatcher(args.pattern, { literal: args.literal, ignoreCase: args.ignore_case });
  await using root = await openDirectory(args.directory_path, { access, protectedPaths });
  const search = new Search({ context, args, matcher, maxFileSize: options.maxFileSize });
  const passOver = await identitiesOf(protectedPaths.unreadable);
  const unreadable = () => search.skip('unreadable');
  try {
    for await (const entry of walkTree(root, {
      hidden: args.hidden,
      passOver,
      signal,
      onUnreadable: unreadable,
    }))
      if (!(await search.visit(entry, (path) => glob(fold(path))))) break;
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw fileError(cause, root.path, 'search');
  }
  const structured = search.answer(root.path);
  return { kind: 'value', structured, text: textOf(structured) };
}

class Search {
  readonly #options: {
    context: ToolContext;
    args: Arguments;
    matcher: LineMatcher | undefined;
    maxFileSize: number;
  };
  readonly #matches: Match[] = [];
  readonly #skipped: NonNullable<SearchFiles['skipped']> = {};
  readonly #began: number;
  #reported = 0;
  #searched = 0;
  #length = 0;
  #stoppedBy: SearchFiles['stopped_by'];

  constructor(options: {
    context: ToolContext;
    args: Arguments;
    matcher: LineMatcher | undefined;
    maxFileSize: number;
  }) {
    this.#options = options;
    this.#began = options.context.clock.monotonic();
  }

  skip(why: keyof NonNullable<SearchFiles['skipped']>): void {
    this.#skipped[why] = (this.#skipped[why] ?? 0) + 1;
  }

  /** False when the search is over. */
  async visit(entry: TreeEntry, glob: GlobTest): Promise<boolean> {
    this.#checkTime();
    if (this.#stoppedBy !== undefined) return false;
    const { matcher } = this.#options;
    if (matcher === undefined) {
      this.#searched++;
      return glob(entry.path) ? this.#add({ file: entry.directory ? `${entry.path}/` : entry.path }) : true;
    }
    if (entry.directory || !glob(entry.path)) return true;
    return this.#grep(entry, matcher);
  }

  async #grep(entry: TreeEntry, matcher: LineMatcher): Promise<boolean> {
    const { args, context, maxFileSize } = this.#options;
    const handle = await entry.openFile().catch(() => {
      this.skip('unreadable');
      return undefined;
    });
    if (handle === undefined) return true;
    try {
      const { size } = await handle.stat();
      if (size > maxFileSize) {
        this.skip('too_large');
        return true;
      }
      const onMatch = (match: LineMatch) => {
        this.#checkTime();
        return this.#add(matchOf(entry.path, match));
      };
      const options = { matcher, context: args.context, signal: context.signal, onMatch };
      if ((await grepFile(handle, size, options)) === 'binary') this.skip('binary');
      else this.#searched++;
    } catch (cause) {
      if (cause instanceof AppError || context.signal.aborted) throw cause;
      this.skip('unreadable');
    } finally {
      await handle.close();
    }
    return this.#stoppedBy === undefined;
  }

  /** False when there is room for no more. */
  #add(match: Match): boolean {
    if (this.#stoppedBy !== undefined) return false;
    if (this.#matches.length === this.#options.args.max_results) this.#stoppedBy = 'max_results';
    else {
      const length = JSON.stringify(match).length;
      if (this.#length + length > MAX_TEXT) this.#stoppedBy = 'size';
      else {
        this.#length += length;
        this.#matches.push(match);
      }
    }
    return this.#stoppedBy === undefined;
  }

  #checkTime(): void {
    const { clock, progress } = this.#options.context;
    const spent = clock.monotonic() - this.#began;
    if (spent > MAX_MS) this.#stoppedBy ??= 'time';
    if (spent - this.#reported < REPORT_EVERY_MS) return;
    this.#reported = spent;
    progress({
      progress: this.#searched,
      message: `${this.#searched} searched, ${this.#matches.length} found`,
    });
  }

  answer(path: string): SearchFiles {
    return {
      directory_path: path,
      matches: this.#matches,
      files_searched: this.#searched,
      ...(Object.keys(this.#skipped).length === 0 ? {} : { skipped: this.#skipped }),
      truncated: this.#stoppedBy !== undefined,
      ...(this.#stoppedBy === undefined ? {} : { stopped_by: this.#stoppedBy }),
    };
  }
}

const matchOf = (file: string, { line, text, before, after }: LineMatch): Match => ({
  file,
  line,
  text,
  ...(before.length > 0 ? { before } : {}),
  ...(after.length > 0 ? { after } : {}),
});

function textOf(found: SearchFiles): string {
  const lines = found.matches.flatMap(({ file, line, text, before = [], after = [] }) =>
    line === undefined
      ? [file]
      : [
          ...before.map((one, index) => `${file}-${line - before.length + index}-${one}`),
          `${file}:${line}:${text}`,
          ...after.map((one, index) => `${file}-${line + 1 + index}-${one}`),
        ],
  );
  const skipped = Object.entries(found.skipped ?? {}).map(
    ([why, count]) => `${count} ${why.replace('_', ' ')}`,
  );
  const why = {
    max_results: 'max_results was reached',
    size: 'the answer is full',
    time: 'it took too long',
  };
  const notes = [
    `${found.matches.length} found in ${found.directory_path}, ${found.files_searched} searched`,
    ...(skipped.length > 0 ? [`skipped: ${skipped.join(', ')}`] : []),
    ...(found.stopped_by === undefined
      ? []
      : [`stopped because ${why[found.stopped_by]}; narrow the search`]),
  ];
  return [...lines, `[${notes.join('; ')}]`].join('\n');
}
