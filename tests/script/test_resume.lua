-- Runs that go on after the program died, or after they were held; and what two runs differ in.
local lu = require "luaunit"
local support = require "support"

local TestResume = {}

local needs = [[needs = { "registry.read", "registry.write" },]]

local function step(name, number)
  return ([[
    ctx:step("set %s", ctx.site.hosts(), function(host)
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "%s", "dword", %d))
    end)
]]):format(name, name, number)
end

local body = step("a", 1) .. step("b", 2) .. [[
  ctx:measure("seen", { count = (ctx:measured().seen or { count = 0 }).count + 1 })
  ctx:gate("good", { { check = "look", hosts = ctx.site.hosts() } })
]]

function TestResume:setUp()
  self.place = support.new_place()
  self.place:site_of("win-a", "win-b")
  self.place:check("look", [[needs = { "registry.read" },]],
    [[ return ctx.host.registry:get("HKLM\\SYSTEM\\Test", "b") and "pass" or "fail" ]])
  self.place:playbook("try", needs, body)
end

function TestResume:tearDown()
  self.place:close()
end

function TestResume:standing()
  return support.reglookup(self.place.site .. "/hives/win-a") .. support.reglookup(self.place.site .. "/hives/win-b")
end

-- New hives and no journal.
function TestResume:fresh()
  os.execute(("rm -rf %s %s/hives"):format(self.place.state, self.place.site))
  self.place:site_of("win-a", "win-b")
end

-- At every fault point that a run reaches, each time that it reaches it: `resume` completes the run.
function TestResume:test_every_crash_of_a_run_can_be_resumed()
  local before = self:standing()
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  local after, kills, resumed = self:standing(), 0, 0
  for _, point in ipairs(support.fault_points()) do
    local hit = 1
    self:fresh()
    while self.place:kill_at(("%s:%d"):format(point, hit), "run", "try") do
      local what = ("%s, time %d: "):format(point, hit)
      local answer = self.place:json("resume")
      if answer.code == 0 then
        resumed = resumed + 1
        lu.assertEquals(self:standing(), after, what)
        lu.assertEquals({ answer.doc.run, answer.doc.state, #self.place:json("runs").doc }, { 1, "done", 1 }, what)
      else -- it had not begun, or had ended
        lu.assertEquals(answer.code, 1, what .. answer.out)
        local found = self:standing()
        lu.assertTrue(found == before or found == after, what)
      end
      self:fresh()
      kills, hit = kills + 1, hit + 1
    end
    if kills == 0 and point == "journal.create.after" then lu.skip("this build has no fault points") end
  end
  lu.assertTrue(kills > 40 and resumed > 40, ("%d kills, %d resumed"):format(kills, resumed))
end

-- A run that was resumed is rolled back like one that was never cut short, and a resume that is killed goes on too.
function TestResume:test_a_resumed_run_is_rolled_back_as_a_whole()
  local before = self:standing()
  if not self.place:kill_at("host.write.after:2", "run", "try") then lu.skip("this build has no fault points") end
  lu.assertTrue(self.place:kill_at("journal.run_resume.after", "resume"))
  lu.assertTrue(self.place:kill_at("journal.done.before", "resume"))
  lu.assertEquals(self.place:staffetta("resume", "1").code, 0)
  local run = self.place:json("show").doc
  lu.assertEquals({ run.run.run, run.run.state, #run.scripts, #run.hosts }, { 1, "done", 3, 2 })
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  lu.assertEquals(self:standing(), before)
end

function TestResume:test_a_rollback_that_was_cut_short_goes_on()
  local before = self:standing()
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  if not self.place:kill_at("host.write.after:2", "rollback") then lu.skip("this build has no fault points") end
  lu.assertNotEquals(self:standing(), before)
  local answer = self.place:json("resume")
  lu.assertEquals({ answer.code, answer.doc.run, answer.doc.playbook }, { 0, 2, "rollback" }, answer.err)
  lu.assertEquals(self:standing(), before)
  lu.assertEquals(self.place:json("show", "1").doc.run.state, "rolled_back")
end

function TestResume:test_measures_from_before_are_there()
  if not self.place:kill_at("journal.check.before", "run", "try") then lu.skip("this build has no fault points") end
  local answer = self.place:json("resume")
  lu.assertEquals({ answer.code, answer.doc.measures.seen.count }, { 0, 2 }, answer.out)
end

function TestResume:test_a_held_run_goes_on()
  local site = self.place:read("site/site.lua")
  self.place:site_file((site:gsub("api = 1,", "api = 1, on_gate_fail = 'hold',")))
  self.place:check("look", "", [[ return ctx.site.host("win-a") and "fail", "not yet" ]])
  lu.assertEquals(self.place:staffetta("run", "try").code, 5)
  lu.assertEquals(self.place:staffetta("resume").code, 5) -- it stands at the same gate
  lu.assertEquals(#self.place:json("runs").doc, 1)
end

function TestResume:test_what_has_changed_since_is_named()
  if not self.place:kill_at("host.write.after:2", "run", "try") then lu.skip("this build has no fault points") end
  local standing = self:standing()
  self.place:playbook("try", needs, body .. "-- another text")
  self.place:site_file((self.place:read("site/site.lua"):gsub("2003", "2008", 1)))
  local answer = self.place:json("resume")
  lu.assertEquals({ answer.code, answer.doc.state, #answer.doc.drift }, { 1, "refused", 2 }, answer.out)
  lu.assertEquals(self:standing(), standing)
  local human = self.place:staffetta("resume")
  for _, part in ipairs { "the run does not go on, and nothing was touched: 2 things have changed since",
    "playbooks/try has changed", "site/test has changed" } do
    lu.assertStrContains(human.err, part)
  end
  lu.assertEquals(self.place:staffetta("rollback").code, 0) -- the other way out
end

function TestResume:test_runs_that_can_not_go_on()
  lu.assertEquals(self.place:staffetta("resume").code, 1) -- no journal
  self.place:staffetta("run", "try")
  for words, message in pairs {
    [""] = "no run was interrupted or is held",
    ["1"] = "run 1 is done: only a run that was interrupted or held can go on",
    ["9"] = "the journal has no such run",
  } do
    local answer = self.place:staffetta("resume", words ~= "" and words or nil)
    lu.assertEquals(answer.code, 1, words)
    lu.assertStrContains(answer.err, message)
  end
  lu.assertEquals(self.place:staffetta("resume", "x").code, 64)
end

-- ---- journals that can not be trusted ----

-- Cut short, and with bytes flipped: every command says so, and nothing is done to a host.
function TestResume:test_a_damaged_journal_is_not_acted_on()
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  local standing, path = self:standing(), self.place.state .. "/journal.db"
  local whole = self.place:read("state/journal.db")
  local at = assert(whole:find("registry.value", 1, true))
  local damaged = {
    cut = whole:sub(1, #whole // 2),
    empty = "",
    flipped = whole:sub(1, at - 1) .. "r\1gistry.value" .. whole:sub(at + #"registry.value"),
    header = "\0" .. whole:sub(2),
  }
  for name, bytes in pairs(damaged) do
    for _, command in ipairs { { "rollback" }, { "rollback", "1" }, { "run", "try" }, { "resume", "1" } } do
      local file = assert(io.open(path, "wb"))
      file:write(bytes)
      file:close()
      local answer = self.place:staffetta(table.unpack(command))
      lu.assertEquals(answer.code, 1, name .. " " .. command[1] .. answer.out .. answer.err)
      lu.assertStrContains(answer.err, "journal")
      lu.assertEquals(self:standing(), standing)
    end
  end
end

-- Where the journal can not be written nothing is changed. (A folder of /proc: root may write to any other.)
function TestResume:test_a_state_folder_that_can_not_be_written()
  local before = self:standing()
  for _, state in ipairs { "/proc/self", "/dev/null", "/dev/full/state" } do
    local answer = support.command { "run", "try", "--site", self.place.site, "--state", state }
    lu.assertEquals(answer.code, 1, state .. answer.out)
    lu.assertStrContains(answer.err, state)
    lu.assertEquals(self:standing(), before)
  end
end

-- ---- diff ----

function TestResume:test_two_runs_that_differ()
  self.place:staffetta("run", "try")
  self.place:staffetta("run", "try")
  self.place:staffetta("rollback", "1")
  self.place:playbook("try", needs, step("a", 7) .. step("b", 2) ..
    [[ ctx:gate("good", { { check = "look", hosts = { ctx.site.host("win-a") } } }) ]])
  self.place:staffetta("run", "try")
  local answer = self.place:json("diff", "1", "4")
  lu.assertEquals(answer.code, 2, answer.err)
  local seen = {}
  for _, each in ipairs(answer.doc) do seen[each.what .. " " .. each.subject] = each end
  lu.assertNotNil(seen["script playbooks/try"])
  lu.assertEquals(seen["run state"].first, "rolled_back")
  lu.assertEquals(seen["check good: look on win-b"].first, "pass")
  lu.assertNil(seen["check good: look on win-b"].second)
  lu.assertNil(seen["check good: look on win-a"])
  local changes = 0
  for name, each in pairs(seen) do
    if each.what == "change" then
      changes = changes + 1
      lu.assertStrMatches(name, [[change %["win%-[ab]","registry.value",{"key":"HKLM\\SYSTEM\\Test","name":"a"}%] ?]])
    end
  end
  lu.assertEquals(changes, 2)
  local human = self.place:staffetta("diff", "1", "4")
  lu.assertEquals({ human.code, human.err }, { 2, "" })
  lu.assertStrMatches(human.out, '.*\ncheck +good: look on win%-b\n +1  "pass"\n +4  none\n.*')
end

function TestResume:test_two_runs_that_are_the_same()
  self.place:staffetta("run", "try")
  local answer = self.place:staffetta("diff", "1", "1")
  lu.assertEquals({ answer.code, answer.out }, { 0, "the two runs do not differ\n" })
  lu.assertEquals(self.place:staffetta("diff", "1", "9").code, 1)
  lu.assertEquals(self.place:staffetta("diff", "1", "x").code, 1)
  lu.assertEquals(self.place:staffetta("diff", "1").code, 64)
end

return TestResume
