#!/bin/sh
# Formatting of C, and what luacheck says of the scripts.
set -eu
cd "$(dirname "$0")/.."
git ls-files --cached --others --exclude-standard '*.c' '*.h' | xargs clang-format --dry-run --Werror
luacheck --quiet --no-color runtime/lua runtime/report scripts examples tests/compat tests/script tests/support tests/lab/e2e
# A core that knew Lua would still compile where the headers are installed: the rule is looked at here too.
if grep -lE '#include [<"](lua|lauxlib|lualib)\.h' bindings/*/*.c bindings/*/*.h | grep -vE '/lua_[a-z]+\.[ch]$'; then
    echo "lint: only lua_*.c and lua_*.h of a binding may include Lua" >&2
    exit 1
fi
