-- Runs the suite named by the first argument: lua5.4 run.lua test_sandbox
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path
local lu = require "luaunit"
local name = table.remove(arg, 1)
rawset(_G, name, require(name)) -- luaunit looks for suites among the globals
os.exit(lu.LuaUnit.run("-o", "text", table.unpack(arg)))

