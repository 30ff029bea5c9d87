-- A cluster whose virtual IP keepalived moves: asked to by a priority, or by itself after a crash; our notify command
-- negotiates. Must never assert a time but as a generous bound. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local lab_support = require "lab_support"

local bash, expect = lab_support.bash, lab_support.expect

local bound_us = 5000000 -- of a crash; some 330 ms when nothing else runs

local TestKeepalived = {}

function TestKeepalived:setUp()
  if bash("command -v keepalived") == "" then
    print("SKIP: keepalived is not installed")
    lu.skip("keepalived is not installed")
  end
  self.lab = lab_support.up { site = function(text)
    return lab_support.edit(text, 'manager = "address"', 'manager = "keepalived"') end }
  expect(self.lab:staffetta("rollout"), 0)
end

function TestKeepalived:tearDown()
  local lab = self.lab
  self.lab = nil
  if lab then lab:down() end
end

-- The address is at node-a again, which it prefers, and clients get answers.
local function expect_as_it_began(lab, what)
  for _ = 1, 200 do
    if lab:holders() == "node-a" then break end
    bash("sleep 0.05")
  end
  lu.assertEquals(lab:holders(), "node-a", what)
  lu.assertStrContains(lab:ask_for(15, "fe1", 110) or "no answer", "node-a", false, what)
  for _, node in ipairs { "node-a", "node-b" } do
    lu.assertEquals(bash(("cat %s/%s/keepalived.track"):format(lab.run_dir, node)):match("%-?%d+"), "0", what)
  end
  expect(lab:staffetta("verify"), 0)
end

function TestKeepalived:test_keepalived_moves_and_our_command_negotiates()
  local lab = self.lab
  local wire = lab:listen()
  local report = expect(lab:json("drill", "--param", "steady_ms=500"), 0).doc
  local crash = expect(lab:json("drill", "--param", "case=crash", "--param", "steady_ms=500"), 0).doc
  wire:stop()
  for _, figures in ipairs { report.measures.planned_move, report.measures.failback, crash.measures.crash,
      crash.measures.failback } do
    lu.assertTrue(figures.outage_us - figures.error_us < bound_us, figures.summary)
    lu.assertEquals(figures.clear_packets, 0)
  end
  -- three adverts of 100 ms have to be missed before anybody moves, and nobody else was there to tell
  lu.assertTrue(crash.measures.crash.outage_us + crash.measures.crash.error_us > 100000)
  lu.assertEquals(wire:lines("tcp and host 10.9.0.100"), {})
  lu.assertTrue(wire:count("vrrp") > 10)
  expect_as_it_began(lab, "moved and crashed")
end

function TestKeepalived:test_interrupted_drills_are_put_back()
  local lab = self.lab
  for _, case in ipairs { { "move", "prefer node-b" }, { "move", "prefer node-a" }, { "crash", "node-a crashes" },
      { "crash", "node-b has" } } do
    local what = table.concat(case, ": ")
    local answer = lab:signalled("INT", { line = case[2] }, "drill", "--param", "case=" .. case[1], "--param",
      "steady_ms=200")
    lu.assertEquals(answer.code, 130, what .. "\n" .. answer.out .. answer.err)
    expect_as_it_began(lab, what)
  end
end

-- Who may not be asked is said before anything moves.
function TestKeepalived:test_a_node_without_a_tracked_file_is_told()
  local lab = self.lab
  local path = lab.place.site .. "/site.lua"
  lab.place:write("site/site.lua", lab_support.edit(lab_support.read_file(path),
    'described.vip = { track_file = run .. "/" .. host_name .. "/keepalived.track" }', ""))
  local report = expect(lab:json("drill", "--param", "steady_ms=100"), 3).doc
  lu.assertStrContains(report.error.message, "has no vip.track_file in site.lua")
  lu.assertEquals(lab:holders(), "node-a")
end

return TestKeepalived
