# bash completion for pilaster-agent. busybox ash, Alpine's shell, has none for commands.
_pilaster_agent() {
	local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD - 1]}"
	case "$before" in
	--token-file)
		mapfile -t COMPREPLY < <(compgen -f -W "-" -- "$word")
		return
		;;
	--give-up-after)
		mapfile -t COMPREPLY < <(compgen -W "90s 5m 1h" -- "$word")
		return
		;;
	esac
	case "${COMP_WORDS[1]}" in
	join) [ "$COMP_CWORD" -gt 1 ] && mapfile -t COMPREPLY < <(compgen -W "--token-file --give-up-after --no-start --help" -- "$word") && return ;;
	run | status) [ "$COMP_CWORD" -gt 1 ] && mapfile -t COMPREPLY < <(compgen -W "--help" -- "$word") && return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "join run status --help --version" -- "$word")
}
complete -F _pilaster_agent pilaster-agent
