-- The prediction library under plain lua5.4: the whole table of FACTS.md 1.1 and 1.2, and charon's schedules.
local lu = require "luaunit"

local source = assert(os.getenv("STAFFETTA_SOURCE"), "STAFFETTA_SOURCE must name the source tree")
package.path = source .. "/scripts/lib/?.lua;" .. package.path
local prediction = require "prediction"

local TestPrediction = {}

local function expect(case, front_end, manager, min_ms, max_ms)
  local found = prediction.of(case, front_end, manager)
  lu.assertEquals({ found.min_ms, found.max_ms }, { min_ms, max_ms }, prediction.words(found))
  local low, high = 0, 0
  for _, term in ipairs(found.terms) do
    lu.assertNotEquals(term.source or "", "", term.name)
    low, high = low + term.min_ms, high + term.max_ms
  end
  lu.assertEquals({ low, high }, { min_ms, max_ms }, "the terms add up")
end

function TestPrediction:test_the_table_of_the_source()
  local minute_ms = 60000
  expect("planned_move", { windows = "2003" }, nil, 3000, 6000)
  expect("crash", { windows = "2000" }, nil, 6 * minute_ms, 6 * minute_ms)
  expect("crash", { windows = "2003" }, nil, 6 * minute_ms, 6 * minute_ms)
  expect("crash", { windows = "2003", values = { NLBSFlags = 0 } }, nil, 6 * minute_ms, 6 * minute_ms)
  expect("crash", { windows = "2003", values = { NLBSFlags = 1 } }, nil, 2 * minute_ms, 2 * minute_ms)
  -- The value belongs to Server 2003: on Windows 2000 it changes nothing.
  expect("crash", { windows = "2000", values = { NLBSFlags = 1 } }, nil, 6 * minute_ms, 6 * minute_ms)
end

function TestPrediction:test_what_no_source_says_is_unknown()
  local found = prediction.of("crash", { windows = "2019" })
  lu.assertNil(found.max_ms)
  lu.assertStrContains(prediction.words(found), "unknown: no source says")
  found = prediction.of("crash", { initiator = "new_holder" })
  lu.assertStrContains(prediction.words(found), "give detection_ms")
end

function TestPrediction:test_charon_gives_up_after_165_s_by_default()
  lu.assertEquals(prediction.retransmission_ms(prediction.charon_defaults), 165061)
  lu.assertEquals(prediction.retransmission_ms { retransmit_timeout_ms = 300, retransmit_base = 1.0,
    retransmit_tries = 4 }, 1500)
end

function TestPrediction:test_a_crash_costs_what_noticing_it_costs()
  local takeover, handshake = prediction.measured.takeover, prediction.measured.handshake
  expect("crash", { initiator = "new_holder" }, { detection_ms = 400 }, takeover.min_ms + handshake.min_ms,
    400 + takeover.max_ms + handshake.max_ms)
  expect("crash", { dpd_delay_ms = 1000, retransmit_timeout_ms = 300, retransmit_base = 1.0,
    retransmit_tries = 3 }, nil,
    1200 + handshake.min_ms, 3200 + handshake.max_ms)
end

function TestPrediction:test_what_does_not_recover_says_why()
  for _, case in ipairs(prediction.cases) do
    local found = prediction.of(case, {})
    lu.assertStrContains(prediction.words(found), "does not recover by itself: ")
    lu.assertEquals(prediction.total(found), "never")
  end
  lu.assertEquals(prediction.total(prediction.of("crash", { dpd_delay_ms = 0, initiator = "front_end" })), "never")
end

-- ---- what a policy makes of a front end ----

local function cluster_of(node_kind)
  local nodes = { { has = { [node_kind] = {} } }, { has = { ipsec = {} } } }
  return { nodes = nodes, with = function(_, binding, hosts)
    local found = {}
    for _, host in ipairs(hosts) do
      if host.has[binding] then found[#found + 1] = host end
    end
    return found
  end }
end

local function strongswan_host(charon_conf)
  return { name = "fe1", has = { ipsec = { charon_conf = charon_conf } } }
end

local policy = { dpd_delay_ms = 2000, failover = { initiator = "new_holder", retransmit_timeout_ms = 200,
  retransmit_base = 1.0, retransmit_tries = 4 } }

function TestPrediction:test_the_policy_says_who_initiates_and_how_long_is_tried()
  local takeover, handshake = prediction.measured.takeover, prediction.measured.handshake
  local front_end = prediction.under(policy, cluster_of("ipsec"), strongswan_host("x.conf"))
  expect("planned_move", front_end, nil, takeover.min_ms + handshake.min_ms, takeover.max_ms + handshake.max_ms)
  expect("crash", front_end, { detection_ms = 400 }, takeover.min_ms + handshake.min_ms,
    400 + takeover.max_ms + handshake.max_ms)

  policy.failover.initiator = "front_end" -- it is told of a move, and of a crash by nobody
  front_end = prediction.under(policy, cluster_of("ipsec"), strongswan_host("x.conf"))
  expect("failback", front_end, nil, takeover.min_ms + handshake.min_ms, takeover.max_ms + handshake.max_ms)
  expect("crash", front_end, { detection_ms = 400 }, 2000 + handshake.min_ms, 4000 + handshake.max_ms)
  -- where the site names no file for charon's settings, its own hold
  front_end = prediction.under(policy, cluster_of("ipsec"), strongswan_host())
  expect("crash", front_end, nil, 1000 + 165061 + handshake.min_ms, 3000 + 165061 + handshake.max_ms)
  policy.failover.initiator = "new_holder"
end

function TestPrediction:test_windows_nodes_can_not_be_told_to_initiate()
  local front_end = prediction.under(policy, cluster_of("registry"), strongswan_host("x.conf"))
  lu.assertEquals(prediction.total(prediction.of("planned_move", front_end)), "unknown")
  expect("crash", front_end, { detection_ms = 400 }, 2000 + prediction.measured.handshake.min_ms,
    4000 + prediction.measured.handshake.max_ms)
end

function TestPrediction:test_a_rollout_sets_the_value_of_windows_2003_only()
  for windows, minutes in pairs { ["2000"] = 6, ["2003"] = 2 } do
    local front_end = prediction.under(policy, cluster_of("ipsec"), { windows = windows, has = { registry = {} } })
    expect("crash", front_end, nil, minutes * 60000, minutes * 60000)
    expect("planned_move", front_end, nil, 3000, 6000)
  end
end

return TestPrediction
