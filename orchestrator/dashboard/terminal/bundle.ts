import { mountPlayer } from './player.ts';
import { mountTerminal } from './terminal.ts';

/** What the file of its own that pages load for terminals holds. */
export const terminalBundle = { mountPlayer, mountTerminal };
