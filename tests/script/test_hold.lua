-- Two controllers at once: whoever comes second to a host is refused, and told who is at work there.
local lu = require "luaunit"
local support = require "support"

local TestHold = {}

local needs = [[needs = { "registry.read", "registry.write" },]]
local reading = [[needs = { "registry.read" },]]
local killed = 137

local set = [[
  ctx:step("set", ctx.site.hosts(), function(host)
    assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "dword", 1))
  end)
]]

function TestHold:setUp()
  self.place = support.new_place()
  self.place:site_of("win-a", "win-b")
  self.place:playbook("set", needs, set)
  self.place:playbook("slow", needs, set .. [[ ctx:say("at work") ctx:sleep_ms(60000) ]])
  self.place:check("look", reading, [[ return ctx.host.registry:get("HKLM\\SYSTEM\\Test", "a") and "pass" or "fail" ]])
  self.place:playbook("look", reading, [[ ctx:checks("see", { { check = "look", hosts = ctx.site.hosts() } }) ]])
end

function TestHold:tearDown()
  self.place:close()
end

-- From another state folder than the first controller's.
function TestHold:other(command, ...)
  local arguments = { command, "--site", self.place.site, "--state", self.place.dir .. "/other", ... }
  return support.command(arguments)
end

function TestHold:start()
  local job = self.place:start("run", "slow")
  job:wait_for("at work")
  return job
end

function TestHold:expect_refused(answer, job)
  lu.assertEquals(answer.code, 3, answer.out .. answer.err)
  local said = answer.out .. answer.err
  lu.assertStrContains(said, "another controller is at work on win-")
  lu.assertStrMatches(said, (".* on %s, pid %s, run 1, since %%d+%%-%%d+%%-%%d+ %%d+:%%d+:%%d+ UTC\n.*"):format(
    support.shell("uname -n"):match("%S+"):gsub("%p", "%%%0"), job.pid))
end

function TestHold:standing()
  return support.reglookup(self.place.site .. "/hives/win-a") .. support.reglookup(self.place.site .. "/hives/win-b")
end

-- The files of all holds on this machine that name this process.
local function holds_of(pid)
  return support.shell([[grep -ls '"pid":%s[,}]' /run/lock/staffetta/* || true]], pid)
end

-- What is not touched need not be held.
function TestHold:test_one_host_is_rolled_back_while_another_is_worked_on()
  lu.assertEquals(self:other("run", "set").code, 0)
  local job = self.place:start("run", "slow", "--limit", "win-a")
  job:wait_for("at work")
  local answer = self:other("rollback", "1", "--host", "win-b")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  lu.assertNotEquals(self:other("rollback", "1", "--host", "win-a").code, 0)
  job:kill()
end

function TestHold:test_the_second_controller_is_refused()
  local job = self:start()
  local standing = self:standing()
  self:expect_refused(self:other("run", "set"), job)
  lu.assertEquals(self:standing(), standing)
  -- looking is free
  lu.assertEquals(self:other("plan", "set").code, 0)
  lu.assertEquals(self:other("run", "look").code, 0)
  job:signal("TERM") -- puts everything back
  lu.assertEquals(job:finish().code, 130)
  lu.assertEquals(holds_of(job.pid), "")
  lu.assertEquals(self:other("run", "set").code, 0)
end

function TestHold:test_a_rollback_is_refused_too()
  lu.assertEquals(self:other("run", "set").code, 0)
  local job = self:start()
  self:expect_refused(self:other("rollback"), job)
end

function TestHold:test_a_dead_holder_is_taken_over()
  local job = self:start()
  lu.assertNotEquals(holds_of(job.pid), "") -- once it is dead, any other run that ends may sweep it away
  job:signal("KILL")
  lu.assertEquals(job:finish().code, killed)
  lu.assertEquals(self:other("run", "set").code, 0)
  lu.assertEquals(holds_of(job.pid), "")
end

-- The agents have the lock, and end with the controller.
function TestHold:test_hosts_behind_agents()
  local site = self.place:read("site/site.lua")
  self.place:site_file((site:gsub('windows = "2003"', 'windows = "2003", transport = "agent"')))
  local job = self:start()
  self:expect_refused(self:other("run", "set"), job)
  job:signal("KILL")
  lu.assertEquals(job:finish().code, killed)
  support.wait_until(function() return self:other("run", "set").code == 0 end, "the end of the agents")
end

return TestHold
