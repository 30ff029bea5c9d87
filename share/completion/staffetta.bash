# bash completion of staffetta: `staffetta completion bash`. Options are asked of the program's own --help.
_staffetta() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W '@COMMANDS@' -- "$word")
        return
    fi
    case $before in
        --site | --state | --dev | --luacats) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --output)
            local forms='human json'
            "${COMP_WORDS[0]}" "$command" --help 2>/dev/null | grep -q ndjson && forms+=' ndjson'
            mapfile -t COMPREPLY < <(compgen -W "$forms" -- "$word")
            return ;;
        --plan | --out) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    esac
    if [[ $word == -* ]]; then
        local options
        options=$("${COMP_WORDS[0]}" "$command" --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*')
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word" | sort -u)
        return
    fi
    case $command in
@VERBS@
        run | plan)
            mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" scripts list 2>/dev/null |
                awk '$1 == "playbook" { print $2 }')" -- "$word") ;;
    esac
    ((${#COMPREPLY[@]})) || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _staffetta staffetta
