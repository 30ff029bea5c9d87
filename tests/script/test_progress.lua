-- How far a run is: for a person one line a batch, for a program one JSON object a line; as many hosts at once as were
-- asked for; hosts that hang.
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local TestProgress = {}

local host_count = 20
local source = assert(os.getenv("STAFFETTA_SOURCE"), "STAFFETTA_SOURCE must name the source tree")

function TestProgress:setUp()
  self.place = support.new_place()
  local names = {}
  for i = 1, host_count do names[i] = ("h%02d"):format(i) end
  self.place:site_of(table.unpack(names))
end

function TestProgress:tearDown()
  self.place:close()
end

function TestProgress:playbook(body)
  self.place:playbook("try", 'needs = { "registry.read", "registry.write", "system.run" },', [[
    local function set(host) assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "dword", 1)) end
  ]] .. body)
end

-- ---- for a program ----

-- What --output ndjson prints, decoded line by line.
function TestProgress:lines(...)
  local answer = self.place:staffetta(...)
  lu.assertEquals(answer.out:sub(-1), "\n", answer.err)
  local lines = {}
  for text in answer.out:gmatch("([^\n]*)\n") do lines[#lines + 1] = cjson.decode(text) end
  return lines, answer
end

-- Event -> the set of members that docs/events.md names.
local function documented()
  local events = {}
  for row in support.shell("cat %s", source .. "/docs/events.md"):gmatch("\n| (`[^\n]*) |") do
    local names, members = row:match("^(.-) | (.*)$")
    for name in names:gmatch("`(%l[%l_]*)`") do
      events[name] = { api = true, at_unix_ms = true, event = true }
      for member in members:gmatch("`(%l[%l_]*)`") do events[name][member] = true end
    end
  end
  return events
end

local function expect_documented(lines)
  local events, last_ms = documented(), 0
  for _, line in ipairs(lines) do
    lu.assertEquals(line.api, 1)
    lu.assertTrue(line.at_unix_ms % 1 == 0 and line.at_unix_ms >= last_ms, line.event)
    last_ms = line.at_unix_ms
    lu.assertNotNil(events[line.event], ("docs/events.md has no event '%s'"):format(line.event))
    for member in pairs(line) do
      lu.assertTrue(events[line.event][member], ("docs/events.md: event '%s' has no '%s'"):format(line.event, member))
    end
  end
end

local function of_event(lines, name)
  local found = {}
  for _, line in ipairs(lines) do
    if line.event == name then found[#found + 1] = line end
  end
  return found
end

function TestProgress:test_a_run_for_a_program()
  self.place:check("look", "", [[ return "pass", { summary = "fine" } ]])
  self:playbook [[
    local tries = 0
    ctx:step("first", ctx.site.hosts(), function(host)
      set(host)
      if host.name == "h02" then error { kind = "unreachable", message = "no answer" } end
      if host.name == "h03" then
        tries = tries + 1
        if tries == 1 then error { kind = "busy", message = "later" } end
      end
    end, { serial = { 1, "100%" }, max_fail = 1, retries = 1, gate = { { check = "look" } } })
    ctx:step("second", ctx.site.hosts(), function() ctx:sleep_ms(20) end)
    ctx:measure("figures", { count = 1 })
    ctx:say("said")
  ]]
  local lines, answer = self:lines("run", "try", "--output", "ndjson")
  expect_documented(lines)
  lu.assertEquals({ answer.code, answer.err }, { 3, "" })
  lu.assertEquals({ lines[1].event, lines[1].run, lines[#lines].event }, { "begin", 1, "end" })
  local last = lines[#lines]
  lu.assertEquals({ last.exit_code, last.state, last.counts.done, last.counts.unreachable, last.hosts.h02.reason },
    { 3, "done", host_count - 1, 1, "no answer" })

  local batches = of_event(lines, "batch_end")
  lu.assertEquals({ #batches, batches[2].batch, batches[2].batches, batches[2].hosts, batches[2].failed },
    { 3, 2, 2, host_count - 1, 1 })
  lu.assertEquals({ #of_event(lines, "host_begun"), #of_event(lines, "host") }, { 39, 39 })
  local third = of_event(lines, "host")
  for _, host in ipairs(third) do
    lu.assertEquals(host.outcome, host.host == "h02" and "unreachable" or "done")
    lu.assertEquals(host.ok, host.host ~= "h02")
    if host.step == "second" then lu.assertTrue(host.duration_ms >= 20, host.duration_ms) end
  end
  for name, count in pairs { retry = 2, skipped = 1, check = 2, gate = 2, measure = 1, note = 1 } do
    lu.assertEquals(#of_event(lines, name), count, name)
  end
  lu.assertEquals({ of_event(lines, "gate")[1].verdict, of_event(lines, "gate")[1].answer }, { "pass", "continue" })
end

function TestProgress:test_what_goes_wrong_for_a_program()
  self.place:check("look", "", [[ return "fail", "no good" ]])
  self:playbook [[ ctx:step("s", ctx.site.hosts(), set, { gate = { { check = "look" } } }) ]]
  local lines = self:lines("plan", "try", "--output", "ndjson")
  expect_documented(lines)
  lu.assertEquals({ lines[#lines].planned_changes, lines[#lines].exit_code }, { host_count, 2 })
  lines = self:lines("run", "try", "--output", "ndjson")
  expect_documented(lines)
  local gate = of_event(lines, "gate")[1]
  lu.assertEquals({ gate.verdict, gate.answer, gate.gate }, { "fail", "rollback", "after 's'" })
  lu.assertStrContains(gate.reason, "no good")
  lu.assertEquals({ #of_event(lines, "undo"), lines[#lines].state, lines[#lines].error.kind },
    { host_count, "rolled_back", "gate_fail" })

  lines = self:lines("run", "nothing", "--output", "ndjson")
  expect_documented(lines)
  lu.assertEquals({ #lines, lines[1].event, lines[1].error.kind }, { 1, "error", "not_found" })
  local answer = self.place:staffetta("runs", "--output", "ndjson")
  lu.assertEquals(answer.code, 64)
  lu.assertStrContains(answer.err, "human or json\n")
end

-- ---- for a person ----

local slow = [[
  ctx:step("s", ctx.site.hosts(), function(host)
    if host.name == "h07" then ctx:sleep_ms(2500) end
    if host.name == "h09" then error { kind = "io", message = "no good" } end
    set(host)
  end, { max_fail = 1 })
]]

function TestProgress:test_many_hosts_are_one_line_in_a_log()
  self:playbook(slow)
  local answer = self.place:staffetta("run", "try")
  lu.assertStrMatches(answer.out, "try  run 1\n  s\n    h09        FAILED: no good\n"
    .. "   20/20 hosts, 1 failed, [%d.]+/s, slowest h07 %(%d+%.%d s%), h%d%d %([%d.]+ s%), h%d%d %([%d.]+ s%)\n"
    .. "hosts: 19 done, 1 failed\n.*")
  local verbose = self.place:staffetta("run", "try", "--verbose").out
  for i = 1, host_count do lu.assertStrContains(verbose, ("    h%02d "):format(i)) end
  lu.assertNotStrContains(verbose, "20/20")
  local quiet = self.place:staffetta("run", "try", "--quiet").out
  lu.assertStrMatches(quiet, "hosts: 19 unchanged, 1 failed\n.*")
end

-- The frames that a terminal shows, one over the other, of a run in these surroundings.
function TestProgress:frames(environment)
  local out = support.shell("env -u NO_COLOR " .. environment .. " script -qec %s /dev/null </dev/null; true",
    ("%s run try --site %s --state %s"):format(os.getenv("STAFFETTA"), self.place.site, self.place.state))
  local frames = {}
  for frame in out:gmatch("([^\r\n]*)\r\27%[K") do frames[#frames + 1] = frame end
  return frames, out
end

function TestProgress:test_a_terminal_shows_the_batch_in_one_line()
  self:playbook(slow)
  local frames = self:frames("TERM=xterm LC_ALL=C.UTF-8 COLUMNS=80")
  lu.assertTrue(#frames >= 2, #frames)
  lu.assertStrMatches(frames[#frames], "   19/20 hosts, 1 failed, [%d.]+/s, %d s left, waiting for h07 %([%d.]+ s%)")
  for ellipsis, locale in pairs { ["…"] = "C.UTF-8", ["..."] = "C" } do
    frames = self:frames("TERM=xterm COLUMNS=40 LC_ALL=" .. locale)
    local last = frames[#frames]
    lu.assertEquals({ last:sub(-#ellipsis), utf8.len(last) }, { ellipsis, 39 }, last)
  end
  local out
  frames, out = self:frames("TERM=dumb")
  lu.assertEquals({ #frames, out:find("\27", 1, true) }, { 0, nil }, out)
  lu.assertStrContains(out, "20/20 hosts, 1 failed")
end

-- A host that is slow to reach, in a run that changes another one.
function TestProgress:with_a_slow_host()
  local site = self.place:read("site/site.lua")
  self.place:site_file((site:gsub("hosts = {", [[%0
    slow = { role = "front_end", address = "192.0.2.1", transport = "openssh",
      ssh = { args = { "-o", "ProxyCommand=sleep 3" } } },]])))
  self:playbook [[ ctx:step("s", { ctx.site.host("h01") }, set) ]]
end

function TestProgress:test_locking_the_hosts_shows_how_far_it_is()
  self:with_a_slow_host()
  local frames, out = self:frames("TERM=xterm LC_ALL=C.UTF-8 COLUMNS=100")
  lu.assertTrue(#frames >= 2, out)
  lu.assertStrMatches(frames[#frames], "   locking: 20/21 hosts, [%d.]+/s, %d s left, waiting for slow %([%d.]+ s%)")
  lu.assertNotStrContains(self.place:staffetta("run", "try").out, "locking")
end

function TestProgress:test_locking_the_hosts_for_a_program()
  self:with_a_slow_host()
  local lines = self:lines("run", "try", "--output", "ndjson")
  expect_documented(lines)
  lu.assertEquals({ #of_event(lines, "hold_begun"), #of_event(lines, "held") }, { host_count + 1, host_count + 1 })
  local held, ends = of_event(lines, "held"), of_event(lines, "hold_end")
  lu.assertEquals({ held[#held].host, held[#held].duration_ms >= 2900 }, { "slow", true })
  lu.assertEquals({ #ends, ends[1].hosts, of_event(lines, "hold")[1].hosts }, { 1, host_count + 1, host_count + 1 })
  lu.assertEquals(#of_event(self:lines("plan", "try", "--output", "ndjson"), "hold"), 0)
end

-- ---- how many at once ----

function TestProgress:test_forks_of_the_command_rule()
  self.place:check("look", "", [[ ctx:sleep_ms(10) return "pass", "looked" ]])
  self:playbook [[
    local at_once, most = 0, 0
    ctx:step("s", ctx.site.hosts(), function()
      at_once = at_once + 1
      most = math.max(most, at_once)
      ctx:sleep_ms(10)
      at_once = at_once - 1
    end)
    ctx:measure("together", { most = most })
    ctx:checks("look", { { check = "look", hosts = ctx.site.hosts() } })
  ]]
  local site = self.place:read("site/site.lua")
  self.place:site_file((site:gsub("api = 1,", "api = 1, forks = 3,")))
  for forks, most in pairs { ["7"] = 7, ["100"] = host_count, ["1"] = 1 } do
    local doc = self.place:run("try", "--forks", forks).doc
    lu.assertEquals({ doc.measures.together.most, #doc.checks, doc.verdict }, { most, host_count, "pass" })
  end
  for _, wrong in ipairs { "0", "-1", "many", "", "10001" } do
    local answer = self.place:staffetta("run", "try", "--forks", wrong)
    lu.assertEquals(answer.code, 64)
    lu.assertStrContains(answer.err, "--forks has a wrong value")
    lu.assertStrContains(answer.err, "how many hosts, 1 to 10000")
  end
end

-- ---- hosts that hang ----

-- All hosts behind agents on this machine are one host to other controllers: here they have locks of their own.
local own_locks = ("unshare %s sh -c 'mount -t tmpfs none /run/lock && exec \"$@\"' sh"):format(
  support.shell("id -u") == "0\n" and "-m" or "-rm")

function TestProgress:behind_agents()
  self.place.environment = own_locks
  local site = self.place:read("site/site.lua")
  self.place:site_file((site:gsub('windows = "2003"', 'windows = "2003", transport = "agent"')))
end

-- An agent that stops in the middle of a call: the deadline holds all the same, and the others are not held up.
function TestProgress:test_an_agent_that_hangs_keeps_its_deadline()
  self:behind_agents()
  self:playbook [[
    ctx:step("s", ctx.site.hosts(), function(host)
      if host.name == "h04" then host.system:run { argv = { "sh", "-c", "kill -STOP $PPID; sleep 600" } } end
      set(host)
    end, { deadline_ms = 5000, max_fail = 1 })
    ctx:step("t", ctx.site.hosts(), set)
  ]]
  local answer = self.place:run("try")
  lu.assertEquals({ answer.code, answer.doc.counts.done, answer.doc.hosts.h04.outcome, answer.doc.hosts.h04.reason },
    { 3, host_count - 1, "failed", "not done within 5000 ms" }, answer.out .. answer.err)
  lu.assertTrue(answer.doc.duration_ms < 60000, answer.doc.duration_ms)
end

-- ---- open files ----

function TestProgress:test_the_limit_of_open_files()
  self:playbook [[ ctx:step("s", ctx.site.hosts(), set) ]]
  self:behind_agents()
  self.place.environment = "ulimit -Sn 100; " .. own_locks -- the program raises it by itself
  lu.assertEquals(self.place:run("try").code, 0)
  self.place.environment = "ulimit -n 100; " .. own_locks
  local answer = self.place:staffetta("run", "try")
  lu.assertEquals(answer.code, 1)
  for _, part in ipairs { "20 hosts need more open files", "RLIMIT_NOFILE of 316", "a hard limit of 100",
    "`ulimit -n 316`" } do
    lu.assertStrContains(answer.err, part)
  end
end

function TestProgress:test_facts_of_many_hosts_find_room()
  local hosts = {}
  for i = 1, 130 do
    hosts[i] = ("h%d = { role = 'front_end', address = '192.0.2.1', transport = 'agent' },\n"):format(i)
  end
  self.place:site_file("return { api = 1, name = 'test', clusters = {}, hosts = {\n" .. table.concat(hosts) .. "} }")
  self.place.environment = "ulimit -Sn 256;"
  local answer = self.place:json("hosts", "--facts")
  lu.assertEquals({ answer.code, #answer.doc.hosts }, { 0, #hosts }, answer.err)
  for _, host in ipairs(answer.doc.hosts) do lu.assertNil(host.error) end
end

return TestProgress
