-- Many hosts behind real sshd, 50 of them, over either kind of ssh: faults of single hosts with one recorded outcome
-- for each, and the agent that is sent to hosts that have none. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local support = require "support"
local lab_support = require "lab_support"
local sshd_support = require "sshd_support"

local bash, expect = lab_support.bash, lab_support.expect
local hostile_agent = assert(os.getenv("STAFFETTA_HOSTILE_AGENT"), "STAFFETTA_HOSTILE_AGENT must name the program")

local TestSshFleet = {}

function TestSshFleet:setUp()
  self.sshd = sshd_support.new()
  self.place = support.new_place()
end

function TestSshFleet:tearDown()
  self.sshd:close()
  self.place:close()
  if self.netns then bash("ip netns del " .. self.netns) end
  self.netns = nil
end

-- A site of `count` hosts, each with an sshd, a hive and a folder of its own, and the playbook "roll".
-- programs[i] is that host's agent; false: none, so that one is sent. `more` are other hosts, as lines of site.lua.
function TestSshFleet:site(transport, count, programs, more)
  local hosts = {}
  self.place:hive("hive")
  for i = 1, count do
    local program = programs[i] == nil and lab_support.program or programs[i]
    hosts[i] = ([[
    ["h%02d"] = { role = "front_end", windows = "2003", transport = %q, registry = { ["HKLM\\SYSTEM"] = %q },
      ssh = { host = "127.0.0.1", config = %q, port = %d, program = %s } },
]]):format(i, transport, self:folder(i) .. "/SYSTEM", self.sshd.dir .. "/ssh.conf", self.sshd.port + i - 1,
      program and ("%q"):format(program) or "nil")
    bash(("mkdir %s; cp %s/hive %s/SYSTEM"):format(self:folder(i), self.place.dir, self:folder(i)))
  end
  self.place:site_file(('return { api = 1, name = "fleet", clusters = {}, hosts = {\n%s} }\n'):format(
    table.concat(hosts) .. (more or "")))
  self.place:playbook("roll", 'needs = { "registry.write", "system.write" },', ([[
    ctx:step("a value and a file", ctx.site.hosts(), function(host)
      local _, err = host.registry:set("HKLM\\SYSTEM\\Test", "NLBSFlags", "dword", 1)
      if err then error(err, 0) end
      _, err = host.system:write_file { path = %q .. host.name .. "/policy.conf", content = "protect\n" }
      if err then error(err, 0) end
    end, { max_fail = 1000 })
  ]]):format(self.place.dir .. "/"))
end

-- The program runs in it, too, until the test has ended.
function TestSshFleet:new_netns()
  self.netns = "stf-ssh-" .. self.place.dir:match("%w+$")
  local said, code = bash(("ip netns add %s && ip -n %s link set lo up"):format(self.netns, self.netns))
  lu.assertEquals(code, 0, said)
  self.place.environment = "ip netns exec " .. self.netns
  return self.netns
end

-- A server whose users have this as their login shell: a script, with what it is to run in SSH_ORIGINAL_COMMAND.
function TestSshFleet:start_with_shell(script)
  self.place:write("shell", script)
  self.sshd:start { server = ("ForceCommand bash %s/shell"):format(self.place.dir) }
end

function TestSshFleet:folder(i)
  return ("%s/h%02d"):format(self.place.dir, i)
end

function TestSshFleet:roll(code)
  return expect(self.place:json("run", "roll"), code).doc
end

-- What stands on all hosts, without times.
function TestSshFleet:snapshot(count)
  local found = {}
  for i = 1, count do
    found[i] = bash(("ls %s"):format(self:folder(i))) .. support.reglookup(self:folder(i) .. "/SYSTEM")
  end
  return found
end

local over_ssh = {}

function over_ssh:fifty_hosts_and_back(transport)
  local count = 50
  self.sshd:start { count = count }
  self:site(transport, count, {})
  local before = self:snapshot(count)
  local report = self:roll(0)
  lu.assertEquals(report.counts.done, count)
  for _, each in ipairs(self:snapshot(count)) do
    lu.assertStrContains(each, "policy.conf")
    lu.assertStrContains(each, "/Test/NLBSFlags,DWORD,0x00000001")
  end
  expect(self.place:staffetta("rollback"), 0)
  lu.assertEquals(self:snapshot(count), before)
end

function over_ssh:each_fault_is_one_outcome(transport)
  local faults = {
    [2] = { "nobody listens", "unreachable" },
    [3] = { "hangs", "unreachable" },
    [4] = { "what speaks there is no agent", "failed", program = "yes #" },
    [5] = { "", "unreachable", program = "kill -9 $PPID #" },
    [6] = { transport == "libssh" and "host key" or "Host key", transport == "libssh" and "failed" or "unreachable" },
    [7] = { "install the same version there", "failed", program = hostile_agent .. " is-newer" },
    [8] = { "No space left on device", "failed" },
    [9] = { "/nonexistent/staffetta: No such file", "unreachable", program = "/nonexistent/staffetta" },
  }
  local count = 10
  local programs = {}
  for i, fault in pairs(faults) do programs[i] = fault.program end
  self.sshd:start { count = count, client = "ConnectTimeout 3" }
  self:site(transport, count, programs)
  local folder = self:folder(8)
  bash(([[
    cd %s; kill %d; kill -STOP %d
    ssh-keygen -qt ed25519 -N '' -f other; sed -i "/:%d /s| .*| $(cut -d' ' -f1,2 other.pub)|" known_hosts
    mount -t tmpfs -o size=64k none %s; cp %s/hive %s/SYSTEM; cat /dev/zero >%s/full 2>/dev/null
  ]]):format(self.sshd.dir, self.sshd.pids[2], self.sshd.pids[3], self.sshd.port + 5, folder, self.place.dir, folder,
    folder))
  local answer = self.place:json("run", "roll")
  bash("umount " .. folder)
  local report = expect(answer, 3).doc
  for i = 1, count do
    local host, fault = report.hosts[("h%02d"):format(i)], faults[i]
    lu.assertEquals(host.outcome, fault and fault[2] or "done", ("h%02d: %s"):format(i, host.reason))
    if fault and i > 3 then lu.assertStrContains(host.reason, fault[1]) end
  end
  lu.assertEquals(report.counts.done, count - 8)
end

-- known_hosts has the key twice: as the host's, and as revoked.
function over_ssh:a_revoked_host_key_is_refused(transport)
  self.sshd:start {}
  self:site(transport, 1, {})
  bash(("cd %s; echo \"@revoked * $(cut -d' ' -f1,2 host_key.pub)\" >>known_hosts"):format(self.sshd.dir))
  local host = self:roll(3).hosts.h01
  lu.assertStrContains(host.reason, transport == "libssh" and "is revoked in known_hosts" or "marked as revoked")
end

function over_ssh:the_site_names_the_key(transport)
  self.sshd:start {}
  self:site(transport, 1, {})
  bash(("sed -i /IdentityFile/d %s/ssh.conf; mv %s/client_key* %s"):format(self.sshd.dir, self.sshd.dir,
    self.place.site))
  lu.assertNotEquals(self:roll(3).counts.done, 1)
  self.place:site_file((self.place:read("site/site.lua"):gsub("ssh = {", '%0 key = "client_key",')))
  lu.assertEquals(self:roll(0).counts.done, 1)
end

function over_ssh:an_agent_is_sent_where_there_is_none(transport)
  self.sshd:start { count = 2 }
  self:site(transport, 2, { false, false })
  local sent = self.sshd.dir .. "/home/.cache/staffetta"
  lu.assertEquals(self:roll(0).counts.done, 2)
  local inode = bash("cd " .. sent .. " && stat -c '%a %i' . */staffetta && ls */")
  lu.assertStrMatches(inode, "700 %d+\n700 (%d+)\nstaffetta\n")
  expect(self.place:staffetta("rollback"), 0)
  lu.assertEquals(bash("cd " .. sent .. " && stat -c '%a %i' . */staffetta && ls */"), inode, "it was sent twice")
  -- one that is not what was sent is never run
  bash(("cd %s/* && echo 'touch %s/ran' >staffetta"):format(sent, self.place.dir))
  lu.assertEquals(self:roll(0).counts.done, 2)
  lu.assertEquals(bash("ls " .. self.place.dir .. "/ran 2>/dev/null"), "")
  expect(self.place:staffetta("agent", "remove", "h01"), 0)
  lu.assertEquals(bash("ls " .. sent .. " 2>&1 | grep -c 'No such file'"), "1\n")
end

function over_ssh:an_agent_that_can_not_be_sent(transport)
  self.sshd:start { count = 1 }
  self:site(transport, 1, { false })
  local home = self.sshd.dir .. "/home"
  bash("mount -t tmpfs -o size=64k none " .. home)
  local report = self:roll(3)
  lu.assertEquals(bash("find " .. home .. " -type f"), "", "a part of it was left behind")
  bash("umount " .. home)
  lu.assertStrContains(report.hosts.h01.reason, "No space left on device")
end

-- As csh has it: a quoted text may not go over the end of a line.
function over_ssh:an_agent_is_sent_to_a_shell_that_takes_one_line(transport)
  self:start_with_shell [=[
    if [[ $SSH_ORIGINAL_COMMAND == *$'\n'* ]]; then echo "Unmatched quote" >&2; exit 1; fi
    exec sh -c "$SSH_ORIGINAL_COMMAND"
  ]=]
  self:site(transport, 1, { false })
  local host = self:roll(0).hosts.h01
  lu.assertEquals(host.outcome, "done", host.reason)
end

function over_ssh:a_shell_that_greets_is_quoted(transport)
  self:start_with_shell 'echo "Welcome to web1"; exec sh -c "$SSH_ORIGINAL_COMMAND"'
  self:site(transport, 1, {})
  lu.assertStrContains(self:roll(3).hosts.h01.reason, "'Welcome to web1' was said: what speaks there is no agent")
end

function over_ssh:an_agent_that_may_not_run(transport)
  self.sshd:start {}
  self:site(transport, 1, { false })
  local home = self.sshd.dir .. "/home"
  bash("mount -t tmpfs -o noexec none " .. home)
  local report = self:roll(3)
  bash("umount " .. home)
  lu.assertStrContains(report.hosts.h01.reason, "the home may be mounted noexec")
end

-- One that is named is told, and so is what to do about it; one that is only found is not used.
function over_ssh:an_agent_of_an_older_protocol(transport)
  self.sshd:start { count = 2 }
  self:site(transport, 2, { hostile_agent .. " is-older", false })
  bash(([[
    cd %s/bin; printf '#!/bin/sh\n[ "$1" = version ] && echo staffetta 0.0.1 || touch %s/ran\n' >staffetta
    chmod +x staffetta
  ]]):format(self.sshd.dir, self.place.dir))
  local report = self:roll(3)
  lu.assertStrContains(report.hosts.h01.reason, "this agent is Staffetta 0.0 and speaks protocol 0")
  lu.assertStrContains(report.hosts.h01.reason, "install the same version there, or leave ssh.program out")
  lu.assertEquals(report.hosts.h02.outcome, "done", report.hosts.h02.reason)
  lu.assertEquals(bash(("ls %s/ran 2>/dev/null"):format(self.place.dir)), "", "the agent of another version has run")
end

-- In a namespace of their own the way to two of three hosts swallows everything, after they have answered.
function over_ssh:the_way_is_cut_without_a_word(transport)
  self.sshd:start { count = 3, netns = self:new_netns(), client = "ConnectTimeout 3" }
  self:site(transport, 3, {}, ('["here"] = { role = "witness", address = "127.0.0.1" },'))
  self.place:write("cut.nft", ("table inet cut { chain in { type filter hook input priority 0; tcp dport %d-%d drop; "
    .. "tcp sport %d-%d drop; }; }"):format(self.sshd.port + 1, self.sshd.port + 2, self.sshd.port + 1,
    self.sshd.port + 2))
  self.place:playbook("cut", 'needs = { "registry.read", "system.run", "system.write" },', ([[
    local function host(name) return ctx.site.host(name) end
    local function write(h)
      local _, err = h.system:write_file { path = %q .. h.name .. "/policy.conf", content = "protect\n" }
      if err then error(err, 0) end
    end
    ctx:step("all answer", { host("h01"), host("h02"), host("h03") }, function(h)
      local _, err = h.registry:get("HKLM\\SYSTEM\\Test", "NLBSFlags")
      if err then error(err, 0) end
    end)
    ctx:act("the way is cut", { host("here") }, function(h)
      local done = assert(h.system:run { argv = { "nft", "-f", %q } })
      assert(done.exit_code == 0, done.errors)
    end)
    ctx:step("a file in time", { host("h01"), host("h02") }, write, { max_fail = 1, deadline_ms = 1000 })
    ctx:step("a file", { host("h01"), host("h03") }, write, { max_fail = 1 })
  ]]):format(self.place.dir .. "/", self.place.dir .. "/cut.nft"))
  local began_s = os.time()
  local report = expect(self.place:json("run", "cut"), 3).doc
  lu.assertTrue(os.time() - began_s < 120 * lab_support.slowness, "a cut way was waited for too long")
  local found = {}
  for name, host in pairs(report.hosts) do found[name] = host.outcome .. ": " .. (host.reason or "") end
  lu.assertEquals(found.h01, "done: ")
  lu.assertEquals(found.h02, "failed: not done within 1000 ms")
  lu.assertStrMatches(found.h03, transport == "libssh" and "unreachable: h03: the connection is lost"
    or "unreachable: h03: Timeout, server .* not responding.*")
end

for name, test in pairs(over_ssh) do
  for _, transport in ipairs { "libssh", "openssh" } do
    TestSshFleet[("test_%s_over_%s"):format(name, transport)] = function(self) test(self, transport) end
  end
end

return TestSshFleet
