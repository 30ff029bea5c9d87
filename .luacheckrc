-- Closed lists of globals: what is not here does not exist in a script.
std = "none"
max_line_length = 120
local script_globals = { "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawlen", "select",
  "tonumber", "tostring", "type", "xpcall", "getmetatable", "setmetatable", "string", "table", "math", "utf8", "require",
  "_G" }
read_globals = script_globals
self = false
ignore = { "212" } -- unused arguments: a check's run(ctx, p) names both
files["tests/script"] = { std = "lua54" }
files["tests/support"] = { std = "lua54" }
files["tests/lab/e2e"] = { std = "lua54" }
exclude_files = { "**/*.meta.lua" }
