-- Runs the suite named by the first argument: lua5.4 run.lua test_sandbox. Folders in LUA_PATH come before this one:
-- their suites may have names of those here.
local here = arg[0]:match("^(.*)/") or "."
package.path = package.path .. ";" .. here .. "/?.lua"
local lu = require "luaunit"
local name = table.remove(arg, 1)
rawset(_G, name, require(name)) -- luaunit looks for suites among the globals
os.exit(lu.LuaUnit.run("-o", "text", table.unpack(arg)))

