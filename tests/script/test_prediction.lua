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
  found = prediction.of("crash", { new_holder_initiates = true })
  lu.assertStrContains(prediction.words(found), "give detection_ms")
end

function TestPrediction:test_charon_gives_up_after_165_s_by_default()
  lu.assertEquals(prediction.retransmission_ms(prediction.charon_defaults), 165061)
  lu.assertEquals(prediction.retransmission_ms { retransmit_timeout_ms = 300, retransmit_base = 1.0,
    retransmit_tries = 4 }, 1500)
end

function TestPrediction:test_a_crash_costs_what_noticing_it_costs()
  local takeover, handshake = prediction.measured.takeover, prediction.measured.handshake
  expect("crash", { new_holder_initiates = true }, { detection_ms = 400 }, takeover.min_ms + handshake.min_ms,
    400 + takeover.max_ms + handshake.max_ms)
  expect("crash", { dpd_delay_ms = 1000, retransmit_timeout_ms = 300, retransmit_base = 1.0,
    retransmit_tries = 3 }, nil,
    1200 + handshake.min_ms, 3200 + handshake.max_ms)
end

function TestPrediction:test_what_does_not_recover_says_why()
  for _, case in ipairs(prediction.cases) do
    local found = prediction.of(case, {})
    lu.assertStrContains(prediction.words(found), "does not recover by itself: ")
  end
end

return TestPrediction
