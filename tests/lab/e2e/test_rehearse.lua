-- `new site` and `rehearse`: from nothing to the whole job, and nothing left of it, also after a stop.
-- Must never take the program's word for what it left behind. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local cjson = require "cjson"
local lab_support = require "lab_support"
local support = require "support"

local bash, expect = lab_support.bash, lab_support.expect

local TestRehearse = {}

function TestRehearse:setUp()
  self.place = support.new_place()
  self.site, self.tmp = self.place.dir .. "/Mail.Site", self.place.dir .. "/tmp"
  support.shell("mkdir %s", self.tmp)
end

function TestRehearse:tearDown()
  self.place:close()
end

-- What the rehearsal of process `pid` has left.
function TestRehearse:traces(pid)
  return bash(([[ip netns list | grep -o 'stf-rehearsal-%s-[^ ]*'; ls -d /run/staffetta-lab/rehearsal-%s 2>/dev/null
    ls %s]]):format(pid, pid, self.tmp)) .. bash("pgrep -fa 'rehearsal-" .. pid .. "[-/]'")
end

-- { code, out, err, pid }
function TestRehearse:rehearse(...)
  local answer = support.command({ "rehearse", "--site", self.site, ... }, "TMPDIR=" .. self.tmp)
  answer.pid = assert((answer.out .. answer.err):match("rehearsal%-(%d+)"), answer.err)
  return answer
end

function TestRehearse:test_a_new_site_passes_the_whole_job()
  expect(support.command { "new", "site", self.site }, 0)
  local answer = expect(self:rehearse("--output", "json", "--param", "policy=mail-all"), 0)
  local doc, stages = cjson.decode(answer.out), {}
  for i, stage in ipairs(doc.stages) do stages[i] = ("%s %d"):format(stage.stage, stage.exit_code) end
  lu.assertEquals(doc.verdict, "pass")
  lu.assertEquals(stages, { "lab up 0", "plan 2", "rollout 0", "verify 0", "drill 0", "rollback 0", "comparison 0" })
  lu.assertStrContains(answer.err, "ports 80, 110, 143 answered")
  lu.assertEquals(self:traces(answer.pid), "")
end

-- Hosts that are reached by ssh, and absolute paths, must not be touched: all of them lie in the lab.
function TestRehearse:test_real_hosts_are_moved_into_the_lab()
  expect(support.command { "new", "site", self.site }, 0)
  local text = lab_support.read_file(self.site .. "/site.lua")
  text = lab_support.edit(text, "in_lab = true", "in_lab = false")
  text = text:gsub("%-%- (%[\"win%-fe1\"%])", "%1")
  text = lab_support.edit(text, 'front_ends = { "fe1" }', 'front_ends = { "fe1", "win-fe1" }')
  text = lab_support.edit(text, 'manager = "address", ', 'manager = "pacemaker", ')
  text = lab_support.edit(text, "  return described\n",
    '  if role == "node" then described.vip = { resource = "ip" } end\n  return described\n')
  self.place:write("Mail.Site/site.lua", text)
  local answer = expect(self:rehearse(), 0)
  lu.assertStrContains(answer.out, "  mail: the lab has no pacemaker, so Staffetta moves its address itself\n"
    .. "  win-fe1: no Windows runs in a lab, so it is its registry only\n")
  lu.assertStrContains(answer.out, "\nwin-fe1\n  registry.value: HKLM\\SYSTEM\\")
  -- four hosts, and the switch
  lu.assertStrContains(answer.out, "ip, nft and swanctl see 5 namespaces exactly as before")
  lu.assertStrContains(answer.out, "rehearsal: pass")
  lu.assertFalse(support.exists("/etc/staffetta/mail.psk"))
  lu.assertEquals(self:traces(answer.pid), "")
end

-- A budget that nobody can keep: the stage that failed is the exit code, what follows is left out, the lab goes.
function TestRehearse:test_a_failed_stage_ends_it()
  expect(support.command { "new", "site", self.site }, 0)
  support.shell("sed -i 's/planned_move_ms = 6000/planned_move_ms = 1/' %s", self.site .. "/site.lua")
  local answer = expect(self:rehearse("--output", "json"), 3)
  local doc = cjson.decode(answer.out)
  lu.assertEquals({ doc.verdict, doc.stages[#doc.stages].stage, doc.stages[#doc.stages].exit_code },
    { "fail", "drill", 3 })
  lu.assertEquals(self:traces(answer.pid), "")
end

-- A script of the site that alters a host behind the journal's back: no rollback knows of it, the comparison does.
function TestRehearse:test_a_host_that_differs_afterwards_is_told()
  expect(support.command { "new", "site", self.site }, 0)
  self.place:write("Mail.Site/playbooks/verify.lua", [[
return { api = 1, name = "verify", kind = "playbook", summary = "sly", needs = { "system.run" }, overrides = "verify",
  run = function(ctx)
    ctx:act("add an address", { ctx.site.host("fe1") }, function(host)
      assert(host.system:run { argv = { "ip", "address", "add", "10.9.0.77/32", "dev", "eth0" } })
    end)
  end }
]])
  local answer = expect(self:rehearse(), 5)
  lu.assertStrContains(answer.err, "\n+eth0 10.9.0.77/32\n")
  lu.assertStrContains(answer.out, "rehearsal: fail")
  lu.assertEquals(self:traces(answer.pid), "")
end

function TestRehearse:test_a_stop_takes_everything_down()
  expect(support.command { "new", "site", self.site }, 0)
  for _, signal in ipairs { "INT", "TERM" } do
    local out, code = bash(([[
      TMPDIR=%s %s rehearse --site %s >%s/out 2>&1 & pid=$!
      until grep -q '^== rollout' %s/out; do kill -0 $pid || exit 99; sleep 0.02; done
      kill -%s $pid; wait $pid; code=$?
      echo pid $pid; exit $code
    ]]):format(self.tmp, lab_support.program, self.site, self.place.dir, self.place.dir, signal))
    lu.assertEquals(code, 130, out .. self.place:read("out"))
    lu.assertStrContains(self.place:read("out"), "rehearsal: fail")
    lu.assertEquals(self:traces(out:match("pid (%d+)")), "")
  end
end

function TestRehearse:test_without_a_site()
  local answer = support.command { "rehearse", "--site", self.place.dir }
  lu.assertEquals({ answer.code, answer.out }, { 1, "" })
  lu.assertStrContains(answer.err, "site.lua")
end

function TestRehearse:test_a_parameter_that_nobody_takes()
  expect(support.command { "new", "site", self.site }, 0)
  local answer = support.command { "rehearse", "--site", self.site, "--param", "polcy=mail-all" }
  lu.assertEquals({ answer.code, answer.out }, { 1, "" })
  lu.assertStrContains(answer.err, "neither rollout nor verify nor drill has a parameter 'polcy'")
end

function TestRehearse:test_nothing_to_stand_for()
  self.place:site_file([[return { api = 1, name = "x", clusters = {}, hosts = {
    win = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "none" } } } }]])
  local answer = support.command { "rehearse", "--site", self.place.site }
  lu.assertEquals({ answer.code, answer.out }, { 1, "" })
  lu.assertStrContains(answer.err, "no host with an IPv4 address")
end

return TestRehearse
