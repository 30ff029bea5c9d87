-- The order of a takeover on the real lab: each trap that a failover of IPsec has is laid, the naive way into it is
-- shown, and the order of scripts/lib/takeover.lua passes it. Figures are printed beside what prediction.lua says.
-- Must never assert a time but as a generous bound. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local lab_support = require "lab_support"

package.path = assert(os.getenv("STAFFETTA_EXAMPLE")):match("^(.*)/site%.example/") .. "/lib/?.lua;" .. package.path
local prediction = require "prediction"

local bash, expect = lab_support.bash, lab_support.expect

local margin_ms = 2000 * lab_support.slowness
local naive_watch_ms = 5000 -- how long a naive way is watched
local detection_ms = 100 -- the playbook asks the old holder's daemon every 20 ms

-- What the front end runs: mail-passwords' delay and retransmissions, when nobody is told to initiate.
local dead_peer_detection = { dpd_delay_ms = 1000, retransmit_timeout_ms = 300, retransmit_base = 1.0,
  retransmit_tries = 4 }

-- ---- the playbooks of the test's site ----

local needs = [[needs = { "ipsec.read", "ipsec.initiate", "vip.read", "vip.move", "probe" },
  params = {
    policy = { type = "policy", default = "mail-passwords", doc = "the policy that stands" },
    cluster = { type = "cluster", doc = "the site's only one" },
    watch_ms = { type = "integer", default = 500, doc = "how long to look after the move" },
    initiate_timeout_ms = { type = "integer", default = 5000, doc = "limit of a negotiation" },
  },]]

-- What the bodies share. measured(fn): the loss that fe1 sees from before fn until `watch_ms` after it.
local prelude = [[
    local connections, takeover = require "connections", require "takeover"
    local fe1, node_a, node_b = ctx.site.host("fe1"), ctx.site.host("node-a"), ctx.site.host("node-b")
    local address = { address = p.cluster.virtual_ip, prefix_length = p.cluster.prefix_length }
    local name = connections.of(p.policy, p.cluster, node_a, "require")[1].name

    local function act(what, host, fn) ctx:act(what, { host }, fn) end

    local function move_address_alone(from, to)
      ctx:step("move the address alone", { from, to }, function(host)
        if host == from then assert(host.vip:release(address)) else assert(host.vip:take(address)) end
      end)
    end
    local function terminate(host) assert(host.ipsec:terminate { connection = name, force = true }) end
    local function initiate(host)
      local started_ns = ctx.now_ns()
      local outcome, err = host.ipsec:initiate { connection = name, timeout_ms = p.initiate_timeout_ms }
      ctx:measure(host.name .. " initiates", { took_ms = (ctx.now_ns() - started_ns) // 1000000, is_up = outcome ~= nil,
        reason = err and tostring(err) or "" })
    end

    local function measured(fn)
      local probe
      act("probe", fe1, function(host)
        probe = assert(host.probe:start { target = p.cluster.virtual_ip, port = 110, interval_us = 5000,
          timeout_ms = 900 })
        ctx:sleep_ms(300)
      end)
      fn()
      act("look", fe1, function(host)
        ctx:sleep_ms(p.watch_ms)
        local report = assert(host.probe:stop(probe))
        local longest = report.longest
        ctx:measure("outage", { ms = longest and longest.duration_us / 1000 or 0, lost = report.lost,
          error_ms = (longest and longest.error_us or report.interval_us) / 1000,
          is_open = longest ~= nil and longest.is_open })
      end)
    end

    -- Tells the test that it may end the daemon on node-a, and waits until it has.
    local function wait_for_the_crash()
      act("watch node-a", node_a, function(host)
        ctx:say("ready for the crash")
        assert(ctx:wait_until(10000, function() return host.ipsec:version() == nil end), "node-a lives on")
      end)
    end
]]

local bodies = {
  ["in-order"] = [[
    measured(function() takeover.move(ctx, p, node_a, node_b) end)
  ]],
  ["back-in-order"] = [[
    measured(function() takeover.move(ctx, p, node_b, node_a) end)
  ]],
  ["nobody-negotiates"] = [[
    measured(function()
      act("the old holder ends the SAs", node_a, terminate)
      move_address_alone(node_a, node_b)
    end)
  ]],
  ["both-negotiate"] = [[
    measured(function()
      ctx:step("take the address", { node_b }, function(host) assert(host.vip:take(address)) end)
      ctx:act("both nodes negotiate", { node_a, node_b }, function(host)
        terminate(host)
        initiate(host)
      end)
      ctx:step("release the address", { node_a }, function(host) assert(host.vip:release(address)) end)
    end)
  ]],
  ["old-holder-keeps"] = [[
    move_address_alone(node_a, node_b)
    act("the new holder initiates", node_b, initiate)
  ]],
  ["back-without-terminate"] = [[
    measured(function()
      move_address_alone(node_b, node_a)
      act("initiate beside what is stale", node_a, initiate)
    end)
  ]],
  ["crash-in-order"] = [[
    measured(function()
      wait_for_the_crash()
      takeover.move(ctx, p, nil, node_b)
    end)
  ]],
  ["crash-nobody-negotiates"] = [[
    measured(function()
      wait_for_the_crash()
      ctx:step("take the address", { node_b }, function(host) assert(host.vip:take(address)) end)
    end)
  ]],
}

-- ---- the table: prediction beside measurement ----

local has_header = false

local function row(what, outage, expected)
  if not has_header then print(("%-52s %-20s %s"):format("case", "measured", "predicted")) end
  has_header = true
  local measured = (outage.is_open and "not in %.0f ms" or "%.0f ms +- %.0f"):format(outage.ms, outage.error_ms)
  print(("%-52s %-20s %s"):format(what, measured, expected and prediction.words(expected) or "-"))
end

-- Fails unless the loss is over, inside what was predicted and the margin.
local function expect_inside(what, outage, expected)
  row(what, outage, expected)
  lu.assertFalse(outage.is_open, what)
  lu.assertTrue(outage.ms - outage.error_ms <= expected.max_ms + margin_ms, ("%s: %.0f ms"):format(what, outage.ms))
end

local ordered = { initiator = "new_holder" }

-- ---- what stands ----

-- The IKE SAs of a host as swanctl shows them: lists of the SPIs, initiator's and responder's, and of all states.
local function ike_sas(lab, host)
  local established, states = {}, {}
  for state, initiator, responder in lab:swanctl(host, "--list-sas"):gmatch(
      "#%d+, (%u+), IKEv2, (%x+)_i%*? (%x+)_r%*?") do
    states[#states + 1] = state
    if state == "ESTABLISHED" then established[#established + 1] = initiator .. " " .. responder end
  end
  return established, states
end

-- The front end has one IKE SA for the address, it is that of the holder, and the other node has none. Gives its SPIs.
local function expect_one_sa(lab, holder, other)
  local front_end = ike_sas(lab, "fe1")
  lu.assertEquals(#front_end, 1)
  lu.assertEquals(ike_sas(lab, holder), front_end)
  if other then lu.assertEquals(lab:swanctl(other, "--list-sas"), "") end
  return front_end[1]
end

-- What node-a's charon has logged while fn ran.
local function log_of(lab, fn)
  local path = lab.run_dir .. "/node-a/charon.log"
  local before = #lab_support.read_file(path)
  fn()
  return lab_support.read_file(path):sub(before + 1)
end

-- ---- the traps ----

local TestTakeover = {}

function TestTakeover:setUp()
  self.lab = lab_support.up()
  for name, body in pairs(bodies) do self.lab.place:playbook(name, needs, prelude .. body) end
  expect(self.lab:staffetta("rollout"), 0)
end

function TestTakeover:tearDown()
  local lab = self.lab
  self.lab = nil
  if lab then lab:down() end
end

local function run(lab, playbook, ...)
  return expect(lab:json("run", playbook, ...), 0).doc.measures
end

function TestTakeover:test_a_drill_leaves_one_fresh_sa()
  local lab = self.lab
  local first = expect_one_sa(lab, "node-a", "node-b")
  local patience = ("initiate_timeout_ms=%d"):format(5000 * lab_support.slowness)
  local measures = expect(lab:json("drill", "--param", "steady_ms=300", "--param", patience), 0).doc.measures
  for _, case in ipairs { "planned_move", "failback" } do
    local figures = measures[case]
    expect_inside(case .. ", in order", { ms = figures.outage_us / 1000, error_ms = figures.error_us / 1000,
      is_open = figures.is_open }, prediction.of(case, ordered))
  end
  lu.assertNotEquals(expect_one_sa(lab, "node-a", "node-b"), first)
end

-- The policy may give the negotiation to the front end; it is one initiator all the same.
function TestTakeover:test_the_front_end_as_the_initiator()
  local lab = self.lab
  expect(lab:staffetta("rollback"), 0)
  lab.place:write("site/policies/from-the-front.lua", [[
    return { api = 1, name = "from-the-front", kind = "policy", summary = "a test", extends = "mail-passwords",
      policy = { failover = { initiator = "front_end" } } }
  ]])
  expect(lab:staffetta("rollout", "--param", "policy=from-the-front"), 0)
  local outage = run(lab, "in-order", "--param", "policy=from-the-front").outage
  expect_inside("planned_move, in order, the front end initiates", outage, prediction.of("planned_move", ordered))
  local spis = expect_one_sa(lab, "node-b", "node-a")
  lu.assertStrContains(lab:swanctl("fe1", "--list-sas"), spis:match("^%x+") .. "_i*")
end

-- Naive: both nodes negotiate, while the address is on its way. One of them waits for answers that go to the other, or
-- both believe that they have the peer. In order: one initiator, one SA.
function TestTakeover:test_both_nodes_negotiate()
  local lab = self.lab
  local measures = run(lab, "both-negotiate")
  local _, front_end = ike_sas(lab, "fe1")
  local on_a, on_b = #ike_sas(lab, "node-a"), #ike_sas(lab, "node-b")
  row("naive: both nodes negotiate", measures.outage)
  print(("  front end: %s; node-a %d, node-b %d established; node-a took %.0f ms, node-b %.0f ms"):format(
    table.concat(front_end, " "), on_a, on_b, measures["node-a initiates"].took_ms,
    measures["node-b initiates"].took_ms))
  local all_well = measures["node-a initiates"].is_up and measures["node-b initiates"].is_up
  lu.assertFalse(all_well and #front_end == 1 and on_a + on_b == 1, "two initiators did no harm")

  lu.assertFalse(run(lab, "back-in-order").outage.is_open)
  expect_one_sa(lab, "node-a", "node-b")
end

-- Naive: the returning holder has kept what it had, and negotiates beside it. charon then refuses a second CHILD_SA,
-- or, where only the IKE SA is left, asks on that for a CHILD_SA, of a peer that has long forgotten it.
function TestTakeover:test_stale_sa_on_a_returning_holder()
  local lab = self.lab
  local child = "staffetta-mail-passwords-fe1"
  run(lab, "old-holder-keeps")
  lu.assertEquals(#ike_sas(lab, "node-a"), 1) -- as if it had the peer
  local refused = run(lab, "back-without-terminate", "--param", "watch_ms=700")
  row("naive: failback beside a stale CHILD_SA", refused.outage)
  lu.assertFalse(refused["node-a initiates"].is_up)
  lu.assertTrue(refused.outage.is_open)
  lu.assertFalse(run(lab, "in-order").outage.is_open)
  lu.assertFalse(run(lab, "back-in-order").outage.is_open)
  expect_one_sa(lab, "node-a", "node-b")

  local function leave_ike_sa_only()
    local out, code = lab:swanctl("node-a", "--terminate --child " .. child)
    lu.assertEquals(code, 0, out)
    run(lab, "old-holder-keeps")
    lu.assertEquals(#ike_sas(lab, "node-a"), 1)
  end
  leave_ike_sa_only()
  local stalled
  local log = log_of(lab, function() stalled = run(lab, "back-without-terminate", "--param", "watch_ms=700") end)
  row("naive: failback on a stale IKE SA", stalled.outage)
  print(("  node-a negotiated for %.0f ms"):format(stalled["node-a initiates"].took_ms))
  -- On the stale IKE SA it asks for the child, or waits behind a question of dead-peer detection that is still open.
  lu.assertStrMatches(log, ".*retransmit %d of request.*")
  lu.assertTrue(stalled["node-a initiates"].took_ms > 300, "no stall on the stale IKE SA")
  lu.assertFalse(run(lab, "in-order").outage.is_open)
  lu.assertFalse(run(lab, "back-in-order").outage.is_open)

  local before = expect_one_sa(lab, "node-a", "node-b")
  leave_ike_sa_only()
  local outage
  log = log_of(lab, function() outage = run(lab, "back-in-order").outage end)
  expect_inside("failback in order, with a stale IKE SA", outage, prediction.of("failback", ordered))
  lu.assertStrContains(log, "generating IKE_SA_INIT request")
  lu.assertNotStrContains(log, "CREATE_CHILD_SA")
  lu.assertNotEquals(expect_one_sa(lab, "node-a", "node-b"), before)
end

-- Naive: end the SAs, move the address, and let the front end find out. With the userland engine nothing ever makes it
-- negotiate; with the kernel's it does when its own timers let it.
function TestTakeover:test_nobody_negotiates()
  local lab = self.lab
  local naive = run(lab, "nobody-negotiates", "--param", ("watch_ms=%d"):format(naive_watch_ms)).outage
  row("naive: end the SAs, move, nobody negotiates", naive, prediction.of("planned_move", {}))
  lu.assertFalse(run(lab, "back-in-order").outage.is_open)
  expect_one_sa(lab, "node-a", "node-b")
  local outage = run(lab, "in-order").outage
  expect_inside("planned_move, in order", outage, prediction.of("planned_move", ordered))
  expect_one_sa(lab, "node-b", "node-a")
  lu.assertTrue(naive.ms > outage.ms, "the naive way did no harm")
end

-- ---- crashes ----

-- Runs the playbook and, when it is ready, cuts node-a off the network and kills its charon. Gives the outage.
local function crash(lab, playbook, ...)
  local charon, netns = lab:pid_of("node-a", "charon"), lab:netns("node-a")
  local job = lab.place:start("run", playbook, ...)
  job:wait_for("ready for the crash")
  local out, code = bash(("ip -n %s link set eth0 down && kill -9 %d"):format(netns, charon))
  lu.assertEquals(code, 0, out)
  expect(job:finish(), 0)
  return expect(lab:json("show", "last"), 0).doc.run.summary.measures.outage
end

function TestTakeover:test_crash_and_the_new_holder_initiates()
  local lab = self.lab
  local outage = crash(lab, "crash-in-order")
  expect_inside("crash, in order", outage, prediction.of("crash", ordered, { detection_ms = detection_ms }))
  expect_one_sa(lab, "node-b")
end

function TestTakeover:test_crash_and_dead_peer_detection_alone()
  local lab = self.lab
  -- the SA of the rollout has the definition that only permits: a move first, so that it is of the final one
  run(lab, "in-order")
  run(lab, "back-in-order")
  local expected = prediction.of("crash", dead_peer_detection)
  local outage = crash(lab, "crash-nobody-negotiates", "--param", ("watch_ms=%d"):format(expected.max_ms + margin_ms))
  expect_inside("crash, dead-peer detection alone", outage, expected)
  lu.assertTrue(outage.ms + outage.error_ms >= expected.min_ms, "faster than the retransmissions take")
  expect_one_sa(lab, "node-b")
end

return TestTakeover
