-- Policies beyond the bundled ones, and daemons that are restarted under a policy, on the real lab.
-- Must never take our own report for what stands on a host. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local lab_support = require "lab_support"

local bash, expect = lab_support.bash, lab_support.expect

local TestPolicies = {}

function TestPolicies:setUp()
  self.lab = lab_support.up()
  self.before = self.lab:snapshot()
end

function TestPolicies:tearDown()
  local lab = self.lab
  self.lab = nil
  if lab then lab:down() end
end

function TestPolicies:policy(name, fields)
  self.lab.place:write(("site/policies/%s.lua"):format(name), ([[
    return { api = 1, name = "%s", kind = "policy", summary = "a test", extends = "mail-passwords",
      policy = { %s } }
  ]]):format(name, fields))
  return "policy=" .. name
end

function TestPolicies:restart_daemon(host)
  bash(("kill -9 %d; sleep 0.1"):format(self.lab:pid_of(host, "charon")))
  bash(([[
    $STAFFETTA lab exec --name %s %s /usr/sbin/charon-systemd >/dev/null 2>&1 &
    until swanctl --stats --uri unix://%s/%s/charon.vici >/dev/null 2>&1; do sleep 0.02; done
  ]]):format(self.lab.name, host, self.lab.run_dir, host))
end

function TestPolicies:test_reload_after_a_restart_of_the_daemon()
  local lab = self.lab
  expect(lab:staffetta("rollout"), 0)
  lu.assertStrContains(lab:swanctl("node-b", "--list-conns"), "staffetta-mail-passwords-fe1")
  self:restart_daemon("node-b")
  lu.assertNotStrContains(lab:swanctl("node-b", "--list-conns"), "staffetta-")
  local verify = expect(lab:json("verify"), 3).doc
  lu.assertEquals(lab_support.checks_with("fail", verify.checks), { "policy-in-place node-b" })

  lu.assertStrContains(expect(lab:staffetta("run", "reload"), 0).out, "node-b: 1 connections and 1 secrets loaded")
  lu.assertStrContains(lab:swanctl("node-b", "--list-conns"), "staffetta-mail-passwords-fe1")
  expect(lab:staffetta("verify"), 0)
  lu.assertStrContains(expect(lab:staffetta("run", "reload"), 0).out, "node-b: 0 connections and 0 secrets loaded")
  -- the restarted node can take over: it has the secret
  expect(lab:staffetta("drill", "--param", "steady_ms=300"), 0)
  expect(lab:staffetta("rollback", "1"), 0)
  lab:expect_as(self.before, "rollback after a reload")
end

-- A reboot as Debian does it: charon starts anew with strongswan.conf, swanctl loads what lies in conf.d. Only secrets
-- are in no file; a unit of the host loads those.
function TestPolicies:test_the_policy_is_there_after_a_reboot()
  local lab = self.lab
  expect(lab:staffetta("rollout"), 0)
  for _, host in ipairs { "fe1", "node-a", "node-b" } do
    self:restart_daemon(host)
    local dir = lab.run_dir .. "/" .. host
    local out, code = bash(("swanctl --load-conns --file %s/conf.d/*.conf --uri unix://%s/charon.vici 2>&1"):format(dir,
      dir))
    lu.assertEquals(code, 0, out)
  end
  local verify = expect(lab:json("verify"), 3).doc
  local passed = table.concat(lab_support.checks_with("pass", verify.checks), "\n")
  lu.assertStrContains(passed, "timers-set fe1\ntimers-set node-a\ntimers-set node-b")
  for _, host in ipairs { "fe1", "node-a", "node-b" } do
    local answer = expect(lab:staffetta("run", "reload", "--param", "host=" .. host), 0)
    lu.assertStrContains(answer.out, host .. ": 0 connections and 1 secrets loaded")
  end
  local out, code = lab:swanctl("node-a", "--initiate --child staffetta-mail-passwords-fe1")
  lu.assertEquals(code, 0, out)
  expect(lab:staffetta("verify"), 0)
  expect(lab:staffetta("rollback", "1"), 0)
  lab:expect_as(self.before, "rollback after a reboot")
end

-- Protection is offered and used, and nobody insists on it: a host without an SA is answered too.
function TestPolicies:test_permit_insists_on_nothing()
  local lab = self.lab
  local parameter = self:policy("offered", [[action = "permit"]])
  expect(lab:staffetta("rollout", "--param", parameter), 0)
  lu.assertStrContains(lab:swanctl("node-a", "--list-sas"), "INSTALLED")
  lu.assertNotStrContains(lab:on("node-a", "nft list tables"), "staffetta")
  local wire = lab:listen()
  lu.assertStrContains(lab:ask("fe1", 110), "+OK")
  wire:stop()
  lu.assertTrue(wire:count("src host 10.9.0.1 and " .. lab_support.esp) >= 2)
  lu.assertEquals(wire:lines("tcp and host 10.9.0.1"), {})
  lu.assertStrContains(lab:ask("witness", 110), "+OK")
  expect(lab:staffetta("plan", "--param", parameter), 0) -- a second rollout has nothing to do
  expect(lab:staffetta("rollback"), 0)
  lab:expect_as(self.before, "rollback")
end

-- The management channel answers anybody while all else of the virtual IP is behind IPsec.
function TestPolicies:test_management_answers_a_host_without_ipsec()
  local lab = self.lab
  local parameter = self:policy("all", [[traffic = { { protocol = "any" } }]])
  expect(lab:staffetta("rollout", "--param", parameter), 0)
  for _, port in ipairs { 22, 2222 } do
    local pid = lab:on("node-a", ([[
      STF_E2E=%s perl -MIO::Socket::INET -e '
        $s = IO::Socket::INET->new(LocalAddr => "10.9.0.100", LocalPort => %d, Listen => 1) or die;
        alarm 20; $c = $s->accept; print $c "management\n"' >/dev/null 2>&1 & echo $!
      for i in {1..200}; do ss -ltn | grep -q '10.9.0.100:%d ' && break; sleep 0.01; done
    ]]):format(lab.name, port, port)):match("%d+")
    local answer = lab:ask("witness", port, "", port == 22 and 5 or 0.7)
    lu.assertEquals(answer, port == 22 and "management\n" or nil)
    bash("kill " .. pid)
  end
  expect(lab:staffetta("rollback"), 0)
  lab:expect_as(self.before, "rollback")
end

-- charon takes no key that is none: the first write fails half-way, and is undone.
function TestPolicies:test_a_key_that_the_daemon_refuses()
  local lab = self.lab
  lab.place:write("site/key", "rubbish")
  bash(("chmod 600 %s/site/key"):format(lab.place.dir))
  local parameter = self:policy("odd",
    [[auth = { method = "certificate", certificate = "key", key = "key", ca = "key" }]])
  local report = expect(lab:json("rollout", "--param", parameter), 3).doc
  lu.assertStrContains(report.error.message, "load-key")
  lu.assertEquals(report.state, "rolled_back")
  lab:expect_as(self.before, "a rollout that failed")
end

return TestPolicies
