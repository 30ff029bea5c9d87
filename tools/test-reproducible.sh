#!/bin/sh
# test-reproducible.sh - the tree, committed or not, built in two folders of different names: programs, library and
# packages must have the same bytes.
set -eu
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 130' INT TERM
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

for folder in one another/much-longer-one; do
    mkdir -p "$place/$folder"
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$place/$folder"
    (cd "$place/$folder" && cmake --preset deb && cmake --build --preset deb && cd build/deb && cpack -G DEB) \
        >"$place/log" 2>&1 || { tail -20 "$place/log" >&2; exit 1; }
done

cd "$place/one/build/deb"
for file in staffetta packaging/libstaffetta.a packaging/staffetta.spdx.json *.deb; do
    cmp "$file" "$place/another/much-longer-one/build/deb/$file"
    echo "same bytes: $file"
done
