-- What a script can not do, tried by scripts in the real program.
local lu = require "luaunit"
local support = require "support"

local TestSandbox = {}

function TestSandbox:setUp()
  self.place = support.new_place()
  self.place:site_file()
end

function TestSandbox:tearDown()
  self.place:close()
end

function TestSandbox:run_body(body, ...)
  self.place:playbook("try", "", body)
  return self.place:run("try", ...)
end

function TestSandbox:expect_ok(body)
  local answer = self:run_body(body)
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
end

function TestSandbox:test_the_world_is_not_there()
  self:expect_ok [[
    for _, name in ipairs { "io", "os", "debug", "package", "load", "loadfile", "loadstring", "dofile", "print",
        "collectgarbage", "coroutine", "rawset", "lfs", "ipsec", "registry", "warn" } do
      assert(_G[name] == nil, name .. " is there")
    end
    assert(string.dump == nil and ("").dump == nil)
  ]]
end

function TestSandbox:test_common_tables_can_not_be_altered()
  self:expect_ok [[
    assert(not pcall(function() string.upper = 1 end))
    assert(not pcall(function() table.insert(math, 1) end))
    assert(getmetatable("") == false and getmetatable(string) == false)
    assert(not pcall(setmetatable, string, {}))
    assert(not pcall(setmetatable, {}, { __gc = function() end }))
    assert(("abc"):upper() == "ABC")
  ]]
end

function TestSandbox:test_globals_of_one_script_stay_its_own()
  self.place:write("site/lib/leaky.lua", "stray = 1; return {}")
  self:expect_ok [[ require "leaky"; assert(stray == nil) ]]
end

function TestSandbox:test_require_finds_only_libraries()
  local answer = self:run_body [[ require "../site" ]]
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(answer.doc.error.message, "no script name")
end

function TestSandbox:test_bytecode_is_refused()
  self.place:write("site/playbooks/binary.lua", string.dump(function() return {} end))
  local answer = self.place:run("binary")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "attempt to load a binary chunk")
end

function TestSandbox:test_an_endless_loop_is_stopped()
  local answer = self:run_body [[ while true do end ]]
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(answer.doc.error.message, "instructions without waiting")
  lu.assertStrContains(answer.doc.error.message, "try.lua:3")
end

function TestSandbox:test_pcall_can_not_eat_the_stop()
  local answer = self:run_body [[ while true do pcall(function() while true do end end) end ]]
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(answer.doc.error.message, "instructions without waiting")
end

function TestSandbox:test_memory_is_limited()
  local answer = self:run_body [[ local t = {}; for i = 1, 1e9 do t[i] = ("x"):rep(1 << 20) .. i end ]]
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(answer.doc.error.message, "not enough memory")
end

function TestSandbox:test_an_error_names_file_and_line_and_has_a_traceback()
  local answer = self:run_body [[
    local function inner() error("it broke") end
    inner()
  ]]
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(answer.doc.error.message, "site/playbooks/try.lua:3: it broke")
  lu.assertStrContains(answer.doc.error.traceback, "try.lua:4")
end

function TestSandbox:test_an_error_in_a_step_names_the_host()
  local answer = self:run_body [[
    ctx:step("break it", ctx.site.hosts(), function(host)
      local nothing = nil
      nothing.field = 1
    end)
  ]]
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(answer.doc.error.message, "step 'break it' failed on win: ")
  lu.assertStrContains(answer.doc.error.message, "try.lua:5")
  lu.assertStrContains(answer.doc.error.traceback, "try.lua:5")
end

function TestSandbox:test_a_value_that_is_no_message_can_be_raised()
  for _, value in ipairs { "nil", "42", "{}", "setmetatable({}, { __tostring = error })", "function() end" } do
    local answer = self:run_body(("error(%s)"):format(value))
    lu.assertEquals(answer.code, 3, value)
  end
end

function TestSandbox:test_a_deep_recursion_is_an_error()
  local answer = self:run_body [[ local function f() return 1 + f() end f() ]]
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(answer.doc.error.message, "stack overflow")
end

function TestSandbox:test_hosts_and_site_are_read_only()
  self:expect_ok [[
    local host = ctx.site.host("win")
    assert(not pcall(function() host.name = "other" end))
    assert(not pcall(function() ctx.site.name = "other" end))
    assert(not pcall(setmetatable, host, {}))
  ]]
end

function TestSandbox:test_files_of_the_site_and_no_others()
  self.place:write("site/data/list.txt", "alpha")
  self.place:write("secret.txt", "no")
  os.execute("ln -s ../secret.txt " .. self.place.site .. "/link.txt")
  self.place:playbook("files", [[needs = { "files.read" },]], [[
    assert(ctx.files:read("data/list.txt") == "alpha")
    assert(table.concat(ctx.files:list("data"), ",") == "list.txt")
    assert(ctx.files:attributes("data/list.txt").size == 5)
    local text, err = ctx.files:read("link.txt")
    assert(text == nil and err.kind == "denied")
    text, err = ctx.files:read("../secret.txt")
    assert(text == nil and err.kind == "denied")
    text, err = ctx.files:read("data/none.txt")
    assert(text == nil and err.kind == "not_found")
  ]])
  local answer = self.place:run("files")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
end

return TestSandbox
