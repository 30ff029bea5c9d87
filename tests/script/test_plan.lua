-- A plan that is kept: applied exactly, or refused with all that has drifted, nothing touched.
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local TestPlan = {}

local needs = [[needs = { "registry.read", "registry.write" },]]

local function step(name, number, hosts)
  return ([[
    ctx:step("set %s", %s, function(host)
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "%s", "dword", %d))
    end)
]]):format(name, hosts or "ctx.site.hosts()", name, number)
end

function TestPlan:setUp()
  self.place = support.new_place()
  self.place:site_of("win-a", "win-b")
  self.file = self.place.dir .. "/plan.json"
  self.place:playbook("try", needs .. [[params = { number = { type = "integer", default = 1, doc = "what" } },]],
    ([[ local number = p.number %s %s ]]):format(step("a", 1):gsub(", 1%)", ", number)"), step("b", 2)))
end

function TestPlan:tearDown()
  self.place:close()
end

function TestPlan:standing()
  return support.reglookup(self.place.site .. "/hives/win-a") .. support.reglookup(self.place.site .. "/hives/win-b")
end

function TestPlan:plan(...)
  local before = self:standing()
  local answer = self.place:json("plan", "try", "--out", self.file, ...)
  lu.assertEquals(answer.code, 2, answer.out .. answer.err)
  lu.assertEquals(self:standing(), before)
  return cjson.decode(self.place:read("plan.json"))
end

function TestPlan:apply()
  return self.place:json("run", "--plan", self.file)
end

-- Refused: exit code 1, the hosts as they were, no run in the journal; gives the messages of the drift, sorted.
function TestPlan:expect_refusal()
  local before = self:standing()
  local answer = self:apply()
  lu.assertEquals(answer.code, 1, answer.out .. answer.err)
  lu.assertEquals({ answer.doc.state, answer.doc.mode, answer.doc.error.kind }, { "refused", "apply", "conflict" })
  lu.assertEquals(self:standing(), before)
  lu.assertFalse(support.exists(self.place.state .. "/journal.db"))
  local messages = {}
  for i, each in ipairs(answer.doc.drift) do messages[i] = each.kind .. ": " .. each.message end
  table.sort(messages)
  return messages
end

function TestPlan:set_outside(host, name, value)
  support.hivexsh(self.place.site .. "/hives/" .. host, ([[
cd \
add Test
cd Test
setval 1
%s
dword:0x%x]]):format(name, value))
end

function TestPlan:test_a_plan_is_applied_exactly()
  local plan = self:plan("--param", "number=7")
  lu.assertEquals({ plan.format, plan.version, plan.playbook, plan.params, #plan.changes },
    { "staffetta-plan", 1, "try", { number = "7" }, 4 })
  local answer = self:apply()
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  local run = self.place:json("show").doc
  lu.assertEquals({ run.run.playbook, run.run.params, #run.changes }, { "try", { number = "7" }, 4 })
  for _, host in ipairs { "win-a", "win-b" } do
    lu.assertStrContains(support.reglookup(self.place.site .. "/hives/" .. host), "/Test/a,DWORD,0x00000007")
  end
  -- it is no plan any more: everything in it is done
  local refused = self:apply()
  lu.assertEquals({ refused.code, #refused.doc.drift }, { 1, 4 })
  lu.assertEquals(#self.place:json("runs").doc, 1)
end

function TestPlan:test_a_plan_with_nothing_to_do()
  self:plan()
  lu.assertEquals(self:apply().code, 0)
  local answer = self.place:json("plan", "try", "--out", self.file)
  lu.assertEquals({ answer.code, #answer.doc.plan.changes }, { 0, 0 })
  lu.assertEquals(self:apply().code, 0)
end

-- What is no file stays what it is: a rename would put a file in the place of /dev/null.
function TestPlan:test_a_plan_goes_into_a_pipe()
  local pipe, copy = self.place.dir .. "/pipe", self.place.dir .. "/copy"
  support.shell("mkfifo %s && { timeout 60 cat %s >%s & }", pipe, pipe, copy)
  lu.assertEquals(self.place:json("plan", "try", "--out", pipe).code, 2)
  support.shell("test -p %s", pipe)
  support.wait_until(function() return self.place:read("copy"):find("staffetta-plan", 1, true) end, "the plan")
end

function TestPlan:test_a_host_that_has_changed_refuses()
  self:plan()
  self:set_outside("win-b", "a", 5)
  local messages = self:expect_refusal()
  lu.assertEquals(#messages, 1)
  lu.assertStrMatches(messages[1], [[state: HKLM\SYSTEM\Test\a on win%-b: is dword 5.*, the plan begins with absent]])
end

function TestPlan:test_what_stands_already_refuses()
  self:plan()
  self:set_outside("win-a", "b", 2)
  local messages = self:expect_refusal()
  lu.assertEquals(#messages, 1)
  lu.assertStrMatches(messages[1], [[not_needed: HKLM\SYSTEM\Test\b on win%-a: .*not to be done any more]])
end

function TestPlan:test_each_drift_is_named()
  self:plan()
  self.place:playbook("try", needs, step("a", 9) .. step("c", 3, [[{ ctx.site.host("win-a") }]]))
  self.place:site_file((self.place:read("site/site.lua"):gsub("2003", "2008", 1)))
  local messages = self:expect_refusal()
  local kinds = {}
  for _, message in ipairs(messages) do
    local kind = message:match("^[%w_]+")
    kinds[kind] = (kinds[kind] or 0) + 1
  end
  -- the playbook and the site; b on two hosts; a has another value on two hosts, and c on one
  lu.assertEquals(kinds, { script = 2, not_needed = 2, not_planned = 3 })
  local human = self.place:staffetta("run", "--plan", self.file)
  lu.assertEquals(human.code, 1)
  for _, part in ipairs { "the plan is not applied, and nothing was touched: 7 things have changed",
      "playbooks/try has", "site/test has changed", [[HKLM\SYSTEM\Test\c on win-a: would become dword 3]] } do
    lu.assertStrContains(human.err, part)
  end
end

function TestPlan:test_checks_and_libraries_belong_to_the_plan()
  self.place:write("site/lib/words.lua", [[return { say = "yes" }]])
  self.place:check("look", "", [[ return "pass", require("words").say ]])
  self.place:playbook("try", needs, step("a", 1) .. [[ ctx:gate("good", { { check = "look" } }) ]])
  local plan = self:plan()
  local names = {}
  for _, script in ipairs(plan.scripts) do names[#names + 1] = script.folder .. "/" .. script.name end
  table.sort(names)
  lu.assertEquals(names, { "checks/look", "playbooks/try", "site/test" })
  -- a check that calls for a library only when it looks: the plan has not seen it, so it can not vouch for it
  local answer = self:apply()
  lu.assertEquals({ answer.code, answer.doc.state }, { 3, "rolled_back" }, answer.out)
  -- loaded at the top it is part of the plan, and may not change
  self.place:check("look", "", [[ return "pass", "x" ]])
  local text = self.place:read("site/checks/look.lua")
  self.place:write("site/checks/look.lua", [[local words = require "words"]] .. "\n" .. text)
  self:plan()
  lu.assertEquals(self:apply().code, 0)
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  self:plan()
  self.place:write("site/lib/words.lua", [[return { say = "no" }]])
  lu.assertStrContains(self:apply().doc.drift[1].message, "lib/words has changed")
end

-- A playbook that does something else than it has planned is stopped at the first change that the plan does not have.
function TestPlan:test_a_change_that_was_not_planned_is_not_made()
  self.place:playbook("try", needs, step("a", 1) .. [[ if not ctx.is_planning then ]] .. step("z", 1) .. " end")
  self:plan()
  local before = self:standing()
  local answer = self:apply()
  lu.assertEquals({ answer.code, answer.doc.state }, { 3, "rolled_back" }, answer.out .. answer.err)
  lu.assertStrContains(answer.doc.error.message,
    [[HKLM\SYSTEM\Test\z on win-a would be changed from absent to dword 1 (0x00000001), which the plan does not have]])
  lu.assertEquals(self:standing(), before)
end

function TestPlan:test_a_planned_change_that_is_not_made_fails()
  self.place:playbook("try", needs, step("a", 1) .. [[ if ctx.is_planning then ]] .. step("z", 1) .. " end")
  self:plan()
  local before = self:standing()
  local answer = self:apply()
  lu.assertEquals({ answer.code, answer.doc.state }, { 3, "rolled_back" }, answer.out .. answer.err)
  lu.assertStrContains(answer.doc.error.message, [[2 changes of the plan were not made]])
  lu.assertEquals(self:standing(), before)
end

-- Killed at every point of a run that applies a plan, the run goes on with what is left of the plan, and no more.
function TestPlan:test_a_resumed_run_is_held_to_its_plan()
  self:plan()
  local before, kills = self:standing(), 0
  lu.assertEquals(self:apply().code, 0)
  local after = self:standing()
  for _, point in ipairs { "journal.run_begin.after", "journal.event.after", "journal.intent.after:2",
    "host.write.before:3", "host.write.after:1", "journal.done.after:3", "journal.run_end.before" } do
    os.execute(("rm -rf %s %s/hives"):format(self.place.state, self.place.site))
    self.place:site_of("win-a", "win-b")
    if not self.place:kill_at(point, "run", "--plan", self.file) then
      lu.skipIf(kills == 0, "this build has no fault points")
      lu.fail(point .. " was not reached")
    end
    kills = kills + 1
    local answer = self.place:json("resume")
    if point == "journal.run_begin.after" then
      lu.assertEquals(answer.code, 1)
      lu.assertStrContains(answer.err, "the run was cut short before it had kept its plan")
      lu.assertEquals(self:standing(), before)
    else
      lu.assertEquals(answer.code, 0, point .. answer.out)
      lu.assertEquals(self:standing(), after, point)
    end
  end
end

function TestPlan:test_a_resumed_run_makes_no_change_that_its_plan_lacks()
  self.place:playbook("try", needs, step("a", 1) .. [[
    if not ctx.is_planning then ]] .. step("z", 1) .. " end")
  self:plan()
  local before = self:standing()
  if not self.place:kill_at("journal.done.after:2", "run", "--plan", self.file) then
    lu.skip("this build has no fault points")
  end
  local answer = self.place:json("resume")
  lu.assertEquals({ answer.code, answer.doc.state }, { 3, "rolled_back" }, answer.out)
  lu.assertStrContains(answer.doc.error.message, "which the plan does not have")
  lu.assertEquals(self:standing(), before)
end

function TestPlan:test_files_that_are_no_plan()
  local path = self.place.dir .. "/plan.json"
  for text, message in pairs {
    [""] = "the plan can not be read", ["{"] = "expected  what `staffetta plan --out FILE` wrote",
    ["[]"] = "this is no plan", ["{}"] = "this is no plan",
    [ [[{"format":"staffetta-plan","version":2}]] ] = "this plan has version 2",
    [ [[{"format":"staffetta-plan","version":1}]] ] = [[its "playbook"]],
    [ [[{"format":"staffetta-plan","version":1,"playbook":"try","scripts":[{}],"changes":[]}]] ] = [[its "scripts"]],
    [ [[{"format":"staffetta-plan","version":1,"playbook":"try","scripts":[],"changes":[{}]}]] ] = [[its "changes"]],
    [ [[{"format":"staffetta-plan","version":1,"playbook":"try","scripts":[],"changes":[],"params":3}]] ] =
      [[its "params"]],
  } do
    self.place:write("plan.json", text)
    local answer = self.place:staffetta("run", "--plan", path)
    lu.assertEquals({ answer.code, answer.out }, { 1, "" }, text)
    lu.assertStrContains(answer.err, message)
  end
  lu.assertEquals(self.place:staffetta("run", "--plan", path .. ".none").code, 1)
end

function TestPlan:test_wrong_usage()
  self:plan()
  local answer = self.place:staffetta("rollout", "--plan", self.file)
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "expected  rollout\n  found     try\n  remedy    staffetta run --plan " .. self.file)
  answer = self.place:staffetta("run", "--plan", self.file, "--param", "number=3")
  lu.assertEquals(answer.code, 64)
  lu.assertStrContains(answer.err, "--param and --plan exclude each other")
  for _, arguments in ipairs { { "verify", "--plan", self.file }, { "rollout", "--out", self.file } } do
    answer = self.place:staffetta(table.unpack(arguments))
    lu.assertEquals(answer.code, 64)
    lu.assertStrContains(answer.err, ("%s has no option %s"):format(arguments[1], arguments[2]))
  end
  answer = self.place:staffetta("plan", "try", "--out", self.place.dir .. "/none/plan.json")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "none/plan.json")
end

-- 0, 2 and 1, and nothing else.
function TestPlan:test_exit_codes()
  lu.assertEquals(self.place:staffetta("plan", "try").code, 2)
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  lu.assertEquals(self.place:staffetta("plan", "try").code, 0)
  lu.assertEquals(self.place:staffetta("plan", "none").code, 1)
  self.place:playbook("try", needs, [[ error("no") ]])
  local answer = self.place:staffetta("plan", "try", "--out", self.file)
  lu.assertEquals(answer.code, 1)
  lu.assertFalse(support.exists(self.file))
end

return TestPlan
