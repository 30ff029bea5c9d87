#!/bin/sh
# installed.sh BUILD LAMPS SITE - installs the build into a folder of its own, builds the example there with CMake and
# with pkg-config, as its users would, and runs both. Nothing of the source tree is used but the example.
# SPDX-License-Identifier: MIT
set -eu
build=$1 lamps=$2 site=$3
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cmake --install "$build" --prefix "$place/usr" --component dev >/dev/null
cp -r "$lamps" "$place/lamps"
cd "$place/lamps"

cmake -S . -B build -DCMAKE_PREFIX_PATH="$place/usr" -DCMAKE_C_FLAGS=-Werror >"$place/log" 2>&1 &&
    cmake --build build >>"$place/log" 2>&1 || { cat "$place/log"; exit 1; }
build/lamps "$site"

pc=$(dirname "$(find "$place/usr" -name staffetta.pc)")
PKG_CONFIG_PATH=$pc make CFLAGS=-Werror
./lamps "$site"
test "$(PKG_CONFIG_PATH=$pc pkg-config --modversion staffetta)" = "$(sed -n 's/^set(PACKAGE_VERSION "\(.*\)")/\1/p' \
    "$pc/../cmake/staffetta/staffetta-config-version.cmake")"
