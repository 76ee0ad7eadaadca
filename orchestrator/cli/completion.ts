import { script } from '@bomb.sh/tab';
import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';

/** Constants that a shell cannot read twice, as it does when its set-up is read again. */
const READ_ONLY = /^readonly (ShellCompDirective\w+=\d+)$/gm;

/**
 * Two functions of the package bash-completion that the script of the library calls; many small systems are without it.
 * The words are put together again where bash breaks them, at `:` and `=`.
 */
const BASH_FALLBACK = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
  _get_comp_words_by_ref() {
    local line=\${COMP_LINE:0:COMP_POINT} at=0 index word
    words=() cword=-1
    for ((index = 0; index <= COMP_CWORD; index++)); do
      word=\${COMP_WORDS[index]}
      if ((index > 0)) && [[ -n $word && \${line:at:1} != [[:space:]] && ($word == [:=]* || \${words[cword]} == *[:=]) ]]; then
        words[cword]+=$word
      else
        while [[ \${line:at:1} == [[:space:]] ]]; do ((at += 1)); done
        words[++cword]=$word
      fi
      ((at += \${#word}))
    done
    cur=\${words[cword]} prev=
    if ((cword > 0)); then prev=\${words[cword - 1]}; fi
  }
fi
if ! declare -F __ltrim_colon_completions >/dev/null; then
  __ltrim_colon_completions() {
    [[ $1 == *:* && $COMP_WORDBREAKS == *:* ]] || return 0
    local before=\${1%"\${1##*:}"} index
    for index in "\${!COMPREPLY[@]}"; do COMPREPLY[index]=\${COMPREPLY[index]#"$before"}; done
  }
fi
`;

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
  return (shell === 'bash' ? BASH_FALLBACK : '') + text.replace(READ_ONLY, '$1');
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
