-- lab_support.lua - what the end-to-end suites share: a lab of the test's own from the example site, and eyes that are
-- not ours (ip, nft, swanctl, reglookup, tcpdump). A lab leaves nothing behind; Lab:down() proves it.
-- Must never touch a lab, a process or a file that the test did not make. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local M = {}

local program = assert(os.getenv("STAFFETTA"), "STAFFETTA must name the program")
M.program = program
local example = assert(os.getenv("STAFFETTA_EXAMPLE"), "STAFFETTA_EXAMPLE must name the example's site.lua")

local quote, read_file = support.shell_quote, support.read_file
M.read_file = read_file

local function read_all(pipe)
  local text = pipe:read("a")
  local _, how, code = pipe:close()
  return text, how == "exit" and code or 128 + code
end

-- Runs a bash script; gives what it printed (errors too) and its exit code.
local function bash(script)
  return read_all(assert(io.popen("bash -c " .. quote(script) .. " 2>&1 </dev/null", "r")))
end
M.bash = bash

-- How much slower than a usual machine this one is, as on an emulated processor: bounds of tests are multiplied by it.
M.slowness = tonumber(os.getenv("STAFFETTA_TEST_SLOWNESS") or 1)

local own_pid = tonumber(read_file("/proc/self/stat"):match("^%d+"))

if bash("id -u"):match("%d+") ~= "0" then
  print("SKIP: the lab needs root")
  os.exit(0)
end

-- ---- the lab ----

local Lab = {}
Lab.__index = Lab

local lab_count = 0

-- What stands on this machine of the lab: namespaces, folders, processes; nothing when there is none.
function Lab:traces()
  local script = ([[
    ip netns list | grep -o %s || true
    ls -d /run/staffetta-lab/%s /run/staffetta-lab/.%s* %s 2>/dev/null || true
    grep -lzx %s /proc/[0-9]*/environ 2>/dev/null || true
  ]]):format(quote("stf-" .. self.name .. "[^ ]*"), self.name, self.name, quote(self.place.dir),
    quote("STF_E2E=" .. self.name))
  local found = { (bash(script)) }
  for _, inode in ipairs(self.namespaces or {}) do
    found[#found + 1] = (bash(("ls -l /proc/[0-9]*/ns/net 2>/dev/null | grep -F %s || true"):format(quote(inode))))
  end
  return table.concat(found)
end

-- Replaces `old` in the text, which must stand there exactly once.
function M.edit(text, old, new)
  local first, last = text:find(old, 1, true)
  assert(first and not text:find(old, last + 1, true), "the example site does not have exactly one: " .. old)
  return text:sub(1, first - 1) .. new .. text:sub(last + 1)
end

local function site_text(name, options)
  local text = M.edit(read_file(example), 'local name = "example"', ("local name = %q"):format(name))
  text = M.edit(text, 'servers = "real"', ("servers = %q"):format(options.servers or "responder"))
  if options.has_domain_controller then
    text = M.edit(text, '["witness"] =',
      '["dc1"] = ipsec_host("dc1", "domain_controller", "10.9.0.20"),\n    ["witness"] =')
    text = M.edit(text, 'manager = "address",', 'domain_controllers = { "dc1" }, manager = "address",')
  end
  return options.site and options.site(text) or text
end

-- A lab that is up: the example site under a name of its own. options: servers = "real" | "responder" (default),
-- has_domain_controller = true, site = function(text of site.lua) return text.
function M.up(options)
  options = options or {}
  lab_count = lab_count + 1
  local name = ("e2e-%d-%d"):format(own_pid, lab_count)
  local self = setmetatable({ name = name, place = support.new_place(), run_dir = "/run/staffetta-lab/" .. name }, Lab)
  self.hosts = { "fe1", "node-a", "node-b", "witness" }
  if options.has_domain_controller then table.insert(self.hosts, 2, "dc1") end
  self.place.environment = "STF_E2E=" .. name
  bash("mkdir " .. quote(self.place.dir .. "/tmp"))
  self.place:write("site/site.lua", site_text(name, options))
  local answer = support.command { "lab", "up", "--site", self.place.site, "--with-pid", own_pid }
  if answer.code ~= 0 then
    self.place:close()
    error("lab up: " .. answer.out .. answer.err)
  end
  self.namespaces = {}
  for _, host in ipairs { "sw", table.unpack(self.hosts) } do
    local inode = bash(("stat -Lc %%i /run/netns/stf-%s-%s"):format(name, host)):match("%d+")
    self.namespaces[#self.namespaces + 1] = ("net:[%s]"):format(inode)
  end
  return self
end

-- Takes the lab down and fails the test when anything of it is left.
function Lab:down()
  local answer = support.command { "lab", "down", "--site", self.place.site }
  local left_in_tmp = bash("ls -A " .. quote(self.place.dir .. "/tmp"))
  self.place:close()
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertEquals(left_in_tmp, "")
  lu.assertEquals(self:traces(), "")
end

function Lab:netns(host)
  return ("stf-%s-%s"):format(self.name, host)
end

-- A bash script on a lab host; its output and exit code.
function Lab:on(host, script)
  return bash(("ip netns exec %s bash -c %s"):format(self:netns(host), quote(script)))
end

function Lab:swanctl(host, arguments)
  return bash(("swanctl %s --uri unix://%s/%s/charon.vici"):format(arguments, self.run_dir, host))
end

function Lab:hive()
  return self.run_dir .. "/win-fe1/SYSTEM"
end

-- The pid of a lab host's daemon, as the lab itself says.
function Lab:pid_of(host, daemon)
  local answer = support.command { "lab", "status", "--site", self.place.site, "--output", "json" }
  for _, each in ipairs(cjson.decode(answer.out).daemons) do
    if each.host == host and each.name == daemon then return each.pid end
  end
  error(("no %s on %s"):format(daemon, host))
end

-- ---- the program ----

-- `staffetta COMMAND ...` on the lab's site, environment in front; { code, out, err }.
function Lab:staffetta(command, ...)
  return self.place:staffetta(command, ...)
end

-- The same with --output json; .doc is the decoded document.
function Lab:json(command, ...)
  return self.place:json(command, ...)
end

-- The command with environment variables added, such as STAFFETTA_FAULT.
function Lab:with(environment, command, ...)
  local usual = self.place.environment
  self.place.environment = usual .. " " .. environment
  local answer = self.place:staffetta(command, ...)
  self.place.environment = usual
  return answer
end

-- The command dies at a fault point, such as "host.write.before:3". Skips the test in a build that has none.
function Lab:kill_at(point, command, ...)
  local answer = self:with("STAFFETTA_FAULT=" .. point, command, ...)
  if answer.code == M.killed then return end
  lu.skipIf(self:with("STAFFETTA_FAULT=journal.run_begin.before", "verify").code ~= M.killed,
    "this build has no fault points (STAFFETTA_FAULTS)")
  lu.fail(("%s at %s: exit code %d instead of %d\n%s%s"):format(command, point, answer.code, M.killed, answer.out,
    answer.err))
end

-- The command under strace, with one option more, such as "--inject=fsync:signal=KILL:when=3"; { code }.
function Lab:traced(option, command, ...)
  local words = { quote(program), command, "--site", quote(self.place.site), "--state", quote(self.place.state), ... }
  local _, code = bash(("%s strace -f -qq -o /dev/null %s %s"):format(self.place.environment, option,
    table.concat(words, " ")))
  return { code = code }
end

-- Fails the test unless the exit code is `code`; gives the answer on.
function M.expect(answer, code)
  if answer.code ~= code then
    local doc = answer.doc
    local said = doc and cjson.encode { error = doc.error, rollback_error = doc.rollback_error, checks = doc.checks }
      or answer.out
    lu.fail(("exit code %d instead of %d\n%s\n%s"):format(answer.code, code, said, answer.err))
  end
  return answer
end

-- The number of a report's run, as an argument: cjson reads every number as a float.
function M.run_of(report)
  return ("%d"):format(report.run)
end

-- What the journal has of a report's run: { run, changes, checks, events, ... }.
function Lab:show(report)
  return M.expect(self:json("show", M.run_of(report)), 0).doc
end

-- Starts the command, waits until it has printed `line` (a grep pattern) or for `wait_s` seconds, and sends it
-- `signal`, or runs the bash line `run` instead. Gives { code, out, err }.
function Lab:signalled(signal, when, command, ...)
  local out, err = self.place.dir .. "/signalled.out", self.place.dir .. "/signalled.err"
  local words = { quote(program), command, "--site", quote(self.place.site), "--state", quote(self.place.state) }
  for _, each in ipairs { ... } do words[#words + 1] = quote(each) end
  local wait = when.line
    and ("until grep -qs %s %s || ! kill -0 $pid 2>/dev/null; do sleep 0.005; done"):format(quote(when.line),
      quote(out))
    or ("sleep %.3f"):format(when.wait_s)
  os.remove(out) -- or the line of an earlier command may be found
  local _, code = bash(([[
    %s %s </dev/null >%s 2>%s & pid=$!
    %s
    %s 2>/dev/null
    wait $pid; code=$?
    touch %s %s; exit $code
  ]]):format(self.place.environment, table.concat(words, " "), quote(out), quote(err), wait,
    when.run or ("kill -%s $pid"):format(signal), quote(out), quote(err)))
  return { code = code, out = read_file(out), err = read_file(err) }
end

M.killed = 128 + 9 -- the exit code of a program that SIGKILL has ended

-- The checks of a report or of a run's document whose verdict is `verdict`, as sorted "name" or "name host" lines.
function M.checks_with(verdict, checks)
  local found = {}
  for _, check in ipairs(checks) do
    if check.verdict == verdict then
      local host = type(check.host) == "string" and " " .. check.host or ""
      found[#found + 1] = (check.check or check.name) .. host
    end
  end
  table.sort(found)
  return found
end

-- ---- eyes that are not ours ----

-- without the numbers of interfaces, which a restarted daemon makes anew
local snapshot_of_host = [[
  echo "## HOST: addresses, rules, routes"
  ip -n NETNS -j address | sed -E 's/"(if|link_)index":[0-9]+,//g'; echo
  ip -n NETNS rule; ip -n NETNS route show table all
  echo "## HOST: nft"
  ip netns exec NETNS nft -s list ruleset
  echo "## HOST: xfrm"
  ip -n NETNS xfrm policy; ip -n NETNS xfrm state; ip netns exec NETNS sysctl net.core.xfrm_acq_expires
]]

-- without the seconds since and until something
local snapshot_of_daemon = [[
  echo "## HOST: connections and SAs"
  swanctl --list-conns --uri unix://RUN/HOST/charon.vici
  swanctl --list-sas --uri unix://RUN/HOST/charon.vici | sed -E 's/\b[0-9]+s\b/Ns/g'
  echo "## HOST: conf.d, strongswan.d"
  cd RUN/HOST && find conf.d strongswan.d -mindepth 1 -printf '%M %u %p\n' | sort
  find conf.d strongswan.d -type f | sort | xargs -r tail -n +1
]]

-- The hive by path, type, data, owner and access list, not by the times of writing; and what lies beside it.
local snapshot_of_hive = [[
  echo "## win-fe1: hive"
  reglookup -s HIVE | cut -d, -f1-3,5-
  ls -A $(dirname HIVE); stat -c '%A %U %G' HIVE
  echo "## processes that the program left"
  grep -lzx STF_E2E=NAME /proc/[0-9]*/environ 2>/dev/null | xargs -rn1 dirname | xargs -rI% cat %/comm
]]

-- Everything that other programs see of the hosts, as text.
function Lab:snapshot()
  local script = {}
  local function add(text, host)
    local values = { HOST = host, NETNS = host and self:netns(host), RUN = self.run_dir, HIVE = self:hive(),
      NAME = self.name }
    script[#script + 1] = text:gsub("%u+", values)
  end
  for _, host in ipairs(self.hosts) do
    add(snapshot_of_host, host)
    if host ~= "witness" then add(snapshot_of_daemon, host) end
  end
  add(snapshot_of_hive)
  return (bash(table.concat(script)))
end

-- Fails with the differing lines unless the hosts are as they were when `before` was taken.
function Lab:expect_as(before, what)
  local now = self:snapshot()
  if now == before then return end
  local old_path, new_path = self.place:write("tmp/before", before), self.place:write("tmp/now", now)
  local difference = bash(("diff -U2 %s %s"):format(quote(old_path), quote(new_path)))
  os.remove(old_path)
  os.remove(new_path)
  lu.fail(("%s: the hosts are not as before\n%s"):format(what, difference))
end

-- The value of NLBSFlags as hivexget prints it; nil when there is none.
function Lab:nlbs_flags()
  local text = bash(("hivexget %s 'ControlSet001\\Services\\PolicyAgent\\Oakley'"):format(quote(self:hive())))
  return text:match('"NLBSFlags"=(%S+)')
end

-- Sets NLBSFlags by hand, with hivexsh: it replaces all values of a key, so the lab's other one is given too.
function Lab:set_oakley(nlbs_flags)
  return bash(("hivexsh -w %s <<<%s"):format(quote(self:hive()), quote(
    "cd \\ControlSet001\\Services\\PolicyAgent\\Oakley\nsetval 2\nEnableLogging\ndword:0\nNLBSFlags\ndword:"
    .. nlbs_flags .. "\ncommit\n")))
end

-- Asks from a lab host with bash's own sockets: sends `text` (printf's escapes) and gives the first line of the answer;
-- nil when there was none in `timeout_s` (default 5) seconds.
function Lab:ask(host, port, text, timeout_s)
  local out, code = self:on(host, ([[
    timeout %g bash -c '
      exec 3<>/dev/tcp/10.9.0.100/%d && printf "%s" >&3 && read -r line <&3 && echo "$line"
    ' 2>/dev/null
  ]]):format(timeout_s or 5, port, text or ""))
  return code == 0 and out or nil
end

-- The first answer within `limit_s` seconds, however fast the attempts fail; nil when there was none.
function Lab:ask_for(limit_s, host, port)
  local ends_at = os.time() + limit_s
  repeat
    local answer = self:ask(host, port, "", 1)
    if answer then return answer end
    bash("sleep 0.2")
  until os.time() > ends_at
end

-- The nodes that hold the virtual IP, as `ip` says.
function Lab:holders()
  local holders = {}
  for _, node in ipairs { "node-a", "node-b" } do
    if self:on(node, "ip -o address show to 10.9.0.100"):find("10.9.0.100", 1, true) then
      holders[#holders + 1] = node
    end
  end
  return table.concat(holders, " ")
end

-- ---- the wire ----

local Listener = {}
Listener.__index = Listener

-- tcpdump on the lab's switch, from now on: it sees every frame between the hosts.
function Lab:listen()
  self.listener_count = (self.listener_count or 0) + 1
  local base = ("%s/wire-%d"):format(self.place.dir, self.listener_count)
  local pid = bash(([[
    ip netns exec %s tcpdump -Z root -i br0 -nn --immediate-mode -B 32768 -s 128 -U -w %s.pcap \
      >/dev/null 2>%s.err & pid=$!
    until grep -qs 'listening on' %s.err; do kill -0 $pid || exit 1; sleep 0.01; done
    echo pid $pid
  ]]):format(self:netns("sw"), base, base, base)):match("pid (%d+)\n$")
  return setmetatable({ pid = assert(pid, "tcpdump did not start"), base = base }, Listener)
end

-- Ends the capture; it must not have lost a packet.
function Listener:stop()
  bash(("pid=%s; sleep 0.1; kill -INT $pid; for i in {1..500}; do kill -0 $pid || break; sleep 0.01; done"):format(
    self.pid))
  lu.assertStrContains(read_file(self.base .. ".err"), "\n0 packets dropped by kernel")
end

-- The packets that a filter of tcpdump's own finds, a line each.
function Listener:lines(filter)
  local text = bash(("tcpdump -nn -r %s.pcap %s 2>/dev/null"):format(self.base, quote(filter)))
  local lines = {}
  for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
  return lines
end

function Listener:count(filter)
  return #self:lines(filter)
end

-- ESP alone, or in UDP: there its first four bytes are an SPI, where IKE has zeros.
M.esp = "(esp or (udp port 4500 and udp[4:2] > 12 and udp[8:4] != 0))"

return M
