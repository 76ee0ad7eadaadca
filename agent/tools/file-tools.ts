import { listDirectoryTool } from './directory-list.ts';
import { downloadFileTool } from './file-download.ts';
import { editFileTool } from './file-edit.ts';
import { deleteFileTool, makeDirectoryTool, moveFileTool } from './file-manage.ts';
import type { FileToolOptions } from './file-options.ts';
import { readFileTool } from './file-read.ts';
import { uploadFileTool } from './file-upload.ts';
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
  downloadFileTool(options),
  uploadFileTool(options),
  makeDirectoryTool(options),
  moveFileTool(options),
  deleteFileTool(options),
];
