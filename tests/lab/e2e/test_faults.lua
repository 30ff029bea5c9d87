-- Faults of lab hosts: each is there as other programs see it, and `clear` ends it. And a lab that is larger than the
-- example's. Must never assert a time but as a bound. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local lab_support = require "lab_support"
local support = require "support"

local bash, expect = lab_support.bash, lab_support.expect

local TestFaults = {}

function TestFaults:tearDown()
  local lab = self.lab
  self.lab = nil
  if lab then lab:down() end
end

local function fault(lab, ...)
  return support.command { "lab", "fault", "--site", lab.place.site, ... }
end

-- How many of `count` pings from fe1 to node-a were answered, and the shortest round trip in ms.
local function ping(lab, count)
  local out = lab:on("fe1", ("ping -n -q -c %d -i 0.05 -W 1 10.9.0.11"):format(count))
  return tonumber(out:match("(%d+) received")), tonumber(out:match("= ([%d.]+)/"))
end

function TestFaults:test_a_cut_cable()
  local lab = lab_support.up()
  self.lab = lab
  local before = lab:snapshot()
  lu.assertEquals(ping(lab, 3), 3)
  expect(fault(lab, "node-a", "cut"), 0)
  lu.assertEquals(ping(lab, 3), 0)
  lu.assertStrContains(lab:on("node-a", "ip link show eth0"), "NO-CARRIER")
  lu.assertStrContains(lab:on("node-a", "ip -o address"), "10.9.0.11/24") -- the host itself has what it had
  lu.assertEquals(lab:holders(), "node-a")
  expect(fault(lab, "node-a", "clear"), 0)
  lu.assertTrue(ping(lab, 20) > 0)
  lab:expect_as(before, "a cut, cleared")
end

function TestFaults:test_killed_daemons_come_back()
  local lab = lab_support.up { servers = "real" }
  self.lab = lab
  expect(lab:staffetta("rollout"), 0)
  for _, daemon in ipairs { "charon", "nginx", "dovecot" } do
    local pid = lab:pid_of("node-a", daemon)
    expect(fault(lab, "node-a", "kill", daemon), 0)
    lu.assertNotEquals(select(2, bash(("kill -0 %d"):format(pid))), 0)
    expect(fault(lab, "node-a", "kill", daemon), 0) -- dead already: nothing to do
    expect(fault(lab, "node-a", "clear"), 0)
    lu.assertNotEquals(lab:pid_of("node-a", daemon), pid)
  end
  local status = expect(support.command { "lab", "status", "--site", lab.place.site }, 0).out
  lu.assertNotStrContains(status, "HAS ENDED")
  lu.assertStrContains(lab:ask("node-a", 143) or "no answer", "OK")
  expect(lab:staffetta("run", "reload"), 0)
  lu.assertStrContains(lab:swanctl("node-a", "--list-conns"), "staffetta-mail-passwords-fe1")
end

-- Where the kernel has netem, its figures are what ping sees; elsewhere the error names what is missing.
function TestFaults:test_latency_and_loss()
  local lab = lab_support.up()
  self.lab = lab
  local answer = fault(lab, "node-a", "latency", "150ms")
  if answer.code ~= 0 then
    lu.assertEquals(answer.code, 1)
    lu.assertStrContains(answer.err, "CONFIG_NET_SCH_NETEM")
    lu.assertNotEquals(select(2, bash("modprobe -n -q sch_netem")), 0)
    return
  end
  local received, shortest_ms = ping(lab, 3)
  lu.assertEquals(received, 3)
  lu.assertTrue(shortest_ms >= 150, shortest_ms .. " ms")
  expect(fault(lab, "node-a", "latency", "10ms", "loss", "100%"), 0)
  lu.assertEquals(ping(lab, 3), 0)
  expect(fault(lab, "node-a", "loss", "30%"), 0)
  received = ping(lab, 100)
  lu.assertTrue(received > 30 and received < 95, received .. " of 100")
  expect(fault(lab, "node-a", "clear"), 0)
  lu.assertEquals(ping(lab, 20), 20)
end

function TestFaults:test_what_is_no_fault()
  local lab = lab_support.up()
  self.lab = lab
  for words, said in pairs {
    ["node-a latency fast"] = "latency needs an amount such as 20ms, not 'fast'",
    ["node-a latency"] = "latency needs an amount",
    ["node-a loss 120%"] = "loss needs an amount such as 5%",
    ["node-a latency 1ms loss 1% loss 2%"] = "there is no fault 'loss'",
    ["node-a flood"] = "there is no fault 'flood'",
    ["node-a kill"] = "there is no fault 'kill'",
    ["node-a"] = "HOST FAULT is missing",
  } do
    local list = {}
    for word in words:gmatch("%S+") do list[#list + 1] = word end
    lu.assertStrContains(expect(fault(lab, table.unpack(list)), 64).err, said, false, words)
  end
  lu.assertStrContains(expect(fault(lab, "nobody", "cut"), 1).err, "has no host 'nobody'")
  lu.assertStrContains(expect(fault(lab, "node-a", "kill", "sshd"), 1).err, "no daemon 'sshd'")
end

-- ---- three front ends, three nodes ----

local function three_by_three(text)
  text = lab_support.edit(text, '["witness"] =', [[
    ["fe2"] = ipsec_host("fe2", "front_end", "10.9.0.2"),
    ["fe3"] = ipsec_host("fe3", "front_end", "10.9.0.3"),
    ["node-c"] = ipsec_host("node-c", "node", "10.9.0.13"),
    ["witness"] =]])
  text = lab_support.edit(text, '{ "node-a", "node-b" }', '{ "node-a", "node-b", "node-c" }')
  return lab_support.edit(text, '{ "fe1", "win-fe1" }', '{ "fe1", "fe2", "fe3", "win-fe1" }')
end

function TestFaults:test_three_front_ends_and_three_nodes()
  local lab = lab_support.up { site = three_by_three }
  self.lab = lab
  lab.hosts = { "fe1", "fe2", "fe3", "node-a", "node-b", "node-c", "witness" }
  local before = lab:snapshot()
  expect(lab:staffetta("rollout"), 0)
  for _, front_end in ipairs { "fe1", "fe2", "fe3" } do
    lu.assertStrContains(lab:ask_for(10, front_end, 110) or "no answer", "node-a", false, front_end)
    lu.assertStrContains(lab:swanctl(front_end, "--list-sas"), "INSTALLED", false, front_end)
  end
  lu.assertNil(lab:ask("witness", 110, "", 1))
  for _, node in ipairs { "node-b", "node-c" } do
    for _, front_end in ipairs { "fe1", "fe2", "fe3" } do
      lu.assertStrContains(lab:swanctl(node, "--list-conns"), "staffetta-mail-passwords-" .. front_end)
    end
  end
  expect(lab:staffetta("verify"), 0)
  expect(lab:staffetta("rollback"), 0)
  lab:expect_as(before, "three by three, rolled back")
end

return TestFaults
