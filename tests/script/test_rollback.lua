-- Rolling back: looked at before, on one host, item by item where somebody has changed things, and back again.
local lu = require "luaunit"
local support = require "support"

local TestRollback = {}

local needs = [[needs = { "registry.read", "registry.write" },]]

function TestRollback:setUp()
  self.place = support.new_place()
  self.place:site_of("win-a", "win-b")
  self.before = { self:hive("win-a"), self:hive("win-b") }
  self.place:playbook("try", needs, [[
    ctx:step("set both", ctx.site.hosts(), function(host)
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "dword", 1))
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "b", "dword", 2))
    end)
  ]])
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  self.after = { self:hive("win-a"), self:hive("win-b") }
end

function TestRollback:tearDown()
  self.place:close()
end

function TestRollback:hive(name)
  return support.reglookup(self.place.site .. "/hives/" .. name)
end

function TestRollback:expect_hosts(first, second)
  lu.assertEquals({ self:hive("win-a"), self:hive("win-b") }, { first, second })
end

function TestRollback:state(run)
  return self.place:json("show", run).doc.run.state
end

-- Somebody else sets both values on win-a.
function TestRollback:meddle()
  support.hivexsh(self.place.site .. "/hives/win-a", "cd \\Test\nsetval 2\na\ndword:0x11\nb\ndword:0x12")
  self.meddled = self:hive("win-a")
end

function TestRollback:test_a_dry_run()
  local answer = self.place:json("rollback", "--plan")
  lu.assertEquals({ answer.code, answer.doc.rollback.undo, #answer.doc.rollback.items }, { 2, 4, 4 }, answer.err)
  local human = self.place:staffetta("rollback", "--plan")
  lu.assertEquals(human.code, 2)
  lu.assertStrContains(human.out, "item 4")
  lu.assertStrContains(human.out, [[HKLM\SYSTEM\Test\a]])
  lu.assertStrContains(human.out, "    before  absent\n    now     dword 1 (0x00000001)\n")
  self:expect_hosts(self.after[1], self.after[2])
  lu.assertEquals(#self.place:json("runs").doc, 1)
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  lu.assertEquals(self.place:staffetta("rollback", "1", "--plan").code, 0) -- nothing is left to do
  self:expect_hosts(self.before[1], self.before[2])
end

function TestRollback:test_one_host()
  lu.assertEquals(self.place:staffetta("rollback", "--host", "win-b").code, 0)
  self:expect_hosts(self.after[1], self.before[2])
  lu.assertEquals(self:state("1"), "done") -- the other host has it still
  lu.assertEquals(self.place:json("rollback", "--plan").doc.rollback.undo, 2)
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  self:expect_hosts(self.before[1], self.before[2])
  lu.assertEquals(self:state("1"), "rolled_back")
  -- the last host rolls back the rest of the run, whichever way
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  lu.assertEquals(self.place:staffetta("rollback", "--host", "win-a").code, 0)
  lu.assertEquals(self.place:staffetta("rollback", "--host", "win-b").code, 0)
  lu.assertEquals(self:state("4"), "rolled_back")
  self:expect_hosts(self.before[1], self.before[2])
end

function TestRollback:test_a_conflict_shows_three_states()
  self:meddle()
  for _, arguments in ipairs { { "rollback", "--plan" }, { "rollback" } } do
    local human = self.place:staffetta(table.unpack(arguments))
    lu.assertEquals(human.code, 5)
    lu.assertStrMatches(human.out, "(.*)  conflict item %d  win%-a  HKLM\\SYSTEM\\Test\\a\n    before  absent\n"
      .. "    ours    dword 1 %(0x00000001%)\n    now     dword 17 %(0x00000011%)\n(.*)")
  end
  self:expect_hosts(self.meddled, self.after[2])
  -- the other host is not in its way
  lu.assertEquals(self.place:staffetta("rollback", "--host", "win-b").code, 0)
  self:expect_hosts(self.meddled, self.before[2])
end

function TestRollback:test_force_for_each_item()
  self:meddle()
  local items = {}
  for _, item in ipairs(self.place:json("rollback", "--plan").doc.rollback.items) do
    if item.verdict == "conflict" then items[#items + 1] = ("%d"):format(item.item) end
  end
  lu.assertEquals(#items, 2)
  local answer = self.place:json("rollback", "--force=" .. items[1])
  lu.assertEquals(answer.code, 5, answer.out) -- the other one is in the way
  self:expect_hosts(self.meddled, self.after[2])
  answer = self.place:json("rollback", "--force=" .. table.concat(items, ","))
  lu.assertEquals({ answer.code, answer.doc.rollback.undone }, { 0, 4 }, answer.out)
  self:expect_hosts(self.before[1], self.before[2])
  answer = self.place:staffetta("rollback", "1", "--force=x")
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(answer.err, "'x' is no item's number")
end

function TestRollback:test_a_rollback_is_rolled_back()
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  self:expect_hosts(self.before[1], self.before[2])
  lu.assertEquals(self.place:staffetta("rollback").code, 1) -- the last one is never a rollback
  lu.assertEquals(self.place:staffetta("rollback", "2").code, 0)
  self:expect_hosts(self.after[1], self.after[2])
  lu.assertEquals({ self:state("1"), self:state("2") }, { "done", "rolled_back" })
  lu.assertEquals(self.place:staffetta("rollback").code, 0) -- run 1 is the last one again
  self:expect_hosts(self.before[1], self.before[2])
end

-- A later change of a key hides what the run did in it before: what stands there once the key is back decides.
function TestRollback:test_changes_in_a_key_that_is_deleted_later()
  self.place:playbook("nested", needs, [[
    ctx:step("change and delete", ctx.site.hosts(), function(host)
      local test = "HKEY_LOCAL_MACHINE\\SYSTEM\\Test"
      assert(host.registry:set(test, "A", "sz", "one"))
      assert(host.registry:set(test .. "\\Sub\\Below", "new", "dword", 7))
      assert(host.registry:delete(test, "b"))
      assert(host.registry:delete_key("HKLM\\SYSTEM\\test\\sub"))
      assert(host.registry:delete_key("HKLM\\SYSTEM\\test"))
    end)
  ]])
  lu.assertEquals(self.place:staffetta("run", "nested").code, 0)
  local nested = self:hive("win-a")
  lu.assertNotStrContains(nested, "/Test")
  local plan = self.place:json("rollback", "--plan").doc.rollback
  lu.assertEquals({ plan.undo, plan.nothing, plan.conflict }, { 10, 0, 0 })
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  self:expect_hosts(self.after[1], self.after[2])
  -- somebody else's key is no more overwritten than before
  lu.assertEquals(self.place:staffetta("run", "nested").code, 0)
  support.hivexsh(self.place.site .. "/hives/win-a", "add Test")
  self.meddled = self:hive("win-a")
  local refused = self.place:staffetta("rollback")
  lu.assertEquals(refused.code, 5, refused.out)
  self:expect_hosts(self.meddled, nested)
end

-- What the run does to the key Test, which has a and b, and Sub with c; each deletes it and goes on in it.
local deleted_before = {
  new_value = [[delete(test); set(test, "z", 5)]],
  same_value = [[delete(test); set(test, "a", 5)]],
  other_spelling = [[delete(test); set(test:upper(), "A", 5)]],
  value_below = [[delete(test); set(test .. "\\Sub", "c", 5)]],
  created = [[delete(test); create(test); set(test, "a", 5)]],
  changed_before = [[set(test, "a", 7); delete(test); set(test, "a", 5)]],
  twice = [[delete(test); set(test, "a", 5); delete(test); set(test .. "\\Sub", "q", 5)]],
  part_before = [[delete(test .. "\\Sub"); delete(test); set(test .. "\\Sub", "c", 5)]],
  part_after = [[delete(test); set(test .. "\\Sub", "q", 5); set(test, "a", 5); delete(test .. "\\Sub")]],
  restored_less = [[local kept = keep(); set(test, "a", 7); restore(kept); assert(host.registry:delete(test, "a"))]],
  restored = [[local kept = keep(); delete(test); restore(kept); set(test, "a", 5)]],
}

-- On a hive and on a .reg file, which have to be byte for byte (the hive: as reglookup sees it) as before.
function TestRollback:test_changes_in_a_key_that_the_run_has_deleted_before()
  self.place:write("site/win.reg", "REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\SYSTEM]\r\n")
  self.place:hive("site/hives/win-h")
  self.place:site_file([[return { api = 1, name = "test", clusters = {}, hosts = {
    ["win-h"] = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "hives/win-h" } },
    ["win-r"] = { role = "front_end", windows = "2003", registry = { [""] = "win.reg" } } } }]])
  local function run(name, body)
    self.place:playbook(name, needs, ([[
    ctx:step("change", ctx.site.hosts(), function(host)
      local test = "HKLM\\SYSTEM\\Test"
      local function set(key, value, number) assert(host.registry:set(key, value, "dword", number)) end
      local function delete(key) assert(host.registry:delete_key(key)) end
      local function create(key) assert(host.registry:create_key(key)) end
      local function keep() return assert(host.registry:snapshot(test)) end
      local function restore(kept) assert(host.registry:restore(test, kept)) end
      %s
    end)]]):format(body))
    local answer = self.place:staffetta("run", name)
    lu.assertEquals(answer.code, 0, name .. answer.err)
  end
  local function both() return { self:hive("win-h"), self.place:read("site/win.reg") } end
  run("fill", [[set(test, "a", 1); set(test, "b", 2); set(test .. "\\Sub", "c", 3)]])
  local before = both()
  for name, body in pairs(deleted_before) do
    run("try", body)
    lu.assertNotEquals(both(), before, name)
    local plan = self.place:json("rollback", "--plan").doc.rollback
    lu.assertEquals(plan.conflict, 0, name)
    local answer = self.place:staffetta("rollback")
    lu.assertEquals(answer.code, 0, name .. answer.out .. answer.err)
    lu.assertEquals(both(), before, name)
  end
  -- what somebody else has put into the key is in the way
  run("try", deleted_before.new_value)
  support.hivexsh(self.place.site .. "/hives/win-h", "cd \\Test\nsetval 2\nz\ndword:5\nforeign\ndword:1")
  local meddled = both()
  local refused = self.place:staffetta("rollback")
  lu.assertEquals(refused.code, 5, refused.out)
  lu.assertEquals(both(), meddled)
end

function TestRollback:test_options_of_other_commands()
  for _, option in ipairs { "--host", "--plan" } do
    lu.assertEquals(self.place:staffetta("verify", option, "x").code, 64)
  end
  lu.assertEquals(self.place:staffetta("rollback", "--out", "x").code, 64)
  -- a rollback looks at what stands by itself; a plan of it that was kept vouches for nothing
  local file = self.place.dir .. "/plan.json"
  self.place:staffetta("plan", "rollback", "--out", file)
  lu.assertEquals(self.place:staffetta("run", "--plan", file).code, 3)
  self:expect_hosts(self.after[1], self.after[2])
end

return TestRollback
