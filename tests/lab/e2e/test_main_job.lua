-- The main job once for each policy, from plan to rollback, judged by what other programs than ours see.
-- Must never take our own report for what stands on a host. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local lab_support = require "lab_support"

local expect = lab_support.expect

-- What each policy has to look like from outside. `dc` is what swanctl shows on the domain controller, where it has a
-- part; `guard` are the matches that nft shows on the node that holds the address; `open` answers without an SA.
local policies = {
  ["mail-passwords"] = {
    changes = 16, protected = { 110, 143 }, open = { 80 },
    remote = "remote: dynamic[tcp/pop3] dynamic[tcp/imap2]",
    guard = { "tcp dport 110", "tcp dport 143" },
  },
  ["mail-all"] = {
    changes = 16, protected = { 80, 110, 143 }, open = {},
    remote = "remote: dynamic[tcp/http] dynamic[tcp/pop3] dynamic[tcp/imap2]",
    guard = { "tcp dport 80", "tcp dport 110", "tcp dport 143" },
  },
  ["everything"] = {
    has_domain_controller = true,
    -- registry 1; timers and a secret on each of 4; fe1 4, each node 3, dc1 3 connections, permitted and then required;
    -- a guard for the virtual IP on 3, and one for each end of 5 other pairs
    changes = 1 + 2 * 4 + 2 * (4 + 3 + 3 + 3) + 3 + 2 * 5, protected = { 80, 110, 143 }, open = {},
    remote = "remote: dynamic",
    guard = { "meta l4proto tcp", "udp sport !=" },
    dc = { "staffetta-everything-fe1", "staffetta-everything-node-a", "staffetta-everything-node-b" },
  },
}

local questions = {
  [80] = { text = [[HEAD / HTTP/1.0\r\n\r\n]], answer = "^HTTP/1%.[01] %d+" },
  [110] = { text = "", answer = "^%+OK" },
  [143] = { text = "", answer = "^%* OK" },
}

local TestMainJob = {}

function TestMainJob:tearDown()
  local lab = self.lab
  self.lab = nil
  if lab then lab:down() end
end

-- How many changes there are, but for the kernel's own value, which only hosts with kernel ESP get.
local function count(changes)
  local counted = 0
  for _, change in ipairs(changes) do
    counted = counted + (change.resource ~= "ipsec.acquire_expires" and 1 or 0)
  end
  return counted
end

local function expect_plan(lab, policy, name, before)
  local plan = expect(lab:json("plan", "--param", "policy=" .. name, "--param", "detection_ms=100"), 2).doc
  lu.assertEquals(count(plan.plan.changes), policy.changes)
  local windows, fe1 = plan.measures["win-fe1 crash"], plan.measures["fe1 crash"]
  lu.assertEquals({ windows.now.max_ms, windows.expected.max_ms }, { 6 * 60000, 2 * 60000 })
  lu.assertNil(fe1.now)
  lu.assertEquals(fe1.expected.terms[1].max_ms, 100)
  local text = expect(lab:staffetta("plan", "--param", "policy=" .. name), 2).out
  lu.assertStrContains(text, "win-fe1 crash  now 6 min = idle timer")
  lu.assertStrContains(text, "fe1 planned_move  now no connection of the policy; after a rollout 5 to 35 ms = ")
  lab:expect_as(before, "plan")
end

-- The timers of the policy stand in the file that charon reads, and the plan of a second rollout knows them.
local function expect_timers(lab, name)
  for _, host in ipairs { "fe1", "node-a", "node-b" } do
    local text = lab_support.read_file(("%s/%s/strongswan.d/staffetta.conf"):format(lab.run_dir, host))
    lu.assertStrContains(text, "retransmit_timeout = 0.300")
  end
  local plan = expect(lab:json("plan", "--param", "policy=" .. name, "--param", "detection_ms=100"), 0).doc
  lu.assertEquals(plan.measures["fe1 crash"].now, plan.measures["fe1 crash"].expected)
end

-- connections, guard and value as swanctl, nft and hivexget show them
local function expect_policy_stands(lab, policy, name)
  local connections = lab:swanctl("fe1", "--list-conns")
  lu.assertStrContains(connections, ("staffetta-%s-mail: IKEv2"):format(name))
  lu.assertStrContains(connections, "remote: 10.9.0.100")
  lu.assertStrContains(connections, policy.remote)
  for _, node in ipairs { "node-a", "node-b" } do
    lu.assertStrContains(lab:swanctl(node, "--list-conns"), ("staffetta-%s-fe1: IKEv2"):format(name))
    local rules = lab:on(node, "nft -s list table inet " .. ("staffetta-%s-mail"):format(name):gsub("-", "_"))
    for _, match in ipairs(policy.guard) do
      lu.assertStrMatches(rules, (".*ip daddr 10.9.0.100 %s .-drop.*"):format(match:gsub("%p", "%%%0")))
    end
  end
  for _, connection in ipairs(policy.dc or {}) do
    lu.assertStrContains(lab:swanctl("dc1", "--list-conns"), connection .. ": IKEv2")
  end
  lu.assertStrContains(lab:swanctl("node-a", "--list-sas"), "INSTALLED")
  lu.assertEquals(lab:nlbs_flags(), "dword:00000001")
end

-- Every protected port answers the front end, and between the two nothing travels but ESP, with the SPIs that charon
-- has; the witness gets answers on open ports only.
local function expect_protected(lab, policy)
  local wire = lab:listen()
  for _, port in ipairs(policy.protected) do
    local answer = lab:ask("fe1", port, questions[port].text)
    lu.assertStrMatches(answer, questions[port].answer .. ".*", nil, nil, "port " .. port)
  end
  wire:stop()
  local front_end, address = "host 10.9.0.1", "host 10.9.0.100"
  lu.assertTrue(wire:count("src " .. front_end .. " and " .. lab_support.esp) >= 2 * #policy.protected)
  lu.assertTrue(wire:count("dst " .. front_end .. " and " .. lab_support.esp) >= 2 * #policy.protected)
  lu.assertEquals(wire:lines("not arp and not udp port 500 and not udp port 4500 and not esp"), {})
  lu.assertEquals(wire:lines(front_end .. " and " .. address .. " and tcp"), {})
  local sas = lab:swanctl("fe1", "--list-sas")
  for _, line in ipairs(wire:lines(lab_support.esp)) do
    lu.assertStrContains(sas, line:match("spi=0x(%x+)"))
  end

  for _, port in ipairs(policy.protected) do
    lu.assertNil(lab:ask("witness", port, questions[port].text, 0.7), "the witness got an answer on port " .. port)
  end
  for _, port in ipairs(policy.open) do
    lu.assertStrMatches(lab:ask("witness", port, questions[port].text), questions[port].answer .. ".*")
  end
end

-- What goes between the domain controller and a front end goes under IPsec, RPC's dynamic ports too; its other clients
-- reach it in the clear.
local function expect_controller_is_guarded(lab)
  for _, port in ipairs { 389, 49200 } do
    lab:on("dc1", ([[
      STF_E2E=%s perl -MIO::Socket::INET -e '
        $s = IO::Socket::INET->new(LocalAddr => "10.9.0.20", LocalPort => %d, Listen => 1, ReuseAddr => 1) or die;
        alarm 20; for (1 .. 2) { $c = $s->accept; print $c "hello\n"; close $c }' >/dev/null 2>&1 &
      for i in {1..200}; do ss -ltn | grep -q '10.9.0.20:%d ' && break; sleep 0.01; done
    ]]):format(lab.name, port, port))
    local wire = lab:listen()
    for _, host in ipairs { "fe1", "witness" } do
      local out, code = lab:on(host, ("timeout 5 bash -c 'read -r line </dev/tcp/10.9.0.20/%d && echo $line'"):format(
        port))
      lu.assertEquals({ out, code }, { "hello\n", 0 }, host)
    end
    wire:stop()
    lu.assertEquals(wire:lines("host 10.9.0.1 and tcp"), {})
    lu.assertTrue(wire:count("host 10.9.0.1 and host 10.9.0.20 and " .. lab_support.esp) >= 2)
    lu.assertTrue(wire:count("host 10.9.0.50 and tcp") >= 2)
  end
  lu.assertStrContains(lab:on("dc1", "nft -s list tables"), "staffetta_everything_fe1_own")
end

local function expect_drill(lab, name)
  local report = expect(lab:json("drill", "--param", "policy=" .. name, "--param", "steady_ms=300"), 0).doc
  for _, measure in ipairs { "planned_move", "failback" } do
    local figures = report.measures[measure]
    lu.assertEquals(figures.clear_packets, 0)
    lu.assertEquals(figures.capture_lost, 0)
    lu.assertFalse(figures.is_open)
    lu.assertTrue(figures.sent > 0 and figures.outage_us < 6000000, figures.summary)
    lu.assertEquals({ figures.expected.case, figures.expected.max_ms }, { measure, 35 })
    lu.assertStrContains(figures.summary, "predicted 5 to 35 ms")
  end
  lu.assertEquals(lab:holders(), "node-a")
end

local function whole_job(self, name, servers)
  local policy = policies[name]
  local parameter = "policy=" .. name
  self.lab = lab_support.up { servers = servers, has_domain_controller = policy.has_domain_controller }
  local lab = self.lab
  local before = lab:snapshot()
  lu.assertNil(lab:nlbs_flags())
  for port, question in pairs(questions) do -- the servers are there, and answer anybody
    lu.assertStrMatches(lab:ask("witness", port, question.text), question.answer .. ".*")
  end

  expect_plan(lab, policy, name, before)
  local rollout = expect(lab:json("rollout", "--param", parameter), 0).doc
  lu.assertEquals(count(lab:show(rollout).changes), policy.changes)
  lu.assertEquals(rollout.verdict, "pass")
  expect_policy_stands(lab, policy, name)
  expect_protected(lab, policy)
  if policy.dc then expect_controller_is_guarded(lab) end

  local again = expect(lab:json("rollout", "--param", parameter), 0).doc
  lu.assertEquals(#lab:show(again).changes, 0)
  expect_timers(lab, name)
  expect(lab:staffetta("verify", "--param", parameter), 0)
  expect_drill(lab, name)
  expect_protected(lab, policy)

  expect(lab:staffetta("rollback", lab_support.run_of(rollout)), 0)
  lab:expect_as(before, "rollback")
  local verify = expect(lab:json("verify", "--param", parameter), 3).doc
  lu.assertEquals(lab_support.checks_with("pass", verify.checks), {})
end

function TestMainJob:test_mail_passwords_on_real_servers()
  whole_job(self, "mail-passwords", "real")
end

function TestMainJob:test_mail_all_on_real_servers()
  whole_job(self, "mail-all", "real")
end

function TestMainJob:test_everything_with_a_domain_controller()
  whole_job(self, "everything", "responder")
end

return TestMainJob
