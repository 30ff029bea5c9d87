#compdef staffetta
# zsh completion of staffetta: `staffetta completion zsh`. Options are asked of the program's own --help.
_staffetta() {
    local -a commands
    commands=(
@COMMANDS@
    )
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    case $words[CURRENT-1] in
        --site|--state|--dev|--luacats) _files -/; return ;;
        --output) compadd human json $($words[1] $words[2] --help 2>/dev/null | grep -om1 ndjson); return ;;
        --plan|--out) _files; return ;;
    esac
    if [[ $PREFIX == -* ]]; then
        compadd -- ${(fu)"$($words[1] $words[2] --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*')"}
        return
    fi
    case $words[2] in
@VERBS@
        run|plan) compadd -- ${(f)"$($words[1] scripts list 2>/dev/null | awk '$1 == "playbook" { print $2 }')"} ;;
    esac
    _files
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _staffetta "$@"; else compdef _staffetta staffetta; fi
