"""``evalkit completion``: the scripts that have a shell complete evalkit's words; each asks ``evalkit complete``."""

import argparse
from collections.abc import Sequence

_BASH = r"""# evalkit's words at the TAB key. In ~/.bashrc: eval "$(evalkit completion bash)"
_evalkit() {
    local line="${COMP_LINE:0:COMP_POINT}" word candidate
    word="${line##*[[:space:]]}"
    # Readline completes from the last = or : on, so what stands before that is taken off the candidates.
    local kept="${word%"$2"}"
    COMPREPLY=()
    while IFS= read -r candidate; do
        [[ -n $candidate ]] && COMPREPLY+=("${candidate#"$kept"}")
    done < <(command evalkit complete "$line" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=.] ]]; then compopt -o nospace; fi
}
complete -o default -F _evalkit evalkit
"""
_ZSH = r"""#compdef evalkit
# evalkit's words at the TAB key. In ~/.zshrc, after compinit: eval "$(evalkit completion zsh)"
_evalkit() {
    local -a found open
    found=("${(@f)$(command evalkit complete "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    found=(${found:#})
    open=(${(M)found:#*[=.]})
    found=(${found:#*[=.]})
    if (( ! $#found && ! $#open )); then _files; return; fi
    (( $#open )) && compadd -Q -S '' -- $open
    (( $#found )) && compadd -Q -- $found
}
if [[ $funcstack[1] == _evalkit ]]; then _evalkit "$@"; else compdef _evalkit evalkit; fi
"""
_FISH = r"""# evalkit's words at the TAB key. In ~/.config/fish/config.fish: evalkit completion fish | source
complete -c evalkit -f -n 'not __fish_seen_subcommand_from report reproduce compare score wer' \
    -a '(command evalkit complete (commandline -cp | string collect) 2>/dev/null)'
complete -c evalkit -n '__fish_seen_subcommand_from report reproduce compare score wer' \
    -a '(command evalkit complete (commandline -cp | string collect) 2>/dev/null)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def command(arguments: Sequence[str]) -> int:
    """Print the script for a shell."""
    parser = argparse.ArgumentParser(
        prog="evalkit completion",
        description="Print the script that has a shell complete commands, models, tasks, suites and settings.",
    )
    parser.add_argument("shell", choices=_SCRIPTS, metavar="bash|zsh|fish")
    print(_SCRIPTS[parser.parse_args(arguments).shell], end="")
    return 0
