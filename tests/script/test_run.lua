-- One run: steps side by side, gates, what a failure puts back, plans, signals, and the death of the program.
local lu = require "luaunit"
local support = require "support"

local TestRun = {}

local needs = [[needs = { "registry.read", "registry.write", "system.read", "system.run" },]]

-- A step that sets the value `name` to a number on all hosts.
local function set(name, number)
  return ([[
    ctx:step("set %s", ctx.site.hosts(), function(host)
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "%s", "dword", %d))
    end)
]]):format(name, name, number)
end

function TestRun:setUp()
  self.place = support.new_place()
  self.place:site_of("win-a", "win-b")
  self.hives = { self.place.site .. "/hives/win-a", self.place.site .. "/hives/win-b" }
end

function TestRun:tearDown()
  self.place:close()
end

-- Runs a playbook with `body` and gives the answer.
function TestRun:try(body, ...)
  self.place:playbook("try", needs, body)
  return self.place:run("try", ...)
end

function TestRun:expect_ok(body)
  local answer = self:try(body)
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  return answer
end

-- What stands on both hosts, as another program reads it.
function TestRun:standing()
  return support.reglookup(self.hives[1]) .. support.reglookup(self.hives[2])
end

function TestRun:show(run)
  local answer = self.place:json("show", run or "last")
  lu.assertEquals(answer.code, 0, answer.err)
  return answer.doc
end

-- ---- steps ----

function TestRun:test_hosts_of_a_step_run_side_by_side()
  self.place:site_of("a", "b", "c", "d")
  local answer = self:expect_ok [[
    ctx:step("wait", ctx.site.hosts(), function() ctx:sleep_ms(400) end)
  ]]
  lu.assertTrue(answer.doc.duration_ms >= 400 and answer.doc.duration_ms < 1400, answer.doc.duration_ms)
end

function TestRun:test_calls_that_block_run_side_by_side()
  self.place:site_of("a", "b", "c", "d")
  local answer = self:expect_ok [[
    ctx:step("wait", ctx.site.hosts(), function(host)
      assert(host.system:run { argv = { "sleep", "0.4" } }.exit_code == 0)
    end)
  ]]
  lu.assertTrue(answer.doc.duration_ms >= 400 and answer.doc.duration_ms < 1400, answer.doc.duration_ms)
end

function TestRun:test_together_gives_results_in_order()
  self:expect_ok [[
    ctx:step("wait", { ctx.site.host("win-a") }, function(host)
      local results = ctx:together {
        function() ctx:sleep_ms(400) return "slow" end,
        function() return host.system:facts().hostname end,
        function() ctx:sleep_ms(300) return "quick" end,
      }
      assert(results[1] == "slow" and #results[2] > 0 and results[3] == "quick")
      local ok, err = pcall(ctx.together, ctx, { function() return 1 end, function() error("inside", 0) end })
      assert(not ok and err == "inside", tostring(err))
    end)
  ]]
end

function TestRun:test_a_host_that_fails_waits_for_the_others()
  local answer = self:try(set("a", 1) .. [[
    ctx:step("half", ctx.site.hosts(), function(host)
      if host.name == "win-a" then error("no luck") end
      ctx:sleep_ms(200)
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "late", "dword", 1))
    end)
    ctx:say("not reached")
  ]])
  lu.assertEquals(answer.code, 3, answer.out .. answer.err)
  lu.assertEquals({ answer.doc.hosts["win-a"].outcome, answer.doc.hosts["win-b"].outcome }, { "failed", "rolled_back" })
  lu.assertEquals(answer.doc.state, "rolled_back")
  lu.assertEquals(answer.doc.rollback.undone, 3)
  lu.assertStrContains(answer.doc.error.message, "step 'half' failed on win-a: ")
  lu.assertStrContains(answer.doc.error.message, "no luck")
end

function TestRun:test_a_playbook_can_live_with_a_failed_step()
  local answer = self:try(set("a", 1) .. [[
    local ok, err = pcall(ctx.step, ctx, "half", ctx.site.hosts(), function(host)
      if host.name == "win-b" then error { kind = "timeout", message = "too slow" } end
    end)
    assert(not ok and err.kind == "step_failed" and err.subject == "win-b" and err.op == "half")
    assert(err.message:find("too slow", 1, true))
  ]])
  lu.assertEquals({ answer.code, answer.doc.state }, { 3, "done" }, answer.out)
  lu.assertEquals({ answer.doc.hosts["win-a"].outcome, answer.doc.hosts["win-b"].outcome }, { "done", "failed" })
end

function TestRun:test_a_failed_run_puts_everything_back()
  self:expect_ok(set("a", 1))
  local before = self:standing()
  local answer = self:try(set("a", 2) .. set("b", 2) .. set("a", 3) .. [[ error("enough") ]])
  lu.assertEquals(answer.code, 3)
  lu.assertEquals(answer.doc.state, "rolled_back")
  lu.assertEquals(answer.doc.rollback.undone, 6)
  lu.assertEquals(answer.doc.rollback.failed, 0)
  lu.assertEquals(self:standing(), before)
  local shown = self:show()
  lu.assertEquals(shown.run.state, "rolled_back")
  lu.assertEquals(#shown.changes, 12) -- 6, and their undoing
  local human = self.place:staffetta("run", "try")
  lu.assertEquals(human.code, 3)
  lu.assertStrContains(human.out, "putting back what run 3 has changed")
  lu.assertStrContains(human.out, "undone   win-a")
  lu.assertStrContains(human.err, "enough")
end

function TestRun:test_a_failed_run_that_changed_nothing_is_just_failed()
  local answer = self:try [[ error("at once") ]]
  lu.assertEquals(answer.code, 3)
  lu.assertEquals(answer.doc.state, "failed")
  lu.assertNil(answer.doc.rollback)
end

function TestRun:test_what_can_not_be_put_back_needs_a_person()
  self.place:playbook("meddle", needs, set("a", 9))
  local answer = self:try(set("a", 1) .. ([[
    ctx:act("somebody else comes along", { ctx.site.host("win-a") }, function(host)
      assert(host.system:run { argv = { "sh", "-c",
        "printf 'cd \\\\Test\nsetval 1\na\ndword:77\ncommit\n' | hivexsh -w %s" } }.exit_code == 0)
    end)
    error("and it fails")
  ]]):format(self.hives[1]))
  lu.assertEquals(answer.code, 5, answer.out .. answer.err)
  lu.assertEquals(answer.doc.state, "needs_human")
  lu.assertEquals(answer.doc.rollback_error.kind, "conflict")
  lu.assertStrContains(answer.doc.rollback_error.message, "on win-a: was absent, the run wrote dword 1")
  lu.assertStrContains(support.reglookup(self.hives[1]), "/Test/a,DWORD,0x0000004D")
end

-- ---- gates and checks ----

function TestRun:gate(check_body)
  self.place:check("look", [[needs = { "registry.read" },]], check_body)
  return self:try(set("a", 1) .. [[
    ctx:gate("ready", { { check = "look", hosts = ctx.site.hosts() } })
    ctx:say("through")
  ]])
end

function TestRun:test_a_gate_that_passes_lets_through()
  local answer = self:gate [[
    return "pass", { summary = "all well", value = ctx.host.registry:get("HKLM\\SYSTEM\\Test", "a").value }
  ]]
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertEquals(answer.doc.verdict, "pass")
  lu.assertEquals(#answer.doc.checks, 2)
  local checks = self:show().checks
  lu.assertEquals({ #checks, checks[1].name, checks[1].verdict, checks[1].step, checks[1].evidence },
    { 2, "look", "pass", "ready", { summary = "all well", value = 1 } })
  lu.assertItemsEquals({ checks[1].host, checks[2].host }, { "win-a", "win-b" }) -- as they ended
  local human = self.place:staffetta("show")
  lu.assertStrContains(human.out, [[{"summary":"all well","value":1}]])
end

function TestRun:test_a_gate_that_fails_puts_back()
  local before = self:standing()
  local answer = self:gate [[
    if ctx.host.name == "win-b" then return "fail", { summary = "broken" } end
    return "pass", "fine"
  ]]
  lu.assertEquals(answer.code, 3, answer.out .. answer.err)
  lu.assertEquals({ answer.doc.verdict, answer.doc.state }, { "fail", "rolled_back" })
  lu.assertEquals(answer.doc.error.kind, "gate_fail")
  lu.assertStrContains(answer.doc.error.message, "gate 'ready': check 'look' on win-b is fail: broken")
  lu.assertEquals(self:standing(), before)
end

-- When the program has put a failed run back, the playbook may look again, and can only look.
function TestRun:test_a_playbook_looks_when_it_was_put_back()
  local before = self:standing()
  self.place:check("gone", [[needs = { "registry.read" },]], [[
    return ctx.host.registry:get("HKLM\\SYSTEM\\Test", "a") and "fail" or "pass"
  ]])
  self.place:playbook("try", needs .. [[
    undone = function(ctx) return { { check = "gone", hosts = ctx.site.hosts() } } end,
  ]], set("a", 1) .. [[ error("enough") ]])
  local answer = self.place:run("try")
  lu.assertEquals({ answer.code, answer.doc.state, answer.doc.verdict }, { 3, "rolled_back", "pass" }, answer.err)
  lu.assertEquals(#answer.doc.checks, 2)
  lu.assertEquals(#self:show().checks, 2)

  self.place:playbook("try", needs .. [[
    undone = function(ctx)
      ctx:step("once more", ctx.site.hosts(), function(host)
        assert(host.registry:set("HKLM\\SYSTEM\\Test", "late", "dword", 1))
      end)
    end,
  ]], set("a", 1) .. [[ error("enough") ]])
  answer = self.place:run("try")
  lu.assertEquals({ answer.code, answer.doc.state, answer.doc.verdict }, { 3, "rolled_back", "unknown" }, answer.err)
  lu.assertStrContains(answer.doc.checks[1].evidence.reason, "it can only look")
  lu.assertEquals(self:standing(), before)
end

function TestRun:test_a_gate_that_can_not_look_does_not_pass()
  local before = self:standing()
  for body, reason in pairs {
    [ [[ return "unknown", "nobody there" ]] ] = "nobody there",
    [ [[ error("it broke") ]] ] = "look.lua:3: it broke",
    [ [[ error { kind = "timeout", message = "no answer" } ]] ] = "no answer",
    [ [[ return "pass", { bytes = "\255" } ]] ] = "UTF-8",
    [ [[ return "pass", { print = tostring } ]] ] = "function",
    [ [[ error("\255\254") ]] ] = "??",
    [ [[ error(setmetatable({}, { __index = error, __tostring = error })) ]] ] = "a value that is no message",
    [ [[ return true ]] ] = "returned 'true'; expected 'pass', 'fail' or 'unknown'",
    [ [[ while true do end ]] ] = "instructions without waiting",
    [ [[ ctx.host.registry:set("HKLM\\SYSTEM\\Test", "x", "dword", 1) ]] ] = "needs 'registry.write'",
    [ [[ ctx.host.system:facts() ]] ] = "nil value (field 'system')",
  } do
    local answer = self:gate(body)
    lu.assertEquals(answer.doc.error.kind, "gate_unknown")
    lu.assertEquals({ answer.doc.verdict, answer.doc.state }, { "unknown", "rolled_back" })
    lu.assertStrContains(answer.doc.checks[1].evidence.reason, reason)
    lu.assertStrContains(self:show().checks[1].evidence.reason, reason)
    lu.assertEquals(answer.code, 3, answer.out .. answer.err)
  end
  lu.assertEquals(self:standing(), before)
end

function TestRun:test_a_gate_with_nothing_to_look_at_does_not_pass()
  local answer = self:try [[ ctx:gate("ready", {}) ]]
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(answer.doc.error.message, "gate 'ready' had nothing to look at")
end

function TestRun:test_a_check_that_is_not_there_is_unknown()
  local answer = self:try [[
    local verdict, results = ctx:checks("look", { { check = "lock" } })
    assert(verdict == "unknown" and results[1].evidence.reason:find("there is no", 1, true), results[1].evidence.reason)
  ]]
  lu.assertEquals(answer.code, 4, answer.out .. answer.err)
end

function TestRun:test_checks_alone_give_the_worst_verdict_and_its_exit_code()
  self.place:check("say", [[params = { what = { type = "string", doc = "the verdict" } },]],
    [[ ctx:sleep_ms(10) return p.what, "as told" ]])
  for _, case in ipairs { { "pass", "pass", 0 }, { "unknown", "pass", 4 }, { "unknown", "fail", 3 } } do
    local answer = self:try(([[
      local verdict, results = ctx:checks("all", { { check = "say", params = { what = "%s" } },
        { check = "say", params = { what = "%s" } } })
      ctx:measure("seen", { verdict = verdict, count = #results })
    ]]):format(case[1], case[2]))
    lu.assertEquals(answer.code, case[3], answer.out .. answer.err)
    lu.assertEquals(answer.doc.state, "done")
    lu.assertEquals(answer.doc.measures.seen.verdict, answer.doc.verdict)
    lu.assertEquals(answer.doc.measures.seen.count, 2)
  end
end

-- ---- figures and words ----

function TestRun:test_measures_and_words()
  local answer = self:expect_ok [[
    ctx:measure("outage", { duration_ms = 12, deep = { list = { 1, 2 } } })
    assert(ctx:measured().outage.duration_ms == 12)
    ctx:say("100%% of %d", 5)
    ctx:say("100%")
    assert(ctx:wait_until(1000, function() return true end) == true)
    assert(ctx:wait_until(50, function() return false end) == false)
    local field, expected, present = ctx.differs({ a = 1, b = { c = 2 } }, { a = 1, b = { c = 3 }, d = 4 })
    assert(field == "b.c" and expected == 2 and present == 3)
    assert(ctx.differs({ a = { 1, 2 } }, { a = { 1 } }) == "a" and ctx.differs({ a = 1 }, { a = 1, b = 2 }) == nil)
  ]]
  lu.assertEquals(answer.doc.measures, { outage = { duration_ms = 12, deep = { list = { 1, 2 } } } })
  local event = self:show().events[1]
  lu.assertEquals({ event.kind, event.data.name, event.data.figures.duration_ms }, { "measure", "outage", 12 })
  local human = self.place:staffetta("run", "try")
  lu.assertStrContains(human.out, "100% of 5\n    100%\n")
end

function TestRun:test_a_sleep_is_never_shorter_than_asked()
  self:expect_ok [[
    for _ = 1, 5 do
      local before = ctx.now_ns()
      repeat until ctx.now_ns() - before > 40000000
      before = ctx.now_ns()
      ctx:sleep_ms(30)
      assert(ctx.now_ns() - before >= 30000000, ctx.now_ns() - before)
    end
  ]]
end

function TestRun:test_actions_are_in_the_journal_without_what_they_sent()
  self:expect_ok [[
    ctx:act("run it", { ctx.site.host("win-a") }, function(host)
      assert(host.system:run { argv = { "cat" }, input = "hunter2" }.output == "hunter2")
    end)
  ]]
  local answer = self.place:json("show")
  local event = answer.doc.events[1]
  lu.assertEquals(event.kind, "system.run")
  lu.assertEquals({ event.data.host, event.data.args.argv, event.data.answer }, { "win-a", { "cat" }, "ok" })
  lu.assertNotStrContains(answer.out, "hunter2")
end

-- ---- plans ----

function TestRun:test_a_plan_skips_actions_and_checks()
  self.place:playbook("try", needs, set("a", 1) .. [[
    assert(ctx.is_planning)
    ctx:act("do it", ctx.site.hosts(), function() error("acted in a plan") end)
    ctx:gate("look", { { check = "none" } })
    local verdict, results = ctx:checks("look again", { { check = "none" } })
    assert(verdict == "unknown" and #results == 0)
  ]] .. set("b", 1))
  local before = self:standing()
  local answer = self.place:json("plan", "try")
  lu.assertEquals(answer.code, 2, answer.out .. answer.err)
  lu.assertEquals(#answer.doc.plan.changes, 4)
  lu.assertEquals(self:standing(), before)
  local human = self.place:staffetta("plan", "try")
  lu.assertStrContains(human.out, "do it  (not in a plan)")
  lu.assertStrContains(human.out, "look  (1 checks, not in a plan)")
  lu.assertStrContains(human.out, "4 changes planned")
  lu.assertFalse(support.exists(self.place.state .. "/journal.db"))
end

function TestRun:test_an_acting_verb_in_a_plan_raises()
  self.place:playbook("try", needs, [[
    ctx:step("act", ctx.site.hosts(), function(host) host.system:run { argv = { "true" } } end)
  ]])
  local answer = self.place:json("plan", "try")
  lu.assertEquals(answer.code, 1, answer.out .. answer.err)
  lu.assertEquals(answer.doc.state, "failed")
  lu.assertStrContains(answer.doc.error.message, "system.run acts on a host, and this is a plan: put it into ctx:act")
end

function TestRun:test_a_change_outside_a_step_raises()
  local answer = self:try [[ ctx.site.host("win-a").registry:set("HKLM\\SYSTEM\\Test", "a", "dword", 1) ]]
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(answer.doc.error.message, "registry.value changes a host outside a step")
  lu.assertStrContains(answer.doc.error.message, "try.lua:3")
end

function TestRun:test_needs_are_enforced()
  self.place:playbook("try", [[needs = { "system.read", "registry.read" },]], [[
    ctx:step("try", ctx.site.hosts(), function(host)
      assert(host.system:facts() and host.probe == nil and host.vip == nil and host.ipsec == nil)
      for _, case in ipairs {
        { "system.run", function() return host.system:run { argv = { "true" } } end },
        { "system.write", function() return host.system:write_file { path = "/tmp/never", content = "" } end },
        { "registry.write", function() return host.registry:create_key("HKLM\\SYSTEM\\Test") end },
      } do
        local ok, message = pcall(case[2])
        assert(not ok and message:find(("needs '%s', which this script does not declare"):format(case[1]), 1, true),
          message)
      end
    end)
  ]])
  local answer = self.place:run("try")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
end

-- What the site forbids no script gets: a playbook is not begun, and a check can not look.
function TestRun:test_the_site_forbids_a_need()
  local site = self.place:read("site/site.lua")
  local before = self:standing()
  self.place:site_file((site:gsub("api = 1,", "api = 1, forbid = { 'registry.write' },")))
  for _, command in ipairs { "run", "plan" } do
    self.place:playbook("try", needs, set("a", 1))
    local answer = self.place:json(command, "try")
    lu.assertEquals({ answer.code, answer.doc.error.kind }, { 1, "denied" }, answer.out)
    lu.assertStrContains(answer.doc.error.message,
      "the playbook 'try' needs 'registry.write', which site.lua forbids")
  end
  lu.assertEquals(self:standing(), before)
  lu.assertEquals(self.place:staffetta("scripts", "show", "playbook/try").code, 0) -- looking at it is no harm
  self.place:check("look", "needs = { \"registry.write\" },", [[ return "pass" ]])
  self.place:playbook("try", "", [[ ctx:gate("g", { { check = "look" } }) ]])
  local answer = self.place:run("try")
  lu.assertEquals({ answer.code, answer.doc.error.kind }, { 3, "gate_unknown" })
  lu.assertStrContains(answer.doc.error.message, "which site.lua forbids")
  self.place:site_file((site:gsub("api = 1,", "api = 1, forbid = { 'registry.rite' },")))
  answer = self.place:run("try")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.doc.error.message, "forbid has a wrong value")
  lu.assertEquals(answer.doc.error.found, "registry.rite")
end

function TestRun:test_a_check_has_its_own_needs()
  self.place:check("look", "", [[ assert(ctx.host.registry == nil and ctx.host.system == nil) return "pass" ]])
  local answer = self:try [[ ctx:gate("g", { { check = "look", hosts = ctx.site.hosts() } }) ]]
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
end

-- ---- kinds of errors ----

function TestRun:test_the_report_keeps_the_kind_of_what_was_raised()
  for _, case in ipairs {
    { [[ error("text") ]], "invalid_data" },
    { [[ error { kind = "timeout", op = "wait", subject = "win-a", message = "too slow" } ]], "timeout" },
    { [[ local x = nil; x.y = 1 ]], "invalid_data" },
    { [[ error("\255 is no UTF-8") ]], "invalid_data" },
    { [[ error { kind = "\255", message = ("ü"):rep(1000) } ]], "\u{FFFD}" },
    { [[ error(setmetatable({}, { __index = error, __tostring = error })) ]], "invalid_data" },
    { [[ ctx:step("s", ctx.site.hosts(), function() error("\255") end) ]], "invalid_data" },
    { [[ ctx:step("s", ctx.site.hosts(), function() error(setmetatable({}, { __index = error })) end) ]],
      "step_failed" },
    { [[ assert(ctx.site.host("win-a").registry:get("HKLM\\SOFTWARE\\X", "y")) ]], "unsupported" },
    { [[ assert(ctx.site.host("win-a").registry:get("X", "y")) ]], "invalid_data" },
    { [[ ctx.site.host("win-c") ]], "not_found" },
    { [[ ctx.site.cluster("none") ]], "not_found" },
    { [[ ctx:step("s", ctx.site.hosts(), function() error { kind = "timeout", message = "m" } end) ]], "step_failed" },
    { [[ ctx:step("s", ctx.site.hosts(), function() assert(nil, "a bug") end) ]], "invalid_data" },
    { [[ ctx:gate("g", { { check = "none" } }) ]], "gate_unknown" },
    { [[ ctx:act("a", ctx.site.hosts(), function(host)
           assert(host.system:run { argv = { "sleep", "5" }, timeout_ms = 50 }) end) ]], "step_failed" },
    { [[ ctx:act("a", ctx.site.hosts(), function(host)
           local answer, err = host.system:run { argv = { "sleep", "5" }, timeout_ms = 50 }
           assert(answer == nil and err.kind == "timeout")
           answer, err = host.system:run { argv = { "no-such-program" } }
           assert(answer == nil and err.kind == "not_found", err and err.kind) end) error("end") ]], "invalid_data" },
  } do
    local answer = self:try(case[1])
    lu.assertEquals({ answer.code, answer.doc.error.kind }, { 3, case[2] }, answer.out)
  end
end

function TestRun:test_a_bug_in_a_step_shows_its_traceback()
  self.place:playbook("try", needs, [[
    ctx:step("s", ctx.site.hosts(), function(host)
      local nothing
      nothing.field = 1
    end)]])
  local human = self.place:staffetta("run", "try")
  lu.assertEquals(human.code, 3)
  lu.assertStrContains(human.err, "step 's' failed on win-a: ")
  lu.assertStrContains(human.err, "stack traceback:")
  lu.assertStrContains(human.err, "try.lua:5: in function")
  -- a fact of the world has no use for one
  self.place:playbook("try", needs, [[
    ctx:step("s", ctx.site.hosts(), function(host) assert(host.registry:get("HKLM\\SOFTWARE\\X", "y")) end)]])
  human = self.place:staffetta("run", "try")
  lu.assertEquals(human.code, 3)
  lu.assertNotStrContains(human.err, "stack traceback:")
end

-- ---- signals, and the death of the program ----

-- Starts a run that sets a value on both hosts and then waits for long; comes back when it waits.
function TestRun:start_waiting(wait)
  self.place:playbook("try", needs, set("a", 1) .. set("b", 1) .. [[ ctx:say("waiting") ]] .. (wait or
    [[ ctx:step("wait", ctx.site.hosts(), function() ctx:sleep_ms(60000) end) ]]))
  local job = self.place:start("run", "try")
  job:wait_for("waiting")
  return job
end

function TestRun:test_an_interrupt_puts_back()
  local before = self:standing()
  for _, signal in ipairs { "INT", "TERM", "HUP" } do
    local job = self:start_waiting()
    lu.assertNotEquals(self:standing(), before)
    job:signal(signal)
    local answer = job:finish()
    lu.assertEquals(answer.code, 130, answer.out .. answer.err)
    lu.assertStrContains(answer.out, "interrupted")
    lu.assertStrMatches(answer.err, "staffetta: stopped: [a-z ]+%(%w+%)\n") -- no place in a script
    lu.assertEquals(self:standing(), before)
    lu.assertEquals(self:show().run.state, "rolled_back")
  end
end

function TestRun:test_checks_prove_nothing_of_what_was_put_back()
  self.place:check("sees", "", "return 'pass'")
  local job = self:start_waiting [[ ctx:checks("look", { { check = "sees" } }) ctx:say("looked") ctx:sleep_ms(60000) ]]
  job:wait_for("looked")
  job:signal("INT")
  local answer = job:finish()
  lu.assertStrMatches(answer.out, ".*\nhosts: 2 rolled_back\nrolled_back  %([%d.]+ s%)\nnext: .*")
end

function TestRun:test_a_run_without_a_step_counts_no_hosts()
  self.place:check("sees", "", "return 'pass'")
  self.place:playbook("try", "", [[ ctx:checks("look", { { check = "sees" } }) ]])
  local answer = self.place:staffetta("run", "try")
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertNotStrContains(answer.out, "hosts:")
end

function TestRun:test_an_interrupt_can_not_be_caught()
  local before = self:standing()
  local job = self:start_waiting [[ while true do pcall(ctx.sleep_ms, ctx, 50) end ]]
  job:signal("INT")
  lu.assertEquals(job:finish().code, 130)
  lu.assertEquals(self:standing(), before)
end

function TestRun:test_a_second_interrupt_ends_at_once()
  local before = self:standing()
  local job = self:start_waiting [[
    ctx:act("wait", { ctx.site.host("win-a") }, function(host) host.system:run { argv = { "sleep", "5" } } end)
  ]]
  job:signal("INT")
  job:wait_for("interrupted")
  job:signal("INT")
  local answer = job:finish()
  lu.assertEquals(answer.code, 130)
  lu.assertStrContains(answer.err, "run 1 is not finished: `staffetta rollback` puts it back")
  lu.assertEquals(self.place:json("runs").doc[1].state, "interrupted")
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  lu.assertEquals(self:standing(), before)
end

function TestRun:test_an_interrupted_plan_says_so()
  self.place:playbook("try", needs, [[ ctx:say("waiting") ctx:sleep_ms(60000) ]])
  local job = self.place:start("plan", "try")
  job:wait_for("waiting")
  job:signal("INT")
  lu.assertEquals(job:finish().code, 130)
end

function TestRun:test_a_second_controller_is_refused()
  local job = self:start_waiting()
  local answer = self.place:run("try")
  lu.assertEquals(answer.code, 1, answer.out .. answer.err)
  lu.assertEquals(answer.doc.error.kind, "busy")
  lu.assertStrContains(answer.doc.error.message, "pid " .. job.pid)
  lu.assertStrContains(answer.doc.error.message, "try --site")
  -- looking is allowed meanwhile
  lu.assertEquals(self:show().run.state, "running")
  lu.assertEquals(self.place:json("runs").doc[1].state, "running")
  job:signal("INT")
  lu.assertEquals(job:finish().code, 130)
end

function TestRun:test_a_killed_run_is_rolled_back_from_the_journal()
  local before = self:standing()
  local job = self:start_waiting()
  job:signal("KILL")
  job:finish()
  lu.assertNotEquals(self:standing(), before)
  lu.assertEquals(self.place:json("runs").doc[1].state, "interrupted")
  local answer = self.place:json("rollback")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  lu.assertEquals(self:standing(), before)
  lu.assertEquals(self:show("1").run.state, "rolled_back")
  lu.assertEquals(self.place:json("runs").doc[1].playbook, "rollback")
end

function TestRun:test_a_run_killed_in_the_middle_of_a_change_is_rolled_back()
  self:expect_ok(set("a", 1))
  local before = self:standing()
  local points = { "journal.intent.after", "host.write.before", "host.write.after", "journal.done.before",
    "journal.done.after" }
  for i, point in ipairs(points) do
    self.place:playbook("try", needs, set("a", i + 1) .. set("b", 1))
    self.place.environment = "STAFFETTA_FAULT=" .. point .. ":2"
    local answer = self.place:run("try")
    self.place.environment = nil
    if answer.code == 0 then lu.skip("this build has no fault points") end
    lu.assertEquals(answer.code, 137, point .. answer.out .. answer.err)
    answer = self.place:json("rollback")
    lu.assertEquals(answer.code, 0, point .. answer.out .. answer.err)
    lu.assertEquals(self:standing(), before, point)
  end
end

return TestRun
