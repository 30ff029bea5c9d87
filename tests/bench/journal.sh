#!/bin/bash
# What the journal costs: a change recorded beside an append with fdatasync to a preallocated file, in turns in the same
# run, and the changes of 50 hosts at once. Usage: journal.sh BUILD, with bench_journal; TMPDIR says on which disk
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1/tests/bench/bench_journal" "$work"
