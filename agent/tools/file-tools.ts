import { listDirectoryTool } from './directory-list.ts';
import { editFileTool } from './file-edit.ts';
import type { FileToolOptions } from './file-options.ts';
import { readFileTool } from './file-read.ts';
import { writeFileTool } from './file-write.ts';
import { searchFilesTool } from './search-files.ts';
import type { Tool } from './tool.ts';

/** The tools of `tools.file_manager`. */
export const fileTools = (options: FileToolOptions): Tool[] => [
  readFileTool(options),
  writeFileTool(options),
  editFileTool(options),
  listDirectoryTool(options),
  searchFilesTool(options),
];
