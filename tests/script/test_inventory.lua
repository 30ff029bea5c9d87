-- Hosts by group: groups of site.lua, inventories of Ansible and of a command, and --limit.
local lu = require "luaunit"
local support = require "support"
local cjson = require "cjson"

local TestInventory = {}

local site = [[return { api = 1, name = "test", clusters = {}, inventory = { %s }, groups = {
  frontends = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "hives/all" } },
  nodes = { role = "node", interface = "eth0" },
} }]]

local ini = [[
lone ansible_connection=local
[frontends]
web[01:50].example.com ansible_user=deploy
edge:2222 ansible_host=192.0.2.9 ansible_ssh_private_key_file=~/.ssh/id  # a comment
[nodes]
node-[a:b] staffetta_address="10.9.0.11" ansible_user="na me"
[db]
db1
[dc1:children]
frontends
nodes
[all:vars]
ansible_python_interpreter=/usr/bin/python3
ansible_user=everybody
[dc1:vars]
ansible_port=2100
[frontends:vars]
ansible_port=2200
http_port=80
]]

function TestInventory:setUp()
  self.place = support.new_place()
end

function TestInventory:tearDown()
  self.place:close()
end

-- The site's hosts, name -> what `hosts` tells of it.
function TestInventory:hosts(...)
  local answer, found = self.place:json("hosts", ...), {}
  lu.assertEquals(answer.code, 0, answer.err)
  for _, host in ipairs(answer.doc.hosts) do found[host.name] = host end
  return found, answer.doc.inventory
end

function TestInventory:names(pattern)
  local answer, names = self.place:json("hosts", "--limit", pattern), {}
  lu.assertEquals(answer.code, 0, answer.err)
  for i, host in ipairs(answer.doc.hosts) do names[i] = host.name end
  return table.concat(names, " ")
end

function TestInventory:assert_refused(text, words)
  self.place:site_file(text)
  local answer = self.place:staffetta("hosts")
  lu.assertEquals(answer.code, 1, answer.out)
  lu.assertStrContains(answer.err, words)
end

local function with_hosts(hosts, groups)
  return ("return { api = 1, name = 'test', clusters = {}, hosts = { %s }, groups = { %s } }"):format(hosts, groups)
end

-- ---- groups of site.lua ----

function TestInventory:test_a_host_inherits_of_its_groups()
  self.place:site_file(with_hosts(
    [[ a = { groups = { "fe", "dc1" }, address = "192.0.2.1", ssh = { port = 1 } },
       b = { groups = { "fe" }, address = "192.0.2.2", transport = "openssh" } ]],
    [[ fe = { role = "front_end", transport = "libssh", ssh = { user = "u", port = 2 } },
       dc1 = { ssh = { user = "u" } } ]]))
  local hosts = self:hosts()
  lu.assertEquals(hosts.a, { name = "a", role = "front_end", address = "192.0.2.1", transport = "libssh",
    ssh = { user = "u", port = 1 }, groups = { "dc1", "fe" } })
  lu.assertEquals({ hosts.b.transport, hosts.b.ssh }, { "openssh", { user = "u", port = 2 } })
end

function TestInventory:test_groups_that_are_refused()
  for text, words in pairs {
    [with_hosts("a = { groups = { 'x', 'y' }, role = 'witness', address = '::1' }",
      "x = { ssh = { user = 'u' } }, y = { ssh = { user = 'v' } }")] =
      "hosts['a'].ssh.user: the groups 'x' and 'y' say different things; let the host say it itself",
    [with_hosts("a = { groups = { 'fee' }, role = 'witness', address = '::1' }", "fe = {}")] =
      "hosts['a'].groups has 'fee', which is none of the site's groups; did you mean 'fe'?",
    [with_hosts("a = { role = 'witness', address = '::1' }", "fe = {}")] = "groups['fe']: no host is in it",
    [with_hosts("a = { role = 'witness', address = '::1', groups = { 'a' } }", "a = {}")] =
      "'a' is the name of a host and of a group: rename one of them",
    [with_hosts("a = { groups = { 'g' } }", "g = { rolle = 'x' }")] =
      "groups['g'] has an unknown field 'rolle'; did you mean 'role'?",
    [with_hosts("a = 7", "")] = "hosts['a'] has a wrong value",
    [with_hosts("a = { groups = { 'g' } }", "g = 7")] = "groups['g'] has a wrong value",
    [with_hosts("a = { groups = { 'g' } }", "g = { groups = { 'h' } }")] =
      "groups['g'].groups: only hosts are in groups",
    [with_hosts("a = { groups = { 'g' }, address = '::1' }", "g = { role = 'nobody' }")] =
      "hosts['a'].role has a wrong value",
  } do self:assert_refused(text, words) end
end

-- A cluster may name groups; what a script sees of a host has its groups.
function TestInventory:test_clusters_and_scripts_have_groups()
  self.place:site_file [[return { api = 1, name = "test",
    hosts = { a = { role = "node", address = "192.0.2.1", groups = { "nodes" } },
      b = { role = "node", address = "192.0.2.2", groups = { "nodes" } },
      f = { role = "front_end", address = "192.0.2.3", groups = { "fe" } } },
    groups = { nodes = {}, fe = {} },
    clusters = { mail = { virtual_ip = "192.0.2.9", nodes = { "b", "nodes" }, front_ends = { "fe" } } } }]]
  self.place:playbook("try", "", [[
    local cluster, names = ctx.site.cluster("mail"), {}
    for _, list in ipairs { cluster.nodes, cluster.front_ends, ctx.site.group("nodes") } do
      for _, host in ipairs(list) do names[#names + 1] = host.name .. ":" .. host.groups[1] end
    end
    ctx:measure("names", { list = table.concat(names, " ") })
    ctx:say("%s", select(2, pcall(ctx.site.group, "nods")).message)]])
  local answer = self.place:run("try")
  lu.assertEquals(answer.doc.measures.names.list, "b:nodes a:nodes f:fe a:nodes b:nodes", answer.err)
  lu.assertStrContains(self.place:staffetta("run", "try").out, "no group 'nods' in the site; did you mean 'nodes'?")
  local text = self.place:read("site/site.lua")
  self:assert_refused(text:gsub('ends = { "fe"', '%0, "nodes"'), "whose role is 'node'")
  self:assert_refused(text:gsub('ends = { "fe"', '%0, "nodez"'),
    "names 'nodez', which is no host and no group; did you mean 'nodes'?")
end

-- ---- inventories ----

function TestInventory:test_ansible_ini()
  self.place:write("site/hosts.ini", ini)
  self.place:site_file(site:format 'ansible = "hosts.ini"')
  local hosts, inventory = self:hosts()
  lu.assertEquals(inventory, { hosts = 55, left_out = { "db1", "lone" }, unused = { ansible_python_interpreter = 1 } })
  lu.assertEquals(hosts["web07.example.com"], { name = "web07.example.com", role = "front_end", transport = "libssh",
    ssh = { host = "web07.example.com", port = 2200, user = "deploy" }, groups = { "dc1", "frontends" } })
  lu.assertEquals(hosts.edge.ssh, { host = "192.0.2.9", port = 2222, user = "everybody", key = "~/.ssh/id" })
  lu.assertEquals({ hosts.edge.address, hosts["node-a"].address }, { "192.0.2.9", "10.9.0.11" })
  lu.assertEquals(hosts["node-b"].ssh, { host = "node-b", port = 2100, user = "na me" })
  local human = self.place:staffetta("hosts").out
  lu.assertStrContains(human, "\n53 hosts\nleft out, for no group of site.lua gives them a role: db1, lone\n"
    .. "variables of Ansible that mean nothing here: ansible_python_interpreter (1)\n")
end

-- What Ansible's own parser makes of the same file: the same hosts, groups and ways there.
function TestInventory:test_ansible_sees_the_same()
  if not os.execute("command -v ansible-inventory >/dev/null") then lu.skip("no ansible-inventory") end
  self.place:write("site/hosts.ini", ini)
  local printed = support.shell("ANSIBLE_LOCAL_TEMP=%s ansible-inventory -i %s --list", self.place.dir,
    self.place.site .. "/hosts.ini")
  local list = cjson.decode(printed)
  self.place:site_file(site:format 'ansible = "hosts.ini"')
  local hosts, compared = self:hosts(), 0
  for name, host in pairs(hosts) do
    local vars = list._meta.hostvars[name]
    lu.assertEquals({ host.ssh.user, host.ssh.port, host.ssh.host, host.ssh.key }, { vars.ansible_user,
      vars.ansible_port, vars.ansible_host or name, vars.ansible_ssh_private_key_file }, name)
    lu.assertItemsEquals(host.groups, list.frontends and host.role == "front_end" and { "frontends", "dc1" }
      or { "nodes", "dc1" })
    compared = compared + 1
  end
  lu.assertEquals({ compared, #list.frontends.hosts, #list.nodes.hosts }, { 53, 51, 2 })
  -- and what it prints is read as the same site
  self.place:write("site/list.json", printed)
  self.place:site_file(site:format(('command = { "cat", "%s/list.json" }'):format(self.place.site)))
  lu.assertEquals(self:hosts(), hosts)
  -- so is its YAML
  self.place:write("site/hosts.yaml", support.shell("ANSIBLE_LOCAL_TEMP=%s ansible-inventory -i %s --list --yaml",
    self.place.dir, self.place.site .. "/hosts.ini"))
  self.place:site_file(site:format 'ansible = "hosts.yaml"')
  lu.assertEquals(self:hosts(), hosts)
end

function TestInventory:test_a_command_of_the_site()
  local script = self.place:write("site/inventory.sh", [[#!/bin/sh
printf '{"frontends": {"hosts": ["a"]}, "_meta": {"hostvars": {"a": {"ansible_connection": "local"}}}}'
]])
  support.shell("chmod 755 %s", script)
  self.place:site_file(site:format 'command = { "./inventory.sh" }':gsub("nodes = {", "frontends2 = {"))
  self:assert_refused(self.place:read("site/site.lua"),
    "groups['frontends2']: no host is in it; did you mean 'frontends'?")
  self.place:site_file((site:format 'command = { "./inventory.sh" }':gsub("nodes = .- },", "")))
  local hosts = self:hosts()
  lu.assertEquals(hosts.a, { name = "a", role = "front_end", transport = "local", groups = { "frontends" } })
end

function TestInventory:test_inventories_that_are_refused()
  self.place:write("site/secret.ini", "[frontends]\na ansible_password=hunter2\n")
  self.place:write("site/template.ini", "[frontends]\na ansible_host={{x}}\n")
  self.place:write("site/winrm.ini", "[frontends]\na ansible_connection=winrm\n")
  self.place:write("site/port.ini", "[frontends]\na ansible_port=x\n")
  self.place:write("site/own.ini", "[frontends]\na staffetta_adress=x\n")
  self.place:write("site/loop.ini", "[frontends:children]\nb\n[b:children]\nfrontends\n[c]\nx\n")
  self.place:write("site/open.ini", "[frontends]\na\n")
  support.shell("chmod 666 %s", self.place.site .. "/open.ini")
  for spec, words in pairs {
    ['ansible = "secret.ini"'] = "secret.ini:2: ansible_password is a password",
    ['ansible = "template.ini"'] = "hosts['a']: ansible_host is a template, which only Ansible can fill in",
    ['ansible = "winrm.ini"'] = "hosts['a']: ansible_connection is 'winrm'",
    ['ansible = "port.ini"'] = "hosts['a']: ansible_port is 'x'; expected a number",
    ['ansible = "own.ini"'] = "there is no variable 'staffetta_adress'; did you mean 'staffetta_address'?",
    ['ansible = "loop.ini"'] = "is a part of itself",
    ['ansible = "open.ini"'] = "can be written by others",
    ['ansible = "none.ini"'] = "cannot open the inventory that site.lua names",
    ['ansible = "/dev/zero"'] = "is not a regular file",
    ['ansible = 7'] = "ansible",
    ['ansibel = "x"'] = "ansible",
    ['ansible = "x", command = { "x" }'] = "expected either 'ansible', a file, or 'command'",
    ['command = {}'] = "expected a program and its arguments",
    ['command = { "/nowhere/x" }'] = "/nowhere/x",
    ['command = { "sh", "-c", "echo no good >&2; exit 3" }'] = "ended with exit code 3: no good",
    ['command = { "sleep", "60" }, timeout_ms = 100'] = "100 ms",
    ['command = { "echo", "no" }'] = "expected a JSON object of groups",
  } do self:assert_refused(site:format(spec), words) end
  lu.assertNil(self.place:staffetta("hosts").err:find("hunter2", 1, true))
end

-- What site.lua says of a host wins over the inventory, and completes it.
function TestInventory:test_the_site_adds_to_an_inventory()
  self.place:write("site/hosts.ini", "[nodes]\na ansible_port=7\n[x]\nb ansible_ssh_common_args='-o \"A=b c\" -v'\n")
  self.place:site_file [[return { api = 1, name = "test", clusters = {}, inventory = { ansible = "hosts.ini" },
    hosts = { a = { address = "192.0.2.1", ssh = { port = 8 } }, b = { role = "witness", address = "192.0.2.2" },
      c = { role = "witness", address = "192.0.2.3" } },
    groups = { nodes = { role = "node", ssh = { port = 9 }, transport = "openssh" } } }]]
  local hosts = self:hosts()
  lu.assertEquals({ hosts.a.ssh, hosts.a.transport }, { { host = "a", port = 8 }, "openssh" })
  lu.assertEquals({ hosts.b.ssh, hosts.b.transport },
    { { host = "b", args = { "-o", "A=b c", "-v" } }, "openssh" })
  lu.assertEquals(hosts.c.transport, "local")
end

-- What ssh is called with: our own words come first, for ssh takes what is said first.
function TestInventory:test_the_way_by_ssh()
  local fake = self.place:write("bin/ssh",
    ('#!/bin/sh\nprintf "%%s\\n" "$@" >%s/words\nexit 255\n'):format(self.place.dir))
  support.shell("chmod 755 %s", fake)
  self.place:write("site/hosts.ini", "[frontends]\na ansible_host=192.0.2.1 ansible_port=7 ansible_user=u "
    .. "ansible_ssh_private_key_file=keys/id "
    .. "ansible_ssh_common_args='-o StrictHostKeyChecking=no -J \"b c\"'\n[nodes]\n")
  self.place:site_file(site:format 'ansible = "hosts.ini"')
  self.place.environment = ("PATH=%s/bin:$PATH"):format(self.place.dir)
  lu.assertEquals(self.place:staffetta("doctor").code, 3)
  local words = self.place:read("words"):gsub("\n", "|")
  lu.assertStrContains(words, ("-T|-o|BatchMode=yes|-o|StrictHostKeyChecking=yes|-o|ServerAliveInterval=5|-p|7|-l|u|"
    .. "-i|%s/keys/id|-o|StrictHostKeyChecking=no|-J|b c|--|192.0.2.1|"):format(self.place.site))
  self.place:site_file((self.place:read("site/site.lua"):gsub('role = "front_end"', '%0, transport = "libssh"')))
  local found = ""
  for _, finding in ipairs(self.place:json("doctor").doc) do found = found .. finding.found end
  lu.assertStrContains(found, 'hosts[\'a\'].ssh.args is for transport = "openssh"')
end

-- ---- --limit ----

local four = with_hosts([[ ["web-1"] = { groups = { "fe", "dc1" }, address = "192.0.2.1" },
  ["web-2"] = { groups = { "fe" }, address = "192.0.2.2" },
  ["web-3"] = { groups = { "fe", "dc1" }, address = "192.0.2.3" },
  db = { role = "witness", groups = { "dc1" }, address = "192.0.2.4" } ]], [[ fe = { role = "front_end" }, dc1 = {} ]])

function TestInventory:test_patterns()
  self.place:site_file(four)
  for pattern, wanted in pairs {
    ["web-1"] = "web-1", ["web-1,db"] = "db web-1", ["web*"] = "web-1 web-2 web-3", ["web-?,!web-2"] = "web-1 web-3",
    ["!web-2, web-*"] = "web-1 web-3", ["fe,&dc1"] = "web-1 web-3", ["dc1"] = "db web-1 web-3", ["!fe"] = "db",
    ["all"] = "db web-1 web-2 web-3", ["*"] = "db web-1 web-2 web-3", ["web-[1-2]"] = "web-1 web-2",
    ["web-[!1-2]"] = "web-3", ["d?1"] = "db web-1 web-3", ["fe,&dc1,!web-3"] = "web-1",
  } do lu.assertEquals(self:names(pattern), wanted, pattern) end
end

function TestInventory:test_patterns_that_mean_nothing()
  self.place:site_file(four)
  for pattern, words in pairs {
    ["web-4"] = "no host and no group is 'web-4'; did you mean 'web-1'?", ["web-1,!wob-2"] = "is 'wob-2'; did you mean",
    ["fee"] = "did you mean 'fe'?", ["web-1,!fe"] = "it leaves no host of the site", [","] = "it leaves no host",
    [""] = "it leaves no host", ["web-["] = "'web-[' is no pattern", ["web.1"] = "is 'web.1'",
  } do
    local answer = self.place:staffetta("hosts", "--limit", pattern)
    lu.assertEquals(answer.code, 1, pattern .. answer.out)
    lu.assertStrContains(answer.err, words)
  end
end

-- ---- runs with a limit ----

local body = [[
  local function set(name)
    ctx:step("set " .. name, ctx.site.hosts(), function(host)
      assert(host.registry:set("HKLM\\SYSTEM\\Test", name, "dword", 1))
    end)
  end
  set("a")
  ctx:gate("good", { { check = "look", hosts = ctx.site.hosts() } })
  ctx:gate("others", { { check = "look", host = ctx.site.host("w3") } })
  set("b")
]]

-- Four hosts with a hive each, w1 to w4; w1 and w2 are in the group "first".
function TestInventory:four()
  local hosts = {}
  support.shell("rm -rf %s %s", self.place.site .. "/hives", self.place.state)
  for i = 1, 4 do
    self.place:hive("site/hives/w" .. i)
    hosts[i] = ([[w%d = { groups = { "all4", "%s" }, registry = { ["HKLM\\SYSTEM"] = "hives/w%d" } }]]):format(i,
      i < 3 and "first" or "second", i)
  end
  self.place:site_file(with_hosts(table.concat(hosts, ", "),
    'all4 = { role = "front_end", windows = "2003" }, first = {}, second = {}'))
  self.place:playbook("try", 'needs = { "registry.read", "registry.write" },', body)
  self.place:check("look", 'needs = { "registry.read" },', [[
    return ctx.host.name ~= "w3" and ctx.host.registry:get("HKLM\\SYSTEM\\Test", "a") and "pass" or "fail", "looked" ]])
end

-- "w1ab w2ab": which hosts have which values.
function TestInventory:standing()
  local found = {}
  for i = 1, 4 do
    local seen = support.reglookup(("%s/hives/w%d"):format(self.place.site, i))
    local values = (seen:find("/Test/a,", 1, true) and "a" or "") .. (seen:find("/Test/b,", 1, true) and "b" or "")
    if values ~= "" then found[#found + 1] = "w" .. i .. values end
  end
  return table.concat(found, " ")
end

-- Steps and gates are for the hosts of the limit; a gate for others only is none.
function TestInventory:test_a_run_touches_its_hosts_only()
  self:four()
  local plan = self.place:json("plan", "try", "--limit", "first,w4,!w2")
  lu.assertEquals({ plan.code, #plan.doc.plan.changes, plan.doc.plan.limit }, { 2, 4, "first,w4,!w2" })
  local answer = self.place:run("try", "--limit", "first,w4,!w2")
  lu.assertEquals({ answer.code, answer.doc.limit, self:standing() }, { 0, "first,w4,!w2", "w1ab w4ab" }, answer.out)
  lu.assertEquals({ answer.doc.counts.done, answer.doc.counts.total, #answer.doc.checks }, { 2, 2, 2 })
  local run = self.place:json("show").doc
  lu.assertEquals({ #run.hosts, run.run.mode, run.events[1].kind }, { 2, "apply to some hosts", "limit" })
  table.sort(run.events[1].data.hosts)
  lu.assertEquals(run.events[1].data, { pattern = "first,w4,!w2", hosts = { "w1", "w4" } })
  lu.assertStrContains(self.place:staffetta("run", "try", "--limit", "w1").out,
    "gate 'others' is for hosts outside the limit only")
  lu.assertEquals(self.place:run("try", "--limit", "w3").code, 3) -- its gate counts now
end

-- Whatever a script tries: a host outside the limit is only looked at.
function TestInventory:test_a_script_can_not_leave_the_limit()
  self:four()
  self.place:playbook("sly", 'needs = { "registry.read", "registry.write" },', [[
    ctx:step("set", { ctx.site.host("w1") }, function()
      local other = ctx.site.host("w2").registry
      assert(other:get("HKLM\\SYSTEM\\Test", "a") == nil)
      assert(other:set("HKLM\\SYSTEM\\Test", "a", "dword", 1))
    end)]])
  local answer = self.place:run("sly", "--limit", "w1")
  lu.assertEquals({ answer.code, self:standing() }, { 3, "" })
  lu.assertStrContains(answer.doc.error.message, "w2 is outside --limit, so this run only looks at it")
end

function TestInventory:test_a_kept_plan_has_its_limit()
  self:four()
  local plan = self.place.dir .. "/plan.json"
  self.place:staffetta("plan", "try", "--limit", "first", "--out", plan)
  lu.assertEquals(self.place:staffetta("run", "--plan", plan, "--limit", "w1").code, 64)
  lu.assertEquals(self.place:staffetta("run", "--plan", plan).code, 0)
  lu.assertEquals(self:standing(), "w1ab w2ab")
end

function TestInventory:test_a_rollback_of_some_hosts()
  self:four()
  lu.assertEquals(self.place:run("try", "--limit", "!w3").code, 0)
  lu.assertEquals(self.place:json("rollback", "1", "--plan", "--limit", "first").doc.rollback.undo, 4)
  lu.assertEquals(self.place:staffetta("rollback", "1", "--host", "w1", "--limit", "first").code, 64)
  lu.assertEquals(self.place:staffetta("rollback", "1", "--limit", "first").code, 0)
  lu.assertEquals({ self:standing(), self.place:json("show", "1").doc.run.state }, { "w4ab", "done" })
  lu.assertEquals(self.place:staffetta("rollback", "1").code, 0)
  lu.assertEquals({ self:standing(), self.place:json("show", "1").doc.run.state }, { "", "rolled_back" })
end

-- Killed wherever it may be: what goes on is about the hosts of the limit, or does not go on.
function TestInventory:test_resume_keeps_to_the_limit()
  local resumed, refused = 0, 0
  for _, point in ipairs { "journal.run_begin.after", "journal.host.before", "host.write.after", "journal.done.before" }
  do
    self:four()
    if not self.place:kill_at(point .. ":1", "run", "try", "--limit", "first") then lu.skip("no fault points") end
    local answer = self.place:staffetta("resume")
    if answer.code == 0 then
      resumed = resumed + 1
      lu.assertEquals(self:standing(), "w1ab w2ab", point)
    else
      refused = refused + 1
      lu.assertStrContains(answer.err, "before it had kept its limit, and has changed nothing")
      lu.assertEquals(self:standing(), "", point)
    end
  end
  lu.assertTrue(resumed >= 2 and refused >= 1, ("%d resumed, %d refused"):format(resumed, refused))
end

-- ---- facts ----

-- The facts of a host on this machine, and how old they are said to be.
function TestInventory:facts(...)
  local answer = self.place:json("hosts", ...)
  lu.assertEquals(answer.code, 0, answer.err)
  return answer.doc.hosts[1].facts, answer.doc.hosts[1].age_ms
end

-- Puts `hostname` into all facts that are kept, and makes them as old as that.
function TestInventory:age_facts(hostname, age_ms)
  for path in support.shell("ls %s/facts/*", self.place.state):gmatch("[^\n]+") do
    local kept = cjson.decode(self.place:read(path:sub(#self.place.dir + 2)))
    kept.facts.hostname, kept.gathered_unix_ms = hostname, os.time() * 1000 - age_ms
    local file <close> = assert(io.open(path, "w"))
    file:write(cjson.encode(kept))
  end
end

function TestInventory:test_facts_are_remembered_for_a_while()
  local here = support.shell("uname -n"):gsub("\n", "")
  self.place:site_file(with_hosts('w1 = { role = "witness", address = "127.0.0.1" }', ""))
  lu.assertNil((self:facts()))
  local facts, age_ms = self:facts("--facts")
  lu.assertEquals({ facts.hostname, age_ms }, { here, 0 })
  lu.assertEquals(facts.architecture .. "\n", support.shell("uname -m"))
  self:age_facts("remembered", 60000)
  facts, age_ms = self:facts("--facts")
  lu.assertEquals({ facts.hostname, age_ms >= 59000 }, { "remembered", true })
  lu.assertStrContains(self.place:staffetta("hosts", "--facts").out, " s ago\n")
  lu.assertEquals(self:facts("--fresh-facts").hostname, here)
  for _, wrong_age_ms in ipairs { 3601000, -60000 } do -- too old, or from a clock that was ahead
    self:age_facts("remembered", wrong_age_ms)
    lu.assertEquals(self:facts("--facts").hostname, here)
  end
  self:age_facts("remembered", 60000)
  local text = self.place:read("site/site.lua")
  self.place:site_file((text:gsub("api = 1,", "%0 facts = { max_age_ms = 30000 },")))
  lu.assertEquals(self:facts("--facts").hostname, here)
  self:age_facts("remembered", 0)
  self.place:site_file((text:gsub("127.0.0.1", "127.0.0.2"))) -- another description may be another host
  lu.assertEquals(self:facts("--facts").hostname, here)
  self:assert_refused(text:gsub("api = 1,", "%0 facts = { max_age_ms = -1 },"), "facts.max_age_ms is '-1'")
end

function TestInventory:test_facts_of_a_host_that_nobody_reaches()
  self.place:site_file(with_hosts([[ w1 = { role = "witness", address = "127.0.0.1" },
    w2 = { role = "witness", address = "127.0.0.1", transport = "openssh", ssh = { port = 1 } } ]], ""))
  local answer = self.place:json("hosts", "--facts")
  lu.assertEquals({ answer.code, answer.doc.hosts[2].name, answer.doc.hosts[2].facts }, { 4, "w2" })
  lu.assertStrContains(answer.doc.hosts[2].error, "w2: ")
  lu.assertNotNil(answer.doc.hosts[1].facts)
  lu.assertEquals(self.place:staffetta("hosts", "--facts", "--limit", "w1").code, 0)
end

function TestInventory:test_doctor_looks_at_the_limit()
  self:four()
  local found = {}
  for _, finding in ipairs(self.place:json("doctor", "--limit", "w2").doc) do found[finding.about] = true end
  lu.assertEquals({ found.w2, found.w1 }, { true, nil })
  lu.assertEquals(self.place:staffetta("doctor", "--limit", "w9").code, 1)
end

return TestInventory
