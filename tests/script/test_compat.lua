-- Scripts written for the first API run unchanged: tests/compat/api-1 is never edited to fit the program.
local lu = require "luaunit"
local support = require "support"

local kept = assert(os.getenv("STAFFETTA_SOURCE"), "STAFFETTA_SOURCE must name the tree") .. "/tests/compat/api-1"

local TestCompat = {}

function TestCompat:setUp()
  self.place = support.new_place()
  support.shell("cp -r %s/. %s && chmod -R go-w %s", kept, self.place.site, self.place.site)
  self.hives = {}
  for i, name in ipairs { "win-a", "win-b", "win-c" } do self.hives[i] = self.place:hive("site/hives/" .. name) end
end

function TestCompat:tearDown()
  self.place:close()
end

function TestCompat:standing()
  local seen = {}
  for i, hive in ipairs(self.hives) do seen[i] = support.reglookup(hive) end
  return table.concat(seen)
end

-- Who has to edit one of them has broken the API: then there is an API 2, and a folder of its own for it.
function TestCompat:test_the_scripts_are_as_they_were()
  lu.assertStrContains(support.shell("cd %s && sha256sum --check --strict SHA256SUMS 2>&1", kept), "visit.lua: OK")
end

function TestCompat:test_plan_run_verdict_and_rollback()
  local before = self:standing()
  local plan = self.place:json("plan", "visit")
  lu.assertEquals(plan.code, 2, plan.out .. plan.err)
  lu.assertEquals(self:standing(), before)
  local answer = self.place:run("visit")
  lu.assertEquals(answer.code, 3, answer.out .. answer.err) -- a host has failed, on purpose
  lu.assertEquals({ answer.doc.state, answer.doc.verdict }, { "done", "pass" }, answer.err .. answer.out)
  lu.assertEquals({ answer.doc.hosts["win-a"].outcome, answer.doc.hosts["win-b"].outcome }, { "done", "failed" })
  lu.assertStrContains(self:standing(), "visited win-a")
  lu.assertEquals(answer.doc.measures.visits.count, 3)
  lu.assertEquals(self.place:json("rollback", "1").code, 0)
  lu.assertEquals(self:standing(), before)
end

function TestCompat:test_a_gate_that_fails_puts_everything_back()
  local before = self:standing()
  local answer = self.place:run("visit", "--param", "fails=true")
  lu.assertEquals({ answer.code, answer.doc.state }, { 3, "rolled_back" }, answer.out .. answer.err)
  lu.assertEquals(self:standing(), before)
end

function TestCompat:test_the_policy()
  local answer = self.place:json("scripts", "show", "policy/imap-only")
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertEquals(answer.doc.policy.traffic, { { ports = { 143 }, protocol = "tcp" } })
end

-- A newer script is refused, with the reason; nothing of it runs.
function TestCompat:test_a_script_for_a_newer_api_is_refused()
  self.place:write("site/playbooks/newer.lua", [[return { api = 2, name = "newer", kind = "playbook", summary = "x",
    run = function(ctx) ctx:say("ran") end }]])
  local answer = self.place:staffetta("run", "newer")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "api")
  lu.assertNotStrContains(answer.out, "ran")
end

return TestCompat
