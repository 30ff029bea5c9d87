-- The drill: what a planned move costs, that nothing travels in the clear meanwhile, and that the address is back at
-- its first holder in whatever way the drill ends. Must never assert a time but as a bound.
-- SPDX-License-Identifier: MIT
local lu = require "luaunit"
local cjson = require "cjson"
local lab_support = require "lab_support"

local bash, expect = lab_support.bash, lab_support.expect

local bound_us = 2000000 * lab_support.slowness -- some 20 ms when nothing else runs

local TestDrill = {}

function TestDrill:up(options)
  self.lab = lab_support.up(options)
  expect(self.lab:staffetta("rollout"), 0)
  return self.lab
end

function TestDrill:tearDown()
  local lab = self.lab
  self.lab = nil
  if lab then lab:down() end
end

-- After a drill that did not end well: the address is where it was, and clients get answers again by themselves.
local function expect_recovered(lab, what)
  lu.assertEquals(lab:holders(), "node-a", what)
  lu.assertStrContains(lab:ask_for(15, "fe1", 110) or "no answer", "node-a", false, what)
  expect(lab:staffetta("verify"), 0)
end

-- ESP packets that the kernel had no room for, since charon, which does ESP in userland, was not woken in time: at
-- 5,000 a second its socket is full after some 30 ms.
local function overflows(lab)
  local count = 0
  for _, host in ipairs { "fe1", "node-a", "node-b" } do
    count = count + tonumber(lab:on(host, "nstat -asz UdpRcvbufErrors"):match("UdpRcvbufErrors%s+(%d+)"))
  end
  return count
end

-- Passed; or answers were lost again afterwards, and it was this machine that dropped them.
local function expect_passed_but_for_overflows(lab, answer)
  if answer.code == 0 or overflows(lab) == 0 then return expect(answer, 0).doc end
  print(("this machine dropped %d ESP packets"):format(overflows(lab)))
  lu.assertEquals(lab_support.checks_with("fail", answer.doc.checks), { "steady-around" })
  return expect(answer, 3).doc
end

function TestDrill:test_move_measured_every_millisecond()
  local lab = self:up()
  local wire = lab:listen()
  local report = expect_passed_but_for_overflows(lab, lab:json("drill", "--param", "interval_us=1000"))
  wire:stop()

  for _, measure in ipairs { "planned_move", "failback" } do
    local figures = report.measures[measure]
    lu.assertFalse(figures.is_open)
    lu.assertTrue(figures.outage_us + figures.error_us < bound_us, figures.summary)
    lu.assertTrue(figures.sent >= 1000, figures.summary) -- a second of steady state before and after
    lu.assertEquals(figures.clear_packets, 0)
    lu.assertEquals(figures.capture_lost, 0)
  end

  -- the witness on the switch: both nodes have announced the address, and all that travelled for it was ESP and IKE
  lu.assertEquals(wire:lines("tcp and host 10.9.0.100"), {})
  lu.assertTrue(wire:count("host 10.9.0.100 and " .. lab_support.esp) > 1000)
  for _, node in ipairs { "node-a", "node-b" } do
    local mac = lab:on(node, "cat /sys/class/net/eth0/address"):match("%S+")
    lu.assertTrue(wire:count(("arp and ether src %s and arp[14:4] = 0x0a090064"):format(mac)) > 0, node)
  end

  -- one SA with the holder, none left elsewhere, and the policy stands
  lu.assertEquals(lab:holders(), "node-a")
  local _, established = lab:swanctl("fe1", "--list-sas"):gsub("ESTABLISHED", "")
  lu.assertEquals(established, 1)
  lu.assertEquals(lab:swanctl("node-b", "--list-sas"), "")
  expect(lab:staffetta("verify"), 0)
end

-- When each phase of a timeline was, name -> microseconds; nil for what was not seen.
local function times_of(timeline)
  local times = {}
  for _, phase in ipairs(timeline.phases) do times[phase.name] = phase.at_us end
  return times
end

-- The phases that have a duration follow each other and add up to the sum.
local function expect_to_add_up(timeline)
  local sum, last = 0, 0
  for _, phase in ipairs(timeline.phases) do
    if phase.duration_us then
      lu.assertEquals(phase.at_us, last + phase.duration_us, phase.name)
      sum, last = sum + phase.duration_us, phase.at_us
    end
  end
  lu.assertEquals(sum, timeline.sum_us)
  lu.assertEquals(timeline.agrees, math.abs(sum - timeline.outage_us) <= timeline.error_us, timeline.summary)
end

-- What comes before what; the front end's daemon may tell late that the old SAs are gone, so their end has no place.
local order = { { "address_removed", "negotiation_begins" }, { "address_on_new_node", "negotiation_begins" },
  { "negotiation_begins", "sas_up" }, { "negotiation_begins", "first_answer" } }

-- A busy machine can make a daemon's word come late, and then the timeline says that the sum is not the outage.
function TestDrill:test_the_timeline_of_a_move_is_whole_and_is_the_outage()
  local lab, agreed = self:up(), {}
  for _ = 1, 4 do
    local report = expect(lab:json("drill", "--param", "steady_ms=200"), 0).doc
    for _, measure in ipairs { "planned_move", "failback" } do
      local timeline = report.measures[measure].timeline
      local times = times_of(timeline)
      lu.assertEquals(#timeline.phases, 6)
      lu.assertEquals(timeline.gaps, {})
      for _, name in ipairs { "address_removed", "sas_deleted", "negotiation_begins", "address_on_new_node", "sas_up",
          "first_answer" } do
        lu.assertNotNil(times[name], measure .. " has not seen " .. name)
      end
      for _, pair in ipairs(order) do
        lu.assertTrue(times[pair[1]] <= times[pair[2]], ("%s: %s before %s"):format(measure, pair[1], pair[2]))
      end
      expect_to_add_up(timeline)
      agreed[measure] = agreed[measure] or timeline.agrees
    end
    if agreed.planned_move and agreed.failback then break end
  end
  lu.assertEquals(agreed, { planned_move = true, failback = true })

  local picture = lab.place.dir .. "/picture.svg"
  expect(lab:staffetta("timeline", "--svg", picture), 0)
  local svg = lab_support.read_file(picture)
  lu.assertEquals({ bash("xmllint --noout --nonet " .. picture) }, { "", 0 })
  for _, words in ipairs { "planned move", "failback", "address on the new node", "IKE_SA_INIT", "ESP packets" } do
    lu.assertStrContains(svg, words)
  end
  lu.assertStrContains(expect(lab:staffetta("timeline"), 0).out,
    "negotiation begins       fe1        wire: IKE_SA_INIT")
end

-- One that stays at the node from which the address goes is ended there. Its client is told at once or, where charon,
-- which sends the reset in userland ESP, was too late for that, when it next says something.
function TestDrill:test_connections_that_stay_behind_are_ended()
  local lab = self:up()
  local said = lab.place.dir .. "/client"
  local client = bash(([[
    ip netns exec %s bash -c '
      exec 3<>/dev/tcp/10.9.0.100/110 && read -r line <&3 && echo greeted || exit
      for i in {1..60}; do read -r -t 1 line <&3; [ $? -gt 128 ] || break; echo NOOP >&3; done
    ' >%s 2>&1 </dev/null & echo $!
    until grep -q greeted %s; do sleep 0.01; kill -0 $! || exit; done
  ]]):format(lab:netns("fe1"), said, said)):match("%d+")
  local sockets = "ss -Htn state established src 10.9.0.100"
  lu.assertStrContains(lab:on("node-a", sockets), "10.9.0.1:")
  expect(lab:json("drill", "--param", "steady_ms=100"), 0)
  lu.assertEquals(lab:on("node-a", sockets), "")
  bash(("for i in {1..1000}; do kill -0 %s 2>/dev/null || break; sleep 0.01; done"):format(client))
  lu.assertStrContains(lab_support.read_file(said), "Connection reset by peer")
  os.remove(said)
end

function TestDrill:test_outage_over_the_budget_fails()
  local lab = self:up { site = function(text)
    return lab_support.edit(text, "planned_move_ms = 6000", "planned_move_ms = 1") end }
  local report = expect(lab:json("drill", "--param", "steady_ms=300"), 3).doc
  lu.assertEquals(lab_support.checks_with("fail", report.checks), { "within-budget" })
  lu.assertStrContains(report.error.message, "the budget is 1 ms")
  expect_recovered(lab, "a drill over its budget")
end

function TestDrill:test_drill_without_a_policy_puts_the_address_back()
  local lab = self:up()
  expect(lab:staffetta("rollback"), 0)
  local before = lab:snapshot()
  lu.assertStrContains(expect(lab:json("drill", "--param", "steady_ms=100"), 3).doc.error.message,
    "staffetta-mail-passwords-fe1")
  lab:expect_as(before, "a drill without a policy")
end

function TestDrill:test_interrupted_drill_puts_the_address_back()
  local lab = self:up()
  for _, line in ipairs { "measure from fe1", "move 10.9.0.100 from node-a", "the new holder initiates",
      "move 10.9.0.100 from node-b" } do
    local answer = lab:signalled("INT", { line = line }, "drill", "--param", "steady_ms=200")
    lu.assertEquals(answer.code, 130, line .. "\n" .. answer.out .. answer.err)
    expect_recovered(lab, "interrupted at " .. line)
  end
end

function TestDrill:test_killed_drill_is_rolled_back()
  local lab = self:up()
  for _, point in ipairs { "host.write.after:1", "journal.done.before:2", "host.write.before:3" } do
    lab:kill_at(point, "drill", "--param", "steady_ms=200")
    expect(lab:staffetta("rollback"), 0)
    expect_recovered(lab, "killed at " .. point)
  end
end

-- The front end has given up its peer twice over before the operator comes: the SA that the rollout left is gone.
function TestDrill:test_killed_drill_is_rolled_back_late()
  local lab = self:up()
  lab:kill_at("host.write.after:1", "drill", "--param", "steady_ms=200")
  bash("sleep 8")
  expect(lab:staffetta("rollback"), 0)
  expect_recovered(lab, "rolled back late")
end

-- ---- faults ----

-- The daemons on the nodes run and have what they had, the links are up, and the kernel has the same as before.
local function expect_as_it_began(lab, before, what)
  expect_recovered(lab, what)
  for _, node in ipairs { "node-a", "node-b" } do
    lu.assertStrContains(lab:on(node, "ip -br link show eth0"), "UP", false, what)
    lu.assertStrContains(lab:swanctl(node, "--list-conns"), "staffetta-mail-passwords-fe1", false, what)
    lu.assertEquals(lab:on(node, "ip route; nft -s list ruleset"), before[node], what)
  end
end

local function look_at_nodes(lab)
  local seen = {}
  for _, node in ipairs { "node-a", "node-b" } do seen[node] = lab:on(node, "ip route; nft -s list ruleset") end
  return seen
end

function TestDrill:test_every_case_is_measured_and_put_back()
  local lab = self:up()
  local before = look_at_nodes(lab)
  local charon = lab:on("node-a", "ip netns pids $(ip netns identify) | xargs ps -o pid=,comm= -p | grep charon")
  local wire = lab:listen()
  local told = expect(lab:staffetta("drill", "--param", "case=all", "--param", "repetitions=2", "--param",
    "steady_ms=300", "--output", "ndjson"), 0).out
  wire:stop()
  local report, rounds = { measures = {} }, {}
  for line in told:gmatch("[^\n]+") do
    local event = cjson.decode(line)
    if event.event == "measure" then report.measures[event.name] = event.figures end
    if event.event == "note" then rounds[#rounds + 1] = event.text:match("^(round %d of 2, failback):") end
  end
  lu.assertEquals(rounds, { "round 1 of 2, failback", "round 1 of 2, failback", "round 2 of 2, failback",
    "round 2 of 2, failback" })
  for _, case in ipairs { "planned_move", "failback", "restart", "flap", "crash" } do
    local figures = report.measures[case]
    lu.assertEquals(#figures.outages_us, case == "failback" and 4 or 2, case)
    lu.assertTrue(figures.outage_us - figures.error_us < bound_us, case .. figures.summary)
    lu.assertTrue(figures.median_us <= figures.outage_us + figures.error_us, case)
    lu.assertEquals(figures.clear_packets, 0)
    lu.assertTrue(figures.is_steady_before and figures.is_steady_after, case)
  end
  for _, case in ipairs { "planned_move", "failback", "restart", "flap", "crash" } do
    expect_to_add_up(report.measures[case].timeline)
    local times = times_of(report.measures[case].timeline)
    local is_lost = case == "restart" or case == "flap" or case == "crash"
    lu.assertEquals(times.holder_lost ~= nil, is_lost, case)
    lu.assertEquals(times.address_on_new_node ~= nil, case ~= "restart" and case ~= "flap", case)
  end
  -- a link that is down for 200 ms is an outage of no less; a crash counts from the order to take over, too
  lu.assertTrue(report.measures.flap.outage_us + report.measures.flap.error_us >= 200000)
  lu.assertTrue(report.measures.crash.median_after_takeover_us < bound_us)
  lu.assertEquals(wire:lines("tcp and host 10.9.0.100"), {})
  expect_as_it_began(lab, before, "all cases, twice")
  lu.assertNotEquals(lab:on("node-a", "ip netns pids $(ip netns identify) | xargs ps -o pid=,comm= -p | grep charon"),
    charon, "the daemon has never ended")
end

function TestDrill:test_interrupted_crash_is_put_back()
  local lab = self:up()
  local before = look_at_nodes(lab)
  for _, line in ipairs { "node-a crashes", "node-b takes", "node-a lets go", "node-a comes back" } do
    local answer = lab:signalled("INT", { line = line }, "drill", "--param", "case=crash", "--param", "steady_ms=200")
    lu.assertEquals(answer.code, 130, line .. "\n" .. answer.out .. answer.err)
    expect_as_it_began(lab, before, "interrupted at " .. line)
  end
end

-- The writes: end the daemon, link down, the standby takes the address, the old holder lets go, the daemon again, ...
function TestDrill:test_killed_crash_is_rolled_back()
  local lab = self:up()
  local before = look_at_nodes(lab)
  for _, point in ipairs { "host.write.after:1", "host.write.after:2", "host.write.before:4", "host.write.after:5" } do
    lab:kill_at(point, "drill", "--param", "case=crash", "--param", "steady_ms=200")
    expect(lab:staffetta("rollback"), 0)
    expect_as_it_began(lab, before, "killed at " .. point)
  end
end

function TestDrill:test_a_standby_that_is_not_ready_is_not_drilled()
  local lab = self:up()
  local charon = lab:pid_of("node-b", "charon")
  bash(("kill -9 %d"):format(charon))
  local report = expect(lab:json("drill", "--param", "case=crash"), 3).doc
  lu.assertStrContains(report.error.message, "the standby is ready")
  lu.assertEquals(lab_support.checks_with("fail", report.checks), { "standby-ready node-b" })
  lu.assertEquals(lab:holders(), "node-a")
end

-- A budget that the site does not name is none that was kept.
function TestDrill:test_a_case_without_a_budget_is_unknown()
  local lab = self:up { site = function(text) return lab_support.edit(text, "    restart_ms = 10000,\n", "") end }
  local report = expect(lab:json("drill", "--param", "case=restart", "--param", "steady_ms=200"), 3).doc
  lu.assertStrContains(report.error.message, "name no limit for restart")
  expect_recovered(lab, "a drill without a budget")
end

-- A move by hand while nobody drills: the holder is looked up, not remembered.
-- A limit that leaves a node out leaves nothing to measure; one with all that a drill needs changes nothing.
function TestDrill:test_a_drill_needs_all_nodes_in_its_limit()
  local lab = self:up()
  expect(lab:staffetta("rollout"), 0)
  for _, limit in ipairs { "fe1", "all,!node-b", "node-*" } do
    local answer = expect(lab:json("drill", "--limit", limit), 3)
    lu.assertStrContains(answer.doc.error.message, "the limit leaves one of them out")
    lu.assertNil(answer.doc.measures.planned_move)
  end
  lu.assertNotNil(expect(lab:json("drill", "--limit", "fe1,node-*"), 0).doc.measures.planned_move)
  -- a limit names whom a rollout touches; what checks need of others they still get
  lu.assertEquals(expect(lab:json("rollout", "--limit", "fe1"), 0).doc.counts.total, 1)
end

function TestDrill:test_drill_begins_at_the_holder()
  local lab = self:up()
  lab:on("node-a", "ip address del 10.9.0.100/32 dev eth0")
  lab:on("node-b", "ip address add 10.9.0.100/32 dev eth0")
  bash("sleep 0.1")
  local answer = lab:staffetta("drill", "--param", "steady_ms=200")
  lu.assertStrContains(answer.out, "move 10.9.0.100 from node-b to node-a")
  lu.assertEquals(lab:holders(), "node-b")
end

return TestDrill
