#!/bin/sh
# The man pages, from what the program says of itself and from the pages in docs/: staffetta(1), staffetta-site(5),
# staffetta-scripts(7). Usage: tools/man.sh PROGRAM FOLDER
set -eu
program=$1 out=$2
root=$(cd "$(dirname "$0")/.." && pwd)
version=$("$program" version | cut -d' ' -f2)

# Text as it is: what roff would take for its own is escaped.
verbatim() {
    printf '.nf\n'
    sed -e 's/\\/\\e/g' -e "s/^[.']/\\\\\&&/" -e 's/-/\\-/g'
    printf '.fi\n'
}

begin() { # NAME SECTION SUMMARY
    printf '.\\" made by tools/man.sh\n.TH %s %s "" "staffetta %s"\n.SH NAME\n%s \\- %s\n' \
        "$(echo "$1" | tr '[:lower:]' '[:upper:]')" "$2" "$version" "$1" "$3"
}

exit_codes() {
    sed -n 's/^| \([0-9][0-9]*\) | \(.*\) | \(.*\) |$/.TP\n.B \1\n\2 (\3)/p' "$root/docs/exit-codes.md" | tr -d '`'
}

{
    begin staffetta 1 'IPsec policy for failover clusters: staged, proved, measured, undone'
    printf '.SH SYNOPSIS\n.B staffetta\n.I COMMAND\n[options]\n.SH DESCRIPTION\n'
    "$program" --help | sed '/^Usage/,$d'
    printf '.SH COMMANDS\n'
    "$program" --help | sed -n 's/^  \([a-z]*\)  *.*/\1/p' | while read -r command; do
        printf '.SS %s\n' "$command"
        "$program" "$command" --help | verbatim
    done
    printf '.SH EXIT STATUS\n'
    exit_codes
    printf '.SH FILES\n.TP\n.I /etc/staffetta/site\nthe site, unless \\-\\-site names another folder\n'
    printf '.TP\n.I /var/lib/staffetta\nthe journal, unless \\-\\-state names another folder\n'
    printf '.SH SEE ALSO\n.BR staffetta-site (5),\n.BR staffetta-scripts (7)\n'
} >"$out/staffetta.1"

{
    begin staffetta-site 5 "a site's hosts, clusters and budgets"
    printf '.SH DESCRIPTION\nThe file site.lua in the folder of a site returns one table. A relative path in it starts in '
    printf 'that folder.\n.SH FIELDS\n'
    "$program" docs site_file | verbatim
    printf '.SH EXAMPLE\n'
    sed "s/@NAME@/mysite/" "$root/share/new-site/site.lua" | verbatim
    printf '.SH SEE ALSO\n.BR staffetta (1),\n.BR staffetta-scripts (7)\n'
} >"$out/staffetta-site.5"

{
    begin staffetta-scripts 7 'playbooks and checks in Lua'
    printf '.SH DESCRIPTION\nScripts lie in the folders playbooks, checks, policies and lib of a site, of /etc/staffetta '
    printf 'and of the program; the first of a name is used.\n.SH MODULES\n'
    "$program" docs | verbatim
    printf '.SH WHAT A SCRIPT HAS\n'
    "$program" docs ctx | verbatim
    printf '.SH A CHECK\n'
    verbatim <"$root/share/new-site/checks/imap-greets.lua"
    printf '.SH A PLAYBOOK\n'
    verbatim <"$root/share/new-site/playbooks/greet.lua"
    printf '.SH SEE ALSO\n.BR staffetta (1),\n.BR staffetta-site (5)\n'
} >"$out/staffetta-scripts.7"
