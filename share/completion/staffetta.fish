# fish completion of staffetta: `staffetta completion fish`. Options are asked of the program's own --help.
function __staffetta_options
    set -l words (commandline -opc)
    test (count $words) -ge 2; or return
    $words[1] $words[2] --help 2>/dev/null | string match -ar -- '--[a-z][a-z-]*' | sort -u
end
function __staffetta_forms
    set -l words (commandline -opc)
    string split ' ' 'human json'
    $words[1] $words[2] --help 2>/dev/null | string match -r ndjson
end
@COMMANDS@
complete -c staffetta -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' -f -a '(__staffetta_options)'
complete -c staffetta -n 'not __fish_use_subcommand' -l site -l state -r -F
complete -c staffetta -n 'not __fish_use_subcommand' -l output -x -a '(__staffetta_forms)'
@VERBS@
complete -c staffetta -n '__fish_seen_subcommand_from run plan' -f \
    -a "(staffetta scripts list 2>/dev/null | string match -rg '^playbook +(\S+)')"
