-- A Windows host behind the agent of the Windows program, under Wine: over a pipe, and over a real sshd that starts it
-- as OpenSSH for Windows does. What a real Windows does this can not tell. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local lab_support = require "lab_support"
local sshd_support = require "sshd_support"
local wine_support = require "wine_support"
local support = require "support"

local bash, expect = lab_support.bash, lab_support.expect

local TestWindowsAgent = {}

local key = [[HKLM\SYSTEM\CurrentControlSet\Services\PolicyAgent\Oakley]]

function TestWindowsAgent:setUp()
  self.wine = wine_support.new()
  self.place = support.new_place()
end

function TestWindowsAgent:tearDown()
  if self.lab then self.lab:down() end
  if self.sshd then self.sshd:close() end
  self.lab, self.sshd = nil, nil
  self.place:close()
  self.wine:close()
end

-- ---- ways there ----

-- A real sshd that gives every command to the Windows host. Gives the fields of the host in site.lua.
function TestWindowsAgent:behind_sshd(transport)
  self.sshd = sshd_support.new()
  local _, code = bash(([[cd %s && sed -i 's|^|command="%s" |' authorized_keys]]):format(self.sshd.dir,
    self.wine.shell))
  lu.assertEquals(code, 0)
  self.sshd:start {}
  return ('transport = %q, ssh = { host = "win1", config = "%s/ssh.conf", system = "windows" }'):format(transport,
    self.sshd.dir)
end

-- In place of the operator's ssh: the host on a pipe.
function TestWindowsAgent:behind_pipe()
  self.place:write("bin/ssh", ([[#!/bin/sh
for SSH_ORIGINAL_COMMAND; do :; done
export SSH_ORIGINAL_COMMAND
exec %s
]]):format(self.wine.shell))
  bash(("chmod +x %s/bin/ssh"):format(self.place.dir))
  self.place.environment = ("PATH=%s/bin:$PATH"):format(self.place.dir)
  return 'transport = "openssh", ssh = { system = "windows" }'
end

local ways = {
  pipe = TestWindowsAgent.behind_pipe,
  libssh = function(self) return self:behind_sshd("libssh") end,
  openssh = function(self) return self:behind_sshd("openssh") end,
}

-- ---- playbooks ----

function TestWindowsAgent:site(fields, site_field)
  self.place:site_file(([[
return { api = 1, name = "windows", clusters = {}, %s hosts = {
  win1 = { role = "front_end", windows = "2003", registry = { [""] = "windows:" }, %s } } }
]]):format(site_field or "", fields))
  self.place:playbook("tune", 'needs = { "registry.read", "registry.write" },', ([[
    local key = %q
    ctx:step("tune", ctx.site.hosts(), function(host)
      for _, value in ipairs { { "NLBSFlags", "dword", 1 }, { "Grüße", "sz", "a\r\nb\026c" },
        { "Bytes", "binary", "\0\r\n\26\255" }, { "List", "multi_sz", { "one", "two" } } } do
        local _, err = host.registry:set(key .. "\\New", table.unpack(value))
        if err then error(err, 0) end
      end
      local _, err = host.registry:set(key, "NLBSFlags", "dword", 1)
      if err then error(err, 0) end
    end)
    ctx:checks("set", { { check = "tuning-set", hosts = ctx.site.hosts() } })
  ]]):format(key))
end

-- Sets a value, says so, waits, and sets another one.
function TestWindowsAgent:slow_playbook(wait_ms)
  self.place:playbook("slow", 'needs = { "registry.write" },', ([[
    ctx:step("set", ctx.site.hosts(), function(host)
      assert(host.registry:set(%q, "NLBSFlags", "dword", 2))
      ctx:say("at work")
      ctx:sleep_ms(%d)
      assert(host.registry:set(%q, "Second", "dword", 1))
    end)
  ]]):format(key, wait_ms, key))
end

function TestWindowsAgent:expect_reg(arguments, text)
  local answer, code = self.wine:run("reg query " .. arguments)
  lu.assertEquals(code, 0, answer)
  lu.assertStrContains(answer, text)
end

for name, way in pairs(ways) do
  TestWindowsAgent["test_a_playbook_over_" .. name] = function(self)
    self:site(way(self))
    local before = self.wine:policy_agent()
    expect(self.place:staffetta("plan", "tune"), 2)
    lu.assertEquals(self.wine:policy_agent(), before)
    local report = expect(self.place:run("tune"), 0).doc
    lu.assertEquals(report.hosts.win1.outcome, "done")
    lu.assertEquals(lab_support.checks_with("pass", report.checks), { "tuning-set win1" })
    self:expect_reg(("'%s' /v NLBSFlags"):format(key), "0x1")
    self:expect_reg(("'%s\\New' /v Bytes"):format(key), "000D0A1AFF")
    expect(self.place:staffetta("plan", "tune"), 0)
    expect(self.place:staffetta("rollback"), 0)
    lu.assertEquals(self.wine:policy_agent(), before)
  end
end

function TestWindowsAgent:test_the_main_job_with_a_windows_front_end()
  local lab = lab_support.up {}
  self.lab = lab
  local fields = self:behind_sshd("openssh")
  lab.place:write("site/site.lua", lab_support.edit(lab.place:read("site/site.lua"),
    [[registry = { ["HKLM\\SYSTEM"] = run .. "/win-fe1/SYSTEM" },]], [[registry = { [""] = "windows:" }, ]] .. fields))
  local before, registry = lab:snapshot(), self.wine:policy_agent()
  expect(lab:staffetta("plan"), 2)
  expect(lab:staffetta("rollout"), 0)
  self:expect_reg(("'%s' /v NLBSFlags"):format(key), "0x1")
  expect(lab:staffetta("verify"), 0)
  expect(lab:staffetta("rollback"), 0)
  lab:expect_as(before, "a rollback with a Windows front end")
  lu.assertEquals(self.wine:policy_agent(), registry)
end

-- ---- what fails ----

function TestWindowsAgent:test_a_host_without_the_program()
  self:site(self:behind_sshd("libssh"))
  bash(("mv '%s/prefix/drive_c/Program Files/Staffetta' '%s/prefix/drive_c/Other Place'"):format(self.wine.dir,
    self.wine.dir))
  local report = expect(self.place:run("tune"), 3).doc
  lu.assertStrContains(report.hosts.win1.reason, [[there is no %ProgramFiles%\Staffetta\staffetta.exe on win1]])
  lu.assertStrContains(report.hosts.win1.reason, "copy staffetta.exe")
  lu.assertStrContains(expect(self.place:staffetta("agent", "remove", "win1"), 1).err, "by hand")
  local site = self.place:read("site/site.lua")
  self.place:site_file(lab_support.edit(site, 'system = "windows"',
    [[system = "windows", program = "C:\\Other Place\\staffetta.exe"]]))
  expect(self.place:run("tune"), 0)
  expect(self.place:staffetta("rollback"), 0)
end

-- Kills the session in the middle: the agent ends with it, and the next command reaches the host anew.
function TestWindowsAgent:test_the_channel_ends_in_the_middle()
  self:site(self:behind_sshd("openssh"))
  local before = self.wine:policy_agent()
  self:slow_playbook(1000)
  local job = self.place:start("run", "slow")
  job:wait_for("at work")
  bash(("pkill -KILL -P %s"):format(self.sshd.pids[1]))
  lu.assertEquals(job:finish().code, 3) -- put back over a new channel
  lu.assertEquals(self.wine:policy_agent(), before)
end

-- ---- two controllers ----

function TestWindowsAgent:test_the_second_controller_is_refused()
  self:site(self:behind_sshd("openssh"))
  self:slow_playbook(60000)
  local first, state = self.place:start("run", "slow"), self.place.state
  first:wait_for("at work")
  self.place.state = self.place.dir .. "/other"
  local second = self.place:staffetta("run", "tune")
  lu.assertEquals(second.code, 3, second.out)
  lu.assertStrContains(second.out .. second.err, "another controller is at work on win1: ")
  lu.assertStrContains(second.out .. second.err, ("pid %s, run 1, since "):format(first.pid))
  self:expect_reg(("'%s' /v NLBSFlags"):format(key), "0x2")
  first:signal("KILL") -- the agent ends with its channel, and the hold with the agent
  first:finish()
  support.wait_until(function() return self.place:staffetta("run", "tune").code == 0 end, "the end of the hold")
  expect(self.place:staffetta("rollback"), 0)
  self.place.state = state
  expect(self.place:staffetta("rollback"), 0)
end

-- ---- armed undo ----

function TestWindowsAgent:armed()
  return bash(("ls %s/prefix/drive_c/ProgramData/staffetta/armed"):format(self.wine.dir))
end

-- Controller and session are gone at once; the process that waits has left the session's job.
function TestWindowsAgent:test_a_host_puts_itself_back()
  self:site(self:behind_sshd("openssh"), "confirm_within_ms = 4000,")
  self:slow_playbook(60000)
  local before = self.wine:policy_agent()
  local job = self.place:start("run", "slow")
  job:wait_for("at work")
  self:expect_reg(("'%s' /v NLBSFlags"):format(key), "0x2")
  lu.assertStrContains(self:armed(), ".armed")
  job:signal("KILL")
  bash(("pkill -KILL -P %s"):format(self.sshd.pids[1]))
  job:finish()
  support.wait_until(function() return self:armed():find("%.undone\n$") end, "the undo")
  lu.assertEquals(self.wine:policy_agent(), before)
  expect(self.place:staffetta("rollback"), 0)
end

-- What a restarted machine's clock says is less than what the file says; here it is the file that is made to.
function TestWindowsAgent:test_a_host_that_restarts_puts_itself_back()
  self:site(self:behind_sshd("openssh"), "confirm_within_ms = 600000,")
  self:slow_playbook(60000)
  local before = self.wine:policy_agent()
  local job = self.place:start("run", "slow")
  job:wait_for("at work")
  job:signal("KILL")
  job:finish()
  self.wine:restart()
  self:expect_reg(("'%s' /v NLBSFlags"):format(key), "0x2")
  bash(([[sed -Ei 's/"since_ms":[0-9]+/"since_ms":9000000000000000/' %s/prefix/drive_c/ProgramData/staffetta/armed/*]])
    :format(self.wine.dir))
  local answer, code = self.wine:run("'C:\\Program Files\\Staffetta\\staffetta.exe' undo")
  lu.assertEquals(code, 0, answer)
  lu.assertEquals(self.wine:policy_agent(), before)
end

function TestWindowsAgent:test_what_is_confirmed_stays()
  self:site(self:behind_sshd("libssh"), "confirm_within_ms = 2000,")
  expect(self.place:staffetta("run", "tune"), 0)
  lu.assertEquals(self:armed(), "")
  bash("sleep 3")
  lu.assertEquals(self:armed(), "")
  self:expect_reg(("'%s' /v NLBSFlags"):format(key), "0x1")
  expect(self.place:staffetta("rollback"), 0)
end

-- ---- frames ----

local function pack(value)
  if math.type(value) == "integer" then return string.pack(">Bi8", 0xd3, value) end
  if type(value) == "string" then return string.pack(">Bs4", 0xdb, value) end
  local parts, count = {}, 0
  for name, each in pairs(value) do
    if not value[1] then parts[#parts + 1] = pack(name) end
    parts[#parts + 1] = pack(each)
    count = count + 1
  end
  return string.pack(">BI4", value[1] and 0xdd or 0xdf, count) .. table.concat(parts)
end

local function frame(value)
  return string.pack(">s4", pack(value))
end

local hello = { id = 1, protocol = 1, program = "0.1.0", host = "win1", config = { registry = { [""] = "windows:" } } }

-- What the agent answers to the bytes, and its exit code.
function TestWindowsAgent:answer(bytes)
  local path = self.place:write("input", bytes)
  return bash(("cat %s | SSH_ORIGINAL_COMMAND='\"C:\\Program Files\\Staffetta\\staffetta.exe\" agent' %s"):format(path,
    self.wine.shell))
end

function TestWindowsAgent:test_frames()
  local call = { id = 2, op = "call", name = "registry.list", document = { key = [[HKLM\SYSTEM]] } }
  local answer, code = self:answer(frame(hello) .. frame(call))
  lu.assertEquals(code, 0, answer)
  lu.assertStrContains(answer, "registry.list needs 'registry.read', which was not granted to this run")
  call.id = 3
  answer, code = self:answer(frame(hello) .. frame { id = 2, op = "grant", needs = { "registry.read" } } .. frame(call))
  lu.assertEquals(code, 0, answer)
  lu.assertStrContains(answer, "CurrentControlSet")
  for bytes, why in pairs {
    [string.pack(">s4", "\xc1")] = "",
    [string.pack(">I4", 0x7fffffff)] = "",
    [frame(hello) .. frame { id = 1, op = "grant", needs = { "x" } }] = "request 1 came after request 1",
    [frame(call)] = "speaks protocol",
    [""] = "the input ended before a controller said hello",
  } do
    answer, code = self:answer(bytes)
    lu.assertEquals(code, 1, answer)
    lu.assertStrContains(answer, why)
  end
end

return TestWindowsAgent
