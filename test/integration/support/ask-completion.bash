# Asks as bash-completion does: LINE is what was typed; NEW_WORD=yes when a space follows it. PACKAGE=no: bash alone, on a
# system without the package bash-completion.
if [ "$PACKAGE" != no ]; then
_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}; prev=${words[cword-1]}; }
__ltrim_colon_completions() { :; }
fi
source <(vm-orchestrator completion bash)
source <(vm-orchestrator completion bash)
read -ra COMP_WORDS <<< "$LINE"
[ "$NEW_WORD" = yes ] && COMP_WORDS+=('')
COMP_LINE=$LINE COMP_POINT=${#LINE}
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
$(complete -p vm-orchestrator | sed 's/.*-F \([^ ]*\).*/\1/')
printf '%s\n' "${COMPREPLY[@]}"
