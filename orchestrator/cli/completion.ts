import { script } from '@bomb.sh/tab';
import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';

/** Constants that a shell cannot read twice, as it does when its set-up is read again. */
const READ_ONLY = /^readonly (ShellCompDirective\w+=\d+)$/gm;

/** The library prints its script; it has no way to return it. */
function scriptOf(shell: string, program: string): string {
  const { log } = console;
  let text = '';
  console.log = (line: string) => {
    text += `${line}\n`;
  };
  try {
    script(shell, program, program);
  } finally {
    console.log = log;
  }
  return text.replace(READ_ONLY, '$1');
}

/**
 * Adds `completion SHELL`, which prints what makes a shell complete this program's commands and options, and the hidden
 * `complete`, which the shell asks. Last of all: it reads the commands that are there.
 */
export function addCompletion(program: Command, write: (text: string) => void): void {
  tab(program, { completionCommandName: 'completion' });
  program.commands
    .find((command) => command.name() === 'completion')
    ?.description('print what makes a shell complete this command')
    .addHelpText(
      'after',
      `\nFor this shell:  source <(${program.name()} completion bash)\nFor every shell: ${program.name()} completion bash > /etc/bash_completion.d/${program.name()}`,
    )
    .action((shell: string) => write(scriptOf(shell, program.name())));
}
