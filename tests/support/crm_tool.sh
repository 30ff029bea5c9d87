#!/bin/sh
# Stands in for crm_resource and cibadmin in tests: knows one resource, virtual_ip, and just the forms that Staffetta
# uses, with the outputs and exit codes of Pacemaker 2.1.5. What stands is in files beside the tool: `node`, `pin`;
# `log` has the orders. SPDX-License-Identifier: MIT
dir=$(dirname "$0")
fail() { # exit code, words
    echo "$2" >&2
    exit "$1"
}
case "$(basename "$0") $*" in
'crm_resource --resource nowhere '*) fail 105 "crm_resource: Resource 'nowhere' not found" ;;
'crm_resource --resource virtual_ip --locate')
    [ ! -s "$dir/node" ] || echo "resource virtual_ip is running on: $(cat "$dir/node") "
    [ -s "$dir/node" ] || echo 'resource virtual_ip is NOT running' >&2
    ;;
'crm_resource --resource virtual_ip --get-parameter ip') echo 10.9.0.100 ;;
'crm_resource --resource virtual_ip --move --node '*)
    [ "$5" != "$(cat "$dir/node")" ] || fail 108 'crm_resource: Error performing operation: Requested item already exists'
    echo "move $5" >>"$dir/log"
    echo "$5" >"$dir/pin"
    echo "$5" >"$dir/node"
    ;;
'crm_resource --resource virtual_ip --clear')
    echo clear >>"$dir/log"
    rm -f "$dir/pin"
    ;;
"cibadmin --query --xpath //rsc_location[@id='cli-prefer-virtual_ip']")
    [ -e "$dir/pin" ] || fail 105 'Call cib_query failed: No such device or address'
    echo '<rsc_location id="cli-prefer-virtual_ip"/>'
    ;;
*) fail 64 "crm_tool.sh does not know this form: $(basename "$0") $*" ;;
esac
