# Asks as bash-completion does: LINE is what was typed; NEW_WORD=yes when a space follows it.
_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}; prev=${words[cword-1]}; }
__ltrim_colon_completions() { :; }
source <(vm-orchestrator completion bash)
source <(vm-orchestrator completion bash)
read -ra COMP_WORDS <<< "$LINE"
[ "$NEW_WORD" = yes ] && COMP_WORDS+=('')
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
$(complete -p vm-orchestrator | sed 's/.*-F \([^ ]*\).*/\1/')
printf '%s\n' "${COMPREPLY[@]}"
