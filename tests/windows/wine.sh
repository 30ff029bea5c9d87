#!/bin/sh
# Wine in a prefix of its own: PREFIX start | run PROGRAM [ARGUMENTS...] | stop. Needs no display; ends only the server
# of that prefix.
set -eu
export WINEPREFIX="$1" WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml,winemenubuilder.exe="
unset DISPLAY
case $2 in
start)
    mkdir -p "$WINEPREFIX"
    # One server for all tests. It ends by itself a minute after the last, should `stop` not be reached.
    wineserver --persistent=60 >/dev/null 2>&1 || true
    [ -e "$WINEPREFIX/system.reg" ] || wineboot --init >/dev/null 2>&1
    wine cmd /c exit >/dev/null 2>&1 ;;
run)
    shift 2
    exec wine "$@" ;;
stop)
    wineserver --kill >/dev/null 2>&1 || true ;;
esac
