-- Hosts that are reached through agents, here and behind a real sshd, and undo that hosts carry out themselves.
-- SPDX-License-Identifier: MIT
local lu = require "luaunit"
local lab_support = require "lab_support"
local sshd_support = require "sshd_support"
local support = require "support"

local bash, expect = lab_support.bash, lab_support.expect

local TestFleet = {}

-- Adds fields to every host that has a namespace: `text` is Lua of the host's table.
local function with_host_fields(site, text)
  return lab_support.edit(site, 'netns = "stf-" .. name .. "-" .. host_name }',
    'netns = "stf-" .. name .. "-" .. host_name, ' .. text .. " }")
end

local function with_site_field(site, text)
  return lab_support.edit(site, "  api = 1,", "  api = 1, " .. text .. ",")
end

function TestFleet:up(edit)
  self.lab = lab_support.up { site = edit }
  return self.lab
end

function TestFleet:tearDown()
  if self.sshd then
    bash(("for proxy in $(pgrep -f '[d]ev/tcp/10.9.0.100/%d'); do pkill -KILL -P $proxy; kill -KILL $proxy; done")
      :format(self.sshd.port))
    self.sshd:close()
  end
  self.sshd = nil
  local lab = self.lab
  self.lab = nil
  if lab then lab:down() end
end

-- ---- a real sshd ----

function TestFleet:start_sshd(options)
  self.sshd = self.sshd or sshd_support.new()
  self.sshd:start(options)
end

function TestFleet:ssh_fields(transport)
  return ('transport = "%s", undo_dir = "%s/armed", ssh = { config = "%s/ssh.conf", program = "%s" }'):format(
    transport, self.sshd.dir, self.sshd.dir, lab_support.program)
end

-- The lab with every host behind the sshd of the test.
function TestFleet:up_behind(transport)
  self:start_sshd {}
  return self:up(function(site) return with_host_fields(site, self:ssh_fields(transport)) end)
end

-- The processes that wait for armed undos look five times a second whether they are still needed.
local function await_end_of_waiting(lab)
  local _, code = bash(([[
    for i in {1..200}; do grep -qlzx STF_E2E=%s /proc/[0-9]*/environ 2>/dev/null || exit 0; sleep 0.1; done
    exit 1
  ]]):format(lab.name))
  lu.assertEquals(code, 0, "an undo is still waiting")
end

-- ---- agents ----

function TestFleet:test_the_main_job_through_agents()
  local lab = self:up(function(site) return with_host_fields(site, 'transport = "agent"') end)
  local before = lab:snapshot()
  expect(lab:staffetta("rollout"), 0)
  expect(lab:staffetta("verify"), 0)
  local report = expect(lab:json("drill", "--param", "steady_ms=200"), 0).doc
  lu.assertFalse(report.measures.planned_move.is_open)
  expect(lab:staffetta("rollback", "1"), 0)
  lab:expect_as(before, "a rollback through agents")
end

-- ---- the same over either kind of ssh ----

local over_ssh = {}

function over_ssh:the_main_job(transport)
  local lab = self:up_behind(transport)
  local before = lab:snapshot()
  expect(lab:staffetta("rollout"), 0)
  expect(lab:staffetta("verify"), 0)
  expect(lab:staffetta("rollback"), 0)
  lab:expect_as(before, "a rollback over " .. transport)
end

function over_ssh:an_unknown_host_key_is_refused(transport)
  local lab = self:up_behind(transport)
  local before = lab:snapshot()
  for _, edit in ipairs {
    "ssh-keygen -qt ed25519 -N '' -f other; sed -i \"s| .*| $(cut -d' ' -f1,2 other.pub)|\" known_hosts",
    ": >known_hosts; sed -i 's/StrictHostKeyChecking yes/StrictHostKeyChecking ask/' ssh.conf" } do
    local _, code = bash(("cd %s && %s"):format(self.sshd.dir, edit))
    lu.assertEquals(code, 0)
    local answer = lab:staffetta("rollout")
    lu.assertNotEquals(answer.code, 0)
    lu.assertStrContains(answer.err .. answer.out,
      transport == "libssh" and "its host key SHA256:" or "Host key verification failed")
    lab:expect_as(before, "a host whose key is not known")
  end
end

function over_ssh:a_key_that_is_not_let_in(transport)
  local lab = self:up_behind(transport)
  local before = lab:snapshot()
  bash((": >%s/authorized_keys"):format(self.sshd.dir))
  local answer = lab:staffetta("rollout")
  lu.assertNotEquals(answer.code, 0)
  lu.assertStrContains(answer.err .. answer.out,
    transport == "libssh" and "no key of ours lets us in" or "Permission denied")
  lab:expect_as(before, "a key that is not let in")
end

function over_ssh:the_link_is_lost_in_the_middle(transport)
  local lab = self:up_behind(transport)
  local before = lab:snapshot()
  local answer = lab:signalled(nil, { line = "front ends permit",
    run = self.sshd:drop_for(2) },
    "rollout")
  lu.assertNotEquals(answer.code, 0, answer.out)
  expect(lab:staffetta("rollback", "1"), 0)
  lab:expect_as(before, "a rollback after the link was lost")
end

for name, test in pairs(over_ssh) do
  for _, transport in ipairs { "libssh", "openssh" } do
    TestFleet[("test_%s_over_%s"):format(name, transport)] = function(self) test(self, transport) end
  end
end

-- ---- two controllers ----

-- One is held up in the middle of a rollout, here and behind agents; another comes with a state folder of its own.
function TestFleet:test_the_second_controller_is_refused()
  for _, fields in ipairs { "", 'transport = "agent"' } do
    local lab = self:up(function(site) return fields == "" and site or with_host_fields(site, fields) end)
    local before, place = lab:snapshot(), lab.place
    local state = place.state
    local said = place.dir .. "/second.out"
    local second = ("%s %s rollout --site %s --state %s.second >%s 2>&1"):format(place.environment,
      lab_support.program, place.site, state, said)
    local first = lab:signalled(nil, { line = "front ends permit", run = ("kill -STOP $pid; %s; kill -KILL $pid")
      :format(second) }, "rollout")
    lu.assertEquals(first.code, lab_support.killed)
    lu.assertStrContains(lab_support.read_file(said), "another controller is at work on ")
    place.state = state .. ".second"
    local runs = expect(lab:json("runs"), 0).doc
    lu.assertEquals({ #runs, runs[1].state, runs[1].changes }, { 1, "failed", 0 })
    -- the holder is dead: nobody waits, and it may put back what it did, or others go on
    support.wait_until(function() return lab:staffetta("rollout").code == 0 end, "a rollout after the holder's death")
    expect(lab:staffetta("rollback"), 0)
    place.state = state
    expect(lab:staffetta("rollback", "--force"), 0)
    lab:expect_as(before, "two controllers")
    self:tearDown()
  end
end

-- ---- armed undo ----

function TestFleet:test_hosts_undo_themselves_when_the_controller_dies()
  local lab = self:up(function(site)
    return with_site_field(with_host_fields(site, 'transport = "agent", undo_dir = run .. "/armed"'),
      "confirm_within_ms = 3000")
  end)
  local before = lab:snapshot()
  for _, point in ipairs { "host.write.after:1", "host.write.before:6", "journal.done.after:12" } do
    lab:kill_at(point, "rollout")
    await_end_of_waiting(lab)
    lab:expect_as(before, "controller killed at " .. point)
    -- the journal still has the run; there is nothing left for a rollback
    lu.assertStrContains(expect(lab:staffetta("rollback"), 0).out, "0 put back")
  end
end

-- The whole site reboots before the confirm: the daemons have lost what was loaded, the files have not.
function TestFleet:test_hosts_that_reboot_undo_themselves()
  local lab = self:up(function(site)
    return with_site_field(with_host_fields(site, 'transport = "agent", undo_dir = run .. "/armed"'),
      "confirm_within_ms = 600000")
  end)
  local before = lab:snapshot()
  lab:kill_at("host.confirm.before:1", "rollout")
  for _, host in ipairs { "fe1", "node-a", "node-b" } do
    expect(support.command { "lab", "fault", "--site", lab.place.site, host, "kill", "charon" }, 0)
    expect(support.command { "lab", "fault", "--site", lab.place.site, host, "clear" }, 0)
    lu.assertNotStrContains(lab:swanctl(host, "--list-conns"), "staffetta-")
  end
  bash(([[sed -i 's/"boot":"[^"]*"/"boot":"another"/' %s/armed/*.armed %s/armed/*.armed]]):format(lab.run_dir,
    lab.place.state))
  await_end_of_waiting(lab)
  lab:expect_as(before, "hosts that rebooted before the confirm")
  lu.assertEquals(bash(("cat %s/armed/*.undone | grep -c '\"outcome\": \"left\"'"):format(lab.run_dir)), "0\n")
end

function TestFleet:test_a_confirmed_run_stays()
  local lab = self:up(function(site) return with_site_field(site, "confirm_within_ms = 3000") end)
  expect(lab:staffetta("rollout"), 0)
  await_end_of_waiting(lab)
  bash("sleep 4")
  expect(lab:staffetta("verify"), 0)
end

-- node-a is managed through its virtual IP, on a port that the policy then protects: the controller, which has no SA,
-- is cut off by its own change.
function TestFleet:test_a_policy_that_cuts_off_the_controller_comes_back_by_itself()
  self:start_sshd { listen = "127.0.0.1" } -- for the keys and the port
  local lab = self:up(function(site)
    site = lab_support.edit(site, '["node-a"] = node("node-a", "10.9.0.11"),',
      ('["node-a"] = (function() local h = node("node-a", "10.9.0.11"); h.transport = "openssh"; h.undo_dir = %q; '
      .. 'h.ssh = { config = %q, program = %q }; return h end)(),'):format(self.sshd.dir .. "/armed",
        self.sshd.dir .. "/ssh.conf", lab_support.program))
    return with_site_field(site, "confirm_within_ms = 8000")
  end)
  self.sshd:stop()
  self:start_sshd { netns = lab:netns("node-a"), listen = "10.9.0.100", client = ("ProxyCommand ip netns exec %s "
    .. "bash -c 'exec 3<>/dev/tcp/10.9.0.100/%s; cat <&3 & cat >&3; kill $!'"):format(lab:netns("witness"),
    self.sshd.port) }
  lab.place:write("site/policies/cut-off.lua", ([[return { api = 1, name = "cut-off", kind = "policy",
    summary = "protects the port that the controller uses", extends = "mail-passwords", policy = {
      traffic = { { protocol = "tcp", ports = { 110, %s } } }, asks = { { port = 110, expect = "+OK" } } } }]])
    :format(self.sshd.port))
  local before = lab:snapshot()
  local answer = lab:staffetta("rollout", "--param", "policy=cut-off")
  lu.assertNotEquals(answer.code, 0)
  await_end_of_waiting(lab)
  bash("sleep 1")
  expect(lab:staffetta("rollback", "1"), 0)
  lab:expect_as(before, "a policy that cut the controller off")
end

return TestFleet
