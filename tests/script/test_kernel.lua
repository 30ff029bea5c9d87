-- host.ipsec:kernel_* and the check kernel-as-before through the real program, on a real namespace without a daemon.
local lu = require "luaunit"
local support = require "support"

local TestKernel = {}

local netns = "stf-script-kernel-" .. support.shell("echo $PPID"):match("%d+")

local function ip(format, ...)
  support.shell("ip -n %s " .. format, netns, ...)
end

local function may_make_namespaces()
  return os.execute(("ip netns add %s 2>/dev/null"):format(netns)) == true
end

function TestKernel:setUp()
  self.place = support.new_place()
  self.has_netns = may_make_namespaces()
  if not self.has_netns then
    print("SKIP: needs root, to make network namespaces")
    lu.skip("needs root")
  end
  self.place:hive("site/hives/h")
  self.place:site_file(([[return { api = 1, name = "test", clusters = {}, hosts = {
    h = { role = "front_end", address = "10.9.0.1", netns = "%s", ipsec = {},
      registry = { ["HKLM\\SYSTEM"] = "hives/h" } },
    other = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "hives/h" } },
  } }]]):format(netns))
end

function TestKernel:tearDown()
  if self.has_netns then os.execute(("ip netns del %s 2>/dev/null"):format(netns)) end
  self.place:close()
end

local function expect(answer, code)
  lu.assertEquals(answer.code, code, answer.out .. answer.err)
  return answer.doc
end

-- What `body` returns, run as a playbook with `host` being the namespace.
function TestKernel:look(body)
  self.place:playbook("look", 'needs = { "ipsec.read" },', ([[
    local host = ctx.site.host("h")
    local function look() %s end
    ctx:measure("seen", look())]]):format(body))
  return expect(self.place:json("run", "look"), 0).measures.seen
end

-- A run that notes the kernel's state and changes something else.
function TestKernel:change()
  self.place:write("site/playbooks/change.lua", [[
    local kernel_state = require "kernel_state"
    return { api = 1, name = "change", kind = "playbook", summary = "a test",
      needs = { "ipsec.read", "registry.write" },
      run = function(ctx)
        kernel_state.note(ctx, { ctx.site.host("h") })
        ctx:step("work", { ctx.site.host("h") }, function(host)
          assert(host.registry:set("HKLM\\SYSTEM\\Test", "x", "dword", 1))
        end)
      end }]])
  return expect(self.place:json("run", "change"), 0)
end

-- ---- what a script sees ----

function TestKernel:test_policies_and_counters()
  ip("xfrm policy add dst 10.1.0.1 proto tcp dport 143 dir out priority 5 tmpl proto esp reqid 9 mode transport")
  ip("xfrm policy add dst fd00::1 dir in action block")
  local policies = self:look [[ return { list = assert(host.ipsec:kernel_policies()) } ]].list
  lu.assertEquals(#policies, 2)
  lu.assertEquals(policies[2].selector,
    { source = "0.0.0.0/0", destination = "10.1.0.1/32", protocol = "tcp", destination_port = 143 })
  lu.assertEquals(policies[2].templates[1].reqid, 9)
  lu.assertEquals(policies[1].action, "block")
  local stats = self:look [[ return assert(host.ipsec:kernel_stats()) ]]
  lu.assertEquals(stats.policies, { ["in"] = 1, out = 1, fwd = 0, of_sockets = 0 })
  lu.assertEquals(stats.default_actions, { ["in"] = "accept", out = "accept", fwd = "accept" })
end

function TestKernel:test_sas()
  ip("xfrm state allocspi src 10.0.0.1 dst 10.0.0.2 proto esp reqid 5 mode transport min 4096 max 4096 >/dev/null")
  local sas = self:look [[ return { list = assert(host.ipsec:kernel_sas()) } ]].list
  lu.assertEquals({ sas[1].spi, sas[1].reqid, sas[1].is_larval }, { "00001000", 5, true })
end

function TestKernel:test_a_watch()
  local seen = self:look [[
    local watch = assert(host.ipsec:kernel_watch { acquires = false })
    return assert(host.ipsec:kernel_watch_stop(watch)) ]]
  lu.assertEquals({ #seen.events, seen.dropped, seen.overruns, seen.hears_acquires }, { 0, 0, 0, false })
end

function TestKernel:test_wrong_options_raise()
  local calls = { ["kernel_snapshot { spi = true }"] = "spis", ["kernel_snapshot { spis = 1 }"] = "true or false",
    ["kernel_watch { acquire = true }"] = "acquires", ["kernel_compare()"] = "table expected",
    ["kernel_watch_stop {}"] = "number expected" }
  for call, words in pairs(calls) do
    self.place:playbook("look", 'needs = { "ipsec.read" },', ("ctx.site.host('h').ipsec:%s"):format(call))
    local answer = self.place:json("run", "look")
    lu.assertEquals(answer.code, 3, call)
    lu.assertStrContains(answer.doc.error.message, words)
  end
end

-- ---- as before ----

function TestKernel:test_a_rollback_that_leaves_nothing_behind()
  ip("xfrm policy add dst 10.1.0.1 dir out tmpl proto esp reqid 9 mode transport")
  local report = self:change()
  lu.assertEquals(report.measures.kernel_before.summary, "1 hosts, 1 policies, 0 SAs")
  -- gone and back: another index, another time, the same policy
  ip("xfrm policy flush")
  ip("xfrm policy add dst 10.1.0.1 dir out tmpl proto esp reqid 9 mode transport")
  local undone = expect(self.place:json("rollback"), 0)
  lu.assertEquals({ undone.verdict, #undone.checks }, { "pass", 1 })
  lu.assertEquals({ undone.checks[1].check, undone.checks[1].host, undone.checks[1].verdict },
    { "kernel-as-before", "h", "pass" })
end

function TestKernel:test_a_policy_left_behind_is_told()
  self:change()
  ip("xfrm policy add dst 10.1.0.1 dir out priority 77 tmpl proto esp reqid 9 mode transport")
  local answer = self.place:json("rollback")
  lu.assertEquals(answer.doc.verdict, "fail")
  lu.assertNotEquals(answer.code, 0)
  local evidence = answer.doc.checks[1].evidence
  lu.assertEquals({ evidence.missing, evidence.added }, { 0, 1 })
  lu.assertEquals(evidence.differences[1].difference, "added")
  lu.assertEquals(evidence.differences[1].policy.priority, 77)
  lu.assertEquals(support.reglookup(self.place.site .. "/hives/h"):find("/Test", 1, true), nil) -- put back all the same
end

function TestKernel:test_a_policy_that_is_gone_is_told()
  ip("xfrm policy add dst 10.1.0.1 dir out action block")
  self:change()
  ip("xfrm policy flush")
  local evidence = self.place:json("rollback").doc.checks[1].evidence
  lu.assertEquals({ evidence.missing, evidence.added }, { 1, 0 })
  lu.assertEquals(evidence.differences[1].policy.selector.destination, "10.1.0.1/32")
end

function TestKernel:test_a_host_that_can_not_be_asked_is_unknown()
  self:change()
  support.shell("ip netns del %s", netns)
  local undone = self.place:json("rollback").doc
  lu.assertEquals({ undone.verdict, undone.checks[1].verdict }, { "unknown", "unknown" })
end

function TestKernel:test_a_run_that_noted_nothing_is_not_checked()
  self.place:playbook("change", 'needs = { "registry.write" },', [[
    ctx:step("work", { ctx.site.host("h") }, function(host)
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "x", "dword", 1))
    end)]])
  expect(self.place:json("run", "change"), 0)
  lu.assertEquals(#(expect(self.place:json("rollback"), 0).checks or {}), 0)
end

return TestKernel
