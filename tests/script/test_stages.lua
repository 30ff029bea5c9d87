-- Steps that go through their hosts in batches, with gates, retries and deadlines; what becomes of each host.
local lu = require "luaunit"
local support = require "support"

local TestStages = {}

local needs = [[needs = { "registry.read", "registry.write", "system.run" },]]
local host_count = 12

function TestStages:setUp()
  self.place = support.new_place()
  local names = {}
  for i = 1, host_count do names[i] = ("h%02d"):format(i) end
  self.place:site_of(table.unpack(names))
end

function TestStages:tearDown()
  self.place:close()
end

-- Runs a playbook with `body`; `set(host)` is there to change a host. The counts of the outcomes always add up.
function TestStages:try(body, ...)
  self.place:playbook("try", needs, [[
    local function set(host, value)
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "dword", value or 1))
    end
    local order = {}
  ]] .. body)
  local answer = self.place:run("try", ...)
  if answer.doc and answer.doc.counts then
    local counts, sum = answer.doc.counts, 0
    for name, count in pairs(counts) do sum = sum + (name == "total" and 0 or count) end
    lu.assertEquals({ sum, counts.total }, { host_count, host_count })
  end
  return answer
end

function TestStages:outcomes(answer)
  local list = {}
  for i = 1, host_count do list[i] = answer.doc.hosts[("h%02d"):format(i)].outcome end
  return list
end

-- How many hosts have the value.
function TestStages:changed_count()
  local count = 0
  for i = 1, host_count do
    local seen = support.reglookup(("%s/hives/h%02d"):format(self.place.site, i))
    count = count + (seen:find("/Test/a,DWORD", 1, true) and 1 or 0)
  end
  return count
end

-- The sizes of the batches that `serial` (text of a Lua value) makes of all hosts.
function TestStages:batches(serial)
  self.place:playbook("try", needs, ([[
    local sizes, current, running = {}, 0, 0
    ctx:step("s", ctx.site.hosts(), function()
      if running == 0 then sizes[#sizes + 1] = 0 end
      running = running + 1
      sizes[#sizes] = sizes[#sizes] + 1
      ctx:sleep_ms(30)
      running = running - 1
    end, { serial = %s })
    ctx:measure("sizes", { list = sizes })
  ]]):format(serial))
  local answer = self.place:run("try")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  return answer.doc.measures.sizes.list
end

function TestStages:test_batches()
  lu.assertEquals(self:batches [[{ 1, "10%", "100%" }]], { 1, 2, 9 })
  lu.assertEquals(self:batches [[5]], { 5, 5, 2 })
  lu.assertEquals(self:batches [["50%"]], { 6, 6 })
  lu.assertEquals(self:batches [[{ 1, 3 }]], { 1, 3, 3, 3, 2 })
  lu.assertEquals(self:batches [[100]], { 12 })
  lu.assertEquals(self:batches [["1%"]], { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 })
end

function TestStages:test_wrong_options()
  for options, message in pairs {
    ["{ seriel = 1 }"] = "there is no option 'seriel'; did you mean 'serial'?", ["{ serial = {} }"] = "serial is empty",
    ["{ serial = 0 }"] = "serial has '0'", ["{ serial = '0%' }"] = "serial has '0%'",
    ["{ serial = '101%' }"] = "serial has '101%'", ["{ serial = { 1, true } }"] = "serial has 'true'",
    ["{ max_fail = -1 }"] = "max_fail is '-1'", ["{ retries = 1.5 }"] = "retries is '1.5'",
    ["{ deadline_ms = 0 }"] = "deadline_ms is '0'", ["{ gate = 'x' }"] = "gate is a string",
    ["7"] = "its options are a number",
  } do
    local answer = self:try(([[ ctx:step("s", ctx.site.hosts(), set, %s) ]]):format(options))
    lu.assertEquals(answer.code, 3)
    lu.assertStrContains(answer.doc.error.message, "step 's': " .. message)
    lu.assertEquals(self:changed_count(), 0)
  end
end

-- ---- gates between batches ----

function TestStages:test_a_gate_after_each_batch()
  self.place:check("look", "needs = { \"registry.read\" },", [[
    local found = ctx.host.registry:get("HKLM\\SYSTEM\\Test", "a")
    return found and "pass" or "fail", "looked"
  ]])
  local answer = self:try [[
    ctx:step("s", ctx.site.hosts(), set, { serial = { 1, "50%" },
      gate = function(batch) return { { check = "look", hosts = batch } } end })
  ]]
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  local steps = {}
  for _, check in ipairs(self.place:json("show").doc.checks) do steps[check.step] = (steps[check.step] or 0) + 1 end
  lu.assertEquals(steps, { ["after 's', batch 1 of 3"] = 1,
    ["after 's', batch 2 of 3"] = 6, ["after 's', batch 3 of 3"] = 5 })
  local human = self.place:staffetta("run", "try")
  lu.assertStrContains(human.out, "   batch 2 of 3\n")
  lu.assertStrContains(human.out, "hosts: 12 unchanged\n")
end

-- The canary fails its gate: the others are never touched, and it is put back.
function TestStages:test_a_failed_gate_stops_at_the_canary()
  self.place:check("look", "", [[ return "fail", "no good" ]])
  local answer = self:try [[
    ctx:step("s", ctx.site.hosts(), set, { serial = { 1, "100%" }, gate = { { check = "look" } } })
  ]]
  lu.assertEquals({ answer.code, answer.doc.state, answer.doc.error.kind }, { 3, "rolled_back", "gate_fail" })
  lu.assertEquals({ answer.doc.counts.rolled_back, answer.doc.counts.skipped }, { 1, 11 })
  lu.assertEquals(answer.doc.hosts.h05.reason, "the run ended before a step for it")
  lu.assertEquals(#self.place:json("show").doc.changes, 2)
  lu.assertEquals(self:changed_count(), 0)
end

local unknown_gate = [[
  ctx:step("s", ctx.site.hosts(), set, { serial = { 4, "100%" }, gate = { { check = "look" } } })
]]

function TestStages:test_the_site_holds_at_a_failed_gate()
  self.place:check("look", "", [[ return "fail", "no good" ]])
  local site = self.place:read("site/site.lua")
  self.place:site_file((site:gsub("api = 1,", "api = 1, on_gate_fail = 'hold',")))
  local answer = self:try(unknown_gate)
  lu.assertEquals({ answer.code, answer.doc.state, answer.doc.error.kind }, { 5, "held", "gate_held" })
  lu.assertEquals({ answer.doc.counts.done, answer.doc.counts.skipped, self:changed_count() }, { 4, 8, 4 })
  lu.assertEquals(self.place:json("runs").doc[1].state, "held")
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  lu.assertEquals(self:changed_count(), 0)
  lu.assertStrContains(self.place:staffetta("run", "try").err, "is held, nothing was put back")
  -- one that can not tell is no reason to hold where nobody is asked
  self.place:staffetta("rollback")
  self.place:check("look", "", [[ return "unknown", "could not look" ]])
  lu.assertEquals(self:try(unknown_gate).doc.state, "rolled_back")
  self.place:site_file((site:gsub("api = 1,", "api = 1, on_gate_fail = 'stay',")))
  lu.assertStrContains(self.place:staffetta("run", "try").err,
    "on_gate_fail has a wrong value")
end

function TestStages:test_an_unknown_gate_without_a_terminal_puts_back()
  self.place:check("look", "", [[ return "unknown", "could not look" ]])
  local answer = self:try(unknown_gate)
  lu.assertEquals({ answer.code, answer.doc.state, answer.doc.error.kind }, { 3, "rolled_back", "gate_unknown" })
  lu.assertEquals(self:changed_count(), 0)
  local event = self.place:json("show").doc.events[1]
  lu.assertEquals({ event.kind, event.data.is_asked, event.data.answer }, { "gate", false, "rollback" })
end

-- Runs the playbook on a terminal, with `typed` as what is typed there; gives the exit code and what was printed.
function TestStages:on_terminal(typed)
  self.place:check("look", "", [[ return "unknown", "could not look" ]])
  self.place:playbook("try", needs, [[
    local function set(host) assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "dword", 1)) end
  ]] .. unknown_gate)
  local out = support.shell("{ sleep 1; printf %%s %s; sleep 2; } | setsid script -qec %s /dev/null; true", typed,
    ("%s run try --site %s --state %s; echo code $?"):format(os.getenv("STAFFETTA"), self.place.site, self.place.state))
  return tonumber(out:match("code (%d+)")), out
end

function TestStages:test_an_unknown_gate_asks_on_a_terminal()
  local code, out = self:on_terminal("x\ng\ng\n")
  lu.assertEquals({ code, self:changed_count() }, { 4, 12 }, out) -- it went on, and the verdict stays unknown
  lu.assertStrContains(out, "gate 'after 's', batch 1 of 2': check 'look' is unknown: could not look")
  lu.assertEquals(self.place:json("show").doc.events[1].data.is_asked, true)
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  code, out = self:on_terminal("h\n")
  lu.assertEquals({ code, self:changed_count(), self.place:json("runs").doc[1].state }, { 5, 4, "held" }, out)
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  code, out = self:on_terminal("b\n")
  lu.assertEquals({ code, self:changed_count() }, { 3, 0 }, out)
end

-- ---- hosts that fail ----

function TestStages:test_max_fail()
  local body = [[
    ctx:step("first", ctx.site.hosts(), set)
    ctx:step("second", ctx.site.hosts(), function(host)
      set(host, 2)
      if host.name == "h02" then error { kind = "unreachable", message = "no answer" } end
      if host.name == "h07" then error "broken" end
    end, { serial = 3, max_fail = %d })
    ctx:step("third", ctx.site.hosts(), function(host) order[#order + 1] = host.name set(host, 3) end)
    ctx:measure("third", { hosts = order })
  ]]
  local answer = self:try(body:format(2))
  lu.assertEquals({ answer.code, answer.doc.state }, { 3, "done" }, answer.out)
  lu.assertEquals({ answer.doc.hosts.h02.outcome, answer.doc.hosts.h07.outcome, answer.doc.counts.done },
    { "unreachable", "failed", 10 })
  lu.assertEquals(answer.doc.hosts.h02.reason, "no answer")
  lu.assertEquals({ #answer.doc.measures.third.hosts, self:changed_count() }, { 10, 10 }) -- the two are as before
  local human = self.place:staffetta("run", "try").out
  lu.assertStrContains(human, "hosts: 10 done, 1 failed, 1 unreachable\n")
  lu.assertStrContains(human, "h02        skipped: failed in step 'second'")
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  lu.assertEquals(self:changed_count(), 0)

  answer = self:try(body:format(1))
  lu.assertEquals({ answer.code, answer.doc.state, answer.doc.error.subject }, { 3, "rolled_back", "h02" })
  lu.assertEquals({ answer.doc.counts.rolled_back, answer.doc.counts.unreachable, answer.doc.counts.failed },
    { 10, 1, 1 })
  lu.assertEquals(self:changed_count(), 0)
end

function TestStages:test_retries()
  local body = [[
    local tries = 0
    ctx:step("s", { ctx.site.host("h01") }, function(host)
      tries = tries + 1
      if tries < 3 then error { kind = "%s", message = "try " .. tries } end
      set(host)
    end, { retries = %d })
    ctx:measure("tries", { count = tries })
  ]]
  for _, kind in ipairs { "busy", "timeout", "unreachable" } do
    local answer = self:try(body:format(kind, 2))
    lu.assertEquals({ answer.code, answer.doc.measures.tries.count }, { 0, 3 }, answer.out)
  end
  lu.assertStrContains(self.place:staffetta("run", "try").out, "h01        once more: try 2")
  lu.assertStrContains(self:try(body:format("busy", 1)).doc.error.message, "try 2") -- that was the last
  lu.assertStrContains(self:try(body:format("conflict", 5)).doc.error.message, "try 1") -- trying again is no help
  local answer = self:try [[ ctx:step("s", { ctx.site.host("h01") }, function() error("bug") end, { retries = 5 }) ]]
  lu.assertTrue(answer.doc.duration_ms < 5000 and answer.doc.error.message:find("bug", 1, true) ~= nil)
end

function TestStages:test_a_deadline()
  local answer = self:try [[
    ctx:step("s", ctx.site.hosts(), function(host)
      set(host)
      if host.name == "h03" then ctx:sleep_ms(60000) end
      if host.name == "h04" then ctx:together { function() ctx:sleep_ms(60000) set(host, 9) end } end
      if host.name == "h05" then host.system:run { argv = { "sleep", "1" } } set(host, 9) end
    end, { deadline_ms = 500, max_fail = 3 })
  ]]
  lu.assertEquals({ answer.code, answer.doc.counts.failed, answer.doc.counts.done }, { 3, 3, 9 }, answer.out)
  lu.assertTrue(answer.doc.duration_ms >= 500 and answer.doc.duration_ms < 15000, answer.doc.duration_ms)
  for _, host in ipairs { "h03", "h04", "h05" } do
    lu.assertEquals(answer.doc.hosts[host].reason, "not done within 500 ms")
  end
  lu.assertEquals(self:changed_count(), 9) -- the three are as before, and nothing was written to them afterwards
end

function TestStages:test_a_deadline_counts_all_tries()
  local answer = self:try [[
    ctx:step("s", { ctx.site.host("h01") }, function() error { kind = "busy", message = "m" } end,
      { deadline_ms = 700, retries = 100 })
  ]]
  lu.assertEquals({ answer.code, answer.doc.hosts.h01.outcome }, { 3, "failed" })
  lu.assertStrContains(answer.doc.error.message, "not done within 700 ms")
end

function TestStages:test_every_host_has_an_outcome()
  self:try [[ ctx:step("s", { ctx.site.host("h01"), ctx.site.host("h02") }, set) ]]
  local answer = self:try [[
    ctx:step("s", { ctx.site.host("h01"), ctx.site.host("h03") }, set)
    ctx:step("t", { ctx.site.host("h03") }, set)
  ]]
  lu.assertEquals(answer.code, 0)
  local seen = self:outcomes(answer)
  lu.assertEquals({ seen[1], seen[2], seen[3], seen[12] }, { "unchanged", "skipped", "done", "skipped" })
  lu.assertEquals(answer.doc.hosts.h12.reason, "no step was for it")
  lu.assertEquals(self.place:json("show").doc.run.summary.counts, answer.doc.counts) -- and the journal has it
  local undone = self.place:json("rollback")
  lu.assertEquals({ undone.doc.counts.rolled_back, undone.doc.counts.skipped }, { 1, 11 })
end

function TestStages:test_so_many_hosts_at_once_as_the_site_says()
  local body = [[
    local at_once, most = 0, 0
    ctx:step("all", ctx.site.hosts(), function(host)
      at_once = at_once + 1
      most = math.max(most, at_once)
      ctx:sleep_ms(20)
      at_once = at_once - 1
    end)
    ctx:measure("together", { most = most })
  ]]
  lu.assertEquals(self:try(body).doc.measures.together.most, host_count)
  local site = self.place:read("site/site.lua")
  self.place:site_file((site:gsub("api = 1,", "api = 1, forks = 5,")))
  lu.assertEquals(self:try(body).doc.measures.together.most, 5)
  self.place:site_file((site:gsub("api = 1,", "api = 1, forks = 0,")))
  lu.assertStrContains(self:try(body).err, "forks has a wrong value")
end

return TestStages
