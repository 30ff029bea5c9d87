-- host.registry through playbooks, on a real hive: what is written, planned, undone; other readers look at the file.
local lu = require "luaunit"
local support = require "support"

local TestRegistry = {}

local needs = [[needs = { "registry.read", "registry.write" },]]

-- The body of a playbook that does `body` in one step on all hosts; `r` is host.registry, `key` a key for the test.
local function step(body)
  return ([[
    ctx:step("work", ctx.site.hosts(), function(host)
      local r, key = host.registry, "HKLM\\SYSTEM\\Test"
%s
    end)]]):format(body)
end

function TestRegistry:setUp()
  self.place = support.new_place()
  self.place:site_file()
  self.hive = self.place.site .. "/hives/win"
end

function TestRegistry:tearDown()
  self.place:close()
end

function TestRegistry:expect_ok(body)
  self.place:playbook("try", needs, step(body))
  local answer = self.place:run("try")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  return answer
end

-- A first run whose values stand; gives what an independent reader sees then.
function TestRegistry:seed()
  self:expect_ok [[
    assert(r:set(key, "old", "sz", "before"))
    assert(r:set(key, "gone", "dword", 7))
    assert(r:create_key(key .. "\\Deep\\Deeper"))
    assert(r:set(key .. "\\Doomed", "", "multi_sz", { "a", "b" }))
    assert(r:set(key .. "\\Doomed\\Below", "x", 77, { raw = "\0\1" }))
  ]]
  return support.reglookup(self.hive)
end

local change_all = [[
    assert(r:set(key, "old", "dword", 2))
    assert(r:set(key, "old", "dword", 3))
    assert(r:set(key, "new", "sz", "fresh"))
    assert(r:delete(key, "gone"))
    assert(r:create_key(key .. "\\Made\\Below"))
    assert(r:set(key .. "\\Other\\Key", "v", "qword", 5))
    assert(r:delete_key(key .. "\\Doomed"))
]]

function TestRegistry:test_every_type_there_and_back()
  self:expect_ok [[
    local cases = {
      { "none", "" }, { "sz", "grün" }, { "sz", "" }, { "expand_sz", "%SystemRoot%\\x" }, { "binary", "\0\1\255" },
      { "binary", "" }, { "dword", 0 }, { "dword", 4294967295 }, { "dword_big_endian", 1 },
      { "link", "\\Registry\\Machine" }, { "multi_sz", { "one", "zwei €" } }, { "multi_sz", {} },
      { "resource_list", "\1\2" }, { "full_resource_descriptor", "\3" }, { "resource_requirements_list", "\4" },
      { "qword", -1 }, { "qword", math.mininteger }, { 77, "any bytes \0" }, { 4294967295, "\255" },
    }
    for i, case in ipairs(cases) do
      local name, kind, value = "value " .. i, case[1], case[2]
      assert(r:set(key, name, kind, value).changed == true, name)
      local found = assert(r:get(key, name))
      assert(found.type == kind, name .. " is " .. tostring(found.type))
      if type(value) == "table" then
        assert(#found.value == #value and table.concat(found.value, "|") == table.concat(value, "|"), name)
      else
        assert(found.value == value, name .. " is " .. tostring(found.value))
      end
      assert(found.raw == nil, name)
      assert(r:set(key, name, kind, value).changed == false, name .. " twice")
    end
  ]]
  local seen = support.reglookup(self.hive)
  for _, line in ipairs {
    [[/Test/value 4,EXPAND_SZ,%25SystemRoot%25\x]], [[/Test/value 10,LINK,\Registry\Machine]],
    [[/Test/value 5,BINARY,%00%01%FF]],
    [[/Test/value 8,DWORD,0xFFFFFFFF]],
    [[/Test/value 9,DWORD_BE,0x00000001]], [[/Test/value 16,QWORD,0xFFFFFFFFFFFFFFFF]],
  } do lu.assertStrContains(seen, line) end
end

function TestRegistry:test_raw_bytes_and_values_that_break_their_type()
  self:expect_ok [[
    assert(r:set(key, "short", "dword", { raw = "\1\2" }))
    local found = assert(r:get(key, "short"))
    assert(found.type == "dword" and found.value == nil and found.raw == "\1\2")
    assert(r:set(key, "unended", "sz", { raw = "a\0b\0" }))
    found = assert(r:get(key, "unended"))
    assert(found.value == "ab" and found.raw == "a\0b\0")
    assert(r:set(key, "n", "dword", 258))
    local code, bytes = r:get_raw(key, "n")
    assert(code == 4 and bytes == "\2\1\0\0")
    code, bytes = r:get_raw(key, "short")
    assert(code == 4 and bytes == "\1\2")
  ]]
end

function TestRegistry:test_absence_is_nil_without_a_second_value()
  self:expect_ok [[
    assert(r:create_key(key))
    assert(select("#", r:get(key, "none")) == 1 and r:get(key, "none") == nil)
    assert(select("#", r:get(key .. "\\No\\Way", "none")) == 1)
    assert(select("#", r:get_raw(key, "none")) == 1 and r:get_raw(key, "none") == nil)
    assert(select("#", r:list(key .. "\\No")) == 1 and r:list(key .. "\\No") == nil)
    assert(r:delete(key, "none").changed == false)
    assert(r:delete(key .. "\\No", "none").changed == false)
    assert(r:delete_key(key .. "\\No").changed == false)
    assert(r:list(key .. "\\No") == nil)
  ]]
end

function TestRegistry:test_list_is_sorted_and_typed()
  self:expect_ok [[
    for _, name in ipairs { "b", "A", "c" } do
      assert(r:create_key(key .. "\\" .. name .. "2"))
      assert(r:set(key, name, "sz", name))
    end
    local list = assert(r:list(key))
    assert(table.concat(list.keys, ",") == "A2,b2,c2", table.concat(list.keys, ","))
    local words = {}
    for i, value in ipairs(list.values) do words[i] = value.name .. ":" .. value.type .. ":" .. value.value end
    assert(table.concat(words, ",") == "A:sz:A,b:sz:b,c:sz:c", table.concat(words, ","))
  ]]
end

function TestRegistry:test_keys_are_made_and_deleted_with_all_below()
  self:expect_ok [[
    assert(r:create_key(key .. "\\a\\b").changed == true)
    assert(r:create_key(key .. "\\a\\b").changed == false)
    assert(r:create_key(key .. "\\A").changed == false)
    assert(r:set(key .. "\\a\\b", "v", "dword", 1))
    assert(r:delete_key(key .. "\\a").changed == true)
    assert(r:list(key .. "\\a\\b") == nil and r:list(key .. "\\a") == nil and r:list(key))
    assert(r:set(key, "v", "dword", 1))
    assert(r:delete(key, "V").changed == true)
    assert(r:delete(key, "v").changed == false)
    assert(r:list(key))
  ]]
end

function TestRegistry:test_the_current_control_set_is_the_one_that_select_names()
  self:expect_ok [[
    local value, err = r:get("HKLM\\SYSTEM\\CurrentControlSet\\Services", "x")
    assert(value == nil and err.kind == "invalid_data", err and err.message)
    assert(r:set("HKLM\\SYSTEM\\Select", "Current", "dword", 2))
    assert(r:create_key("HKLM\\SYSTEM\\ControlSet001"))
    assert(r:create_key("HKLM\\SYSTEM\\ControlSet002"))
    local oakley = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent\\Oakley"
    assert(r:set(oakley, "NLBSFlags", "dword", 1))
    assert(r:get("HKLM\\SYSTEM\\ControlSet002\\Services\\PolicyAgent\\Oakley", "nlbsflags").value == 1)
    assert(r:list("HKLM\\SYSTEM\\ControlSet001\\Services") == nil)
  ]]
  lu.assertStrContains(support.reglookup(self.hive),
    "/ControlSet002/Services/PolicyAgent/Oakley/NLBSFlags,DWORD,0x00000001")
end

function TestRegistry:test_the_kinds_of_errors()
  self.place:write("site/hives/broken", "no hive at all")
  self.place:write("site/hives/torn", self.place:read("site/hives/win"):sub(1, 4200))
  self.place:site_file [[
return { api = 1, name = "test", clusters = {}, hosts = { win = { role = "front_end", windows = "2003",
  registry = { ["HKLM\\SYSTEM"] = "hives/win", ["HKLM\\BROKEN"] = "hives/broken", ["HKLM\\TORN"] = "hives/torn",
    ["HKLM\\NONE"] = "hives/none" } } } }]]
  self:expect_ok [[
    local function kind_of(wanted, value, err)
      assert(value == nil and err.kind == wanted, tostring(err and err.kind) .. " instead of " .. wanted)
      assert(#err.message > 20 and tostring(err) == err.message and err.op ~= "" and type(err.code) == "number")
    end
    kind_of("unsupported", r:get("HKLM\\SOFTWARE\\X", "v"))
    kind_of("unsupported", r:set("HKLM\\SOFTWARE\\X", "v", "dword", 1))
    kind_of("invalid_data", r:get("SYSTEM\\X", "v"))
    kind_of("invalid_data", r:get("HKLM\\BROKEN\\X", "v"))
    kind_of("invalid_data", r:list("HKLM\\TORN\\X"))
    kind_of("invalid_data", r:set("HKLM\\BROKEN\\X", "v", "dword", 1))
    kind_of("not_found", r:get("HKLM\\NONE\\X", "v"))
    kind_of("unsupported", r:delete_key("HKLM\\SYSTEM"))
  ]]
end

function TestRegistry:test_a_hive_that_somebody_holds_is_busy()
  self.place:playbook("try", needs, step [[
    local value, err = r:set(key, "v", "dword", 1)
    assert(value == nil and err.kind == "busy" and err.is_retryable, err and err.message)]])
  local holder = support.shell("flock --no-fork %s sleep 60 >/dev/null 2>&1 & echo $!", self.hive):match("%d+")
  support.wait_until(function()
    return os.execute(("flock -n %s true || exit 0; exit 1"):format(self.hive))
  end, "the lock")
  local answer = self.place:run("try")
  support.shell("kill %s", holder)
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
end

function TestRegistry:test_wrong_arguments_raise()
  self:expect_ok [[
    local function raises(part, ...)
      local ok, message = pcall(...)
      assert(not ok and tostring(message):find(part, 1, true), tostring(message))
    end
    raises("try.lua", function() r:set(key, "v", "dword", "one") end)
    raises("dwrod", r.set, r, key, "v", "dwrod", 1)
    raises("4294967295", r.set, r, key, "v", "dword", 4294967296)
    raises("expected an integer", r.set, r, key, "v", "dword", true)
    raises("call methods with a colon", r.get, {}, key, "v")
    raises("expected", r.get, r, key)
    raises("strings", r.set, r, key, "v", "multi_sz", { 1, 2 })
    raises("raw", r.set, r, key, "v", "sz", { raw = "x", rwa = 1 })
    raises("UTF-8", r.get, r, "HKLM\\SYSTEM\\\255", "v")
    assert(r:list(key) == nil)
  ]]
end

function TestRegistry:test_reading_is_not_writing()
  self.place:playbook("try", [[needs = { "registry.read" },]], step [[
    local ok, message = pcall(r.set, r, key, "v", "dword", 1)
    assert(not ok and message:find("'registry.write'", 1, true), message)
    ok, message = pcall(r.delete_key, r, key)
    assert(r:list(key) == nil)]])
  local answer = self.place:run("try")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
end

function TestRegistry:test_a_plan_sees_what_it_plans_and_writes_nothing()
  self:seed()
  local before = self.place:read("site/hives/win")
  self.place:playbook("try", needs, step(change_all .. [[
    assert(r:get(key, "old").value == 3 and r:get(key, "new").value == "fresh" and r:get(key, "gone") == nil)
    assert(r:set(key, "old", "dword", 3).changed == false)]]))
  local answer = self.place:json("plan", "try")
  lu.assertEquals(answer.code, 2, answer.out .. answer.err)
  lu.assertEquals(self.place:read("site/hives/win"), before)
  local seen = {}
  for i, change in ipairs(answer.doc.plan.changes) do
    lu.assertEquals(change.host, "win")
    lu.assertEquals(change.step, "work")
    seen[i] = ("%s: %s -> %s"):format(change.describe.what, change.describe.before, change.describe.after)
  end
  lu.assertStrContains(seen[1], [[HKLM\SYSTEM\Test\old: sz "before" -> dword 2]])
  lu.assertStrContains(table.concat(seen, "\n"), [[HKLM\SYSTEM\Test\gone: dword 7 (0x00000007) -> absent]])
  lu.assertStrContains(table.concat(seen, "\n"), [[HKLM\SYSTEM\Test\new: absent -> sz "fresh"]])
  local human = self.place:staffetta("plan", "try")
  lu.assertEquals(human.code, 2, human.err)
  lu.assertStrContains(human.out, [[+ sz "fresh"]])
end

function TestRegistry:test_a_plan_without_changes_says_so()
  self:seed()
  self.place:playbook("try", needs, step [[assert(r:set(key, "old", "sz", "before"))]])
  local answer = self.place:json("plan", "try")
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertEquals(#answer.doc.plan.changes, 0)
  lu.assertEquals(answer.doc.plan.unchanged, 1)
end

function TestRegistry:test_rollback_restores_everything()
  local before = self:seed()
  local answer = self:expect_ok(change_all)
  local changed = support.reglookup(self.hive)
  lu.assertNotEquals(changed, before)
  lu.assertStrContains(changed, "/Test/old,DWORD,0x00000003")
  local undone = self.place:json("rollback")
  lu.assertEquals(undone.code, 0, undone.out .. undone.err)
  lu.assertEquals(support.reglookup(self.hive), before)
  local shown = self.place:json("show", ("%d"):format(answer.doc.run))
  lu.assertEquals(shown.doc.run.state, "rolled_back")
  for _, change in ipairs(shown.doc.changes) do lu.assertEquals(change.state, "undone") end
  -- rolled back twice: there is nothing left to do
  local again = self.place:json("rollback", ("%d"):format(answer.doc.run))
  lu.assertEquals(again.code, 0, again.out .. again.err)
  lu.assertEquals(support.reglookup(self.hive), before)
end

function TestRegistry:test_rollback_refuses_what_somebody_has_changed()
  self:seed()
  self:expect_ok(change_all)
  support.hivexsh(self.hive, "cd \\Test\nsetval 3\nold\ndword:9\nnew\nstring:fresh\nother\nstring:mine")
  local bytes = self.place:read("site/hives/win")
  local answer = self.place:json("rollback")
  lu.assertEquals(answer.code, 5, answer.out .. answer.err)
  lu.assertEquals(self.place:read("site/hives/win"), bytes)
  lu.assertEquals(answer.doc.error.kind, "conflict")
  lu.assertStrContains(answer.doc.error.message, "nothing was touched")
  lu.assertStrContains(answer.doc.error.message, [[HKLM\SYSTEM\Test\old on win]])
  lu.assertStrContains(answer.doc.error.message, "the run wrote dword 3 (0x00000003), now dword 9 (0x00000009)")
  local human = self.place:staffetta("rollback", "2")
  lu.assertEquals(human.code, 5)
  lu.assertStrContains(human.err, "--force overwrites what others have put there")

  local forced = self.place:json("rollback", "2", "--force")
  lu.assertEquals(forced.code, 0, forced.out .. forced.err)
  local seen = support.reglookup(self.hive)
  lu.assertStrContains(seen, "/Test/old,SZ,before")
  lu.assertStrContains(seen, "/Test/gone,DWORD,0x00000007")
end

function TestRegistry:test_another_controllers_change_is_a_conflict_too()
  self:expect_ok [[assert(r:set(key, "v", "dword", 1))]]
  self.place:playbook("try", needs, step [[assert(r:set(key, "v", "dword", 2))]])
  local other = self.place:staffetta("run", "try", "--state", self.place.dir .. "/other")
  lu.assertEquals(other.code, 0, other.err)
  local answer = self.place:json("rollback", "1")
  lu.assertEquals(answer.code, 5, answer.out .. answer.err)
  lu.assertStrContains(support.reglookup(self.hive), "/Test/v,DWORD,0x00000002")
end

function TestRegistry:test_what_a_run_found_is_not_its_own_to_undo()
  local before = self:seed()
  self:expect_ok [[
    assert(r:set(key, "old", "sz", "before").changed == false)
    assert(r:create_key(key .. "\\Deep").changed == false)
    assert(r:set(key, "new", "sz", "x"))
  ]]
  local undone = self.place:json("rollback")
  lu.assertEquals(undone.code, 0, undone.out .. undone.err)
  lu.assertEquals(support.reglookup(self.hive), before)
end

return TestRegistry
