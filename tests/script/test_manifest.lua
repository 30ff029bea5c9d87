-- What a script says of itself is checked before anything runs, and an error says what would be right.
local lu = require "luaunit"
local support = require "support"

local TestManifest = {}

function TestManifest:setUp()
  self.place = support.new_place()
  self.place:site_file()
end

function TestManifest:tearDown()
  self.place:close()
end

function TestManifest:refused(text, ...)
  self.place:write("site/playbooks/try.lua", text)
  local answer = self.place:run("try", ...)
  lu.assertEquals(answer.code, 1, answer.out .. answer.err)
  return answer.err
end

function TestManifest:test_wrong_metadata_is_named()
  local body = "run = function() end }"
  local cases = {
    { [[return 5]], "returns one table, this one returned number" },
    { [[return {]], "unexpected symbol near <eof>" },
    { [[return { api = 2, name = "try", kind = "playbook", summary = "s", ]] .. body, "field 'api' is 2" },
    { [[return { api = 1, name = "other", kind = "playbook", summary = "s", ]] .. body, "the file is named 'try'" },
    { [[return { api = 1, name = "try", kind = "check", summary = "s", ]] .. body, "'kind' must be 'playbook'" },
    { [[return { api = 1, name = "try", kind = "playbook", ]] .. body, "'summary' must be a string" },
    { [[return { api = 1, name = "try", kind = "playbook", summary = "s" }]], "'run' must be a function" },
    { [[return { api = 1, name = "try", kind = "playbook", summary = "s", need = {}, ]] .. body,
      "did you mean 'needs'?" },
    { [[return { api = 1, name = "try", kind = "playbook", summary = "s", needs = { "registry.wrote" }, ]] .. body,
      "did you mean 'registry.write'?" },
    { [[return { api = 1, name = "try", kind = "playbook", summary = "s",
        params = { a = { type = "int", doc = "d" } }, ]] .. body, "has the type 'int'" },
    { [[return { api = 1, name = "try", kind = "playbook", summary = "s", params = { a = { type = "integer" } }, ]]
      .. body, "params.a.doc" },
  }
  for _, case in ipairs(cases) do lu.assertStrContains(self:refused(case[1]), case[2]) end
end

function TestManifest:test_parameters_are_converted_and_checked()
  self.place:playbook("params", [[params = {
      count = { type = "integer", min = 1, max = 5, doc = "how many" },
      loud = { type = "boolean", default = false, doc = "noise" },
      mode = { type = "choice", choices = { "fast", "safe" }, default = "safe", doc = "how" } },]], [[
    ctx:measure("seen", { count = p.count, loud = p.loud, mode = p.mode })
  ]])
  local answer = self.place:run("params", "--param", "count=3", "--param", "loud=yes", "--param", "mode=fast")
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertEquals(answer.doc.measures.seen, { count = 3, loud = true, mode = "fast" })
  for _, case in ipairs {
    { {}, "parameter 'count' is missing: how many\n", "expected  an integer from 1 to 5\n",
      "remedy    --param count=...\n" },
    { { "--param", "count=9" }, "parameter 'count' has a wrong value\n", "expected  an integer from 1 to 5\n",
      "found     9\n" },
    { { "--param", "count=x" }, "found     x\n" },
    { { "--param", "count=1.5" }, "found     1.5\n" },
    { { "--param", "cuont=3" }, "did you mean 'count'?" },
    { { "--param", "count=1", "--param", "mode=slow" }, "expected  one of 'fast', 'safe'\n" },
  } do
    answer = self.place:run("params", table.unpack(case[1]))
    lu.assertEquals(answer.code, 1)
    for _, part in ipairs { table.unpack(case, 2) } do lu.assertStrContains(answer.err, part) end
  end
end

function TestManifest:test_nothing_is_journalled_when_parameters_are_wrong()
  self:refused([[return { api = 1, name = "try", kind = "playbook", summary = "s", run = function() end }]],
    "--param", "x=1")
  lu.assertEquals(self.place:json("runs").doc, {})
end

function TestManifest:test_powers_are_those_declared()
  self.place:playbook("powers", [[needs = { "registry.read" },]], [[
    local host = ctx.site.host("win")
    assert(host.registry and not host.system and not host.vip and not ctx.files and not ctx.journal)
    local ok, message = pcall(function() host.registry:set("HKLM\\SYSTEM\\A", "b", "dword", 1) end)
    assert(not ok and message:find("needs 'registry.write', which this script does not declare", 1, true), message)
  ]])
  local answer = self.place:run("powers")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
end

function TestManifest:test_loading_has_no_effect()
  self.place:write("site/playbooks/eager.lua", [[
    local found = {}
    for name in pairs(_G) do found[#found + 1] = name end
    return { api = 1, name = "eager", kind = "playbook", summary = table.concat(found, ","), run = function() end }
  ]])
  local answer = self.place:staffetta("scripts", "show", "playbook/eager")
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertStrContains(answer.out, "playbook eager: ")
end

function TestManifest:test_the_site_comes_first_and_must_mean_it()
  self.place:playbook("verify", "", "")
  local answer = self.place:staffetta("verify")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, [[say overrides = "verify"]])
  self.place:playbook("verify", [[overrides = "verify",]], [[ctx:say("mine")]])
  answer = self.place:staffetta("verify")
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertStrContains(answer.out, "mine")
  answer = self.place:json("scripts", "where", "verify")
  lu.assertEquals({ answer.doc[1].origin, answer.doc[1].is_used, answer.doc[2].origin, answer.doc[2].is_used },
    { "site", true, "bundled", false })
end

function TestManifest:test_a_script_that_others_could_have_written_is_refused()
  local path = self.place:playbook("open", "", "")
  os.execute("chmod 666 " .. path)
  local answer = self.place:run("open")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "chmod go-w")
end

function TestManifest:test_a_wrong_site_file_is_named()
  for _, case in ipairs {
    { [[return { api = 1, name = "x", hosts = {}, clusters = {}, budget = {} }]], "did you mean 'budgets'?" },
    { [[return { api = 1, name = "x", hosts = {}, clusters = {}, budgets = { crahs_ms = 1 } }]],
      "budgets has an unknown field 'crahs_ms'; did you mean 'crash_ms'?" },
    { [[return { api = 1, name = "x", hosts = { a = { role = "nod", address = "10.0.0.1" } }, clusters = {} }]],
      "hosts['a'].role has a wrong value" },
    { [[return { api = 1, name = "x", hosts = { a = { role = "node" } }, clusters = {} }]],
      "hosts['a'].address is missing" },
    { [[return { api = 1, name = "x", hosts = { a = { role = "node", address = "10.0.0.1" } },
        clusters = { c = { virtual_ip = "10.0.0.9", nodes = { "a", "b" }, front_ends = {} } } }]],
      "names 'b', which is no host" },
    { [[return { api = 1, name = "x", hosts = { a = { role = "node", address = "10.0.0.1" },
          b = { role = "node", address = "10.0.0.2", vip = {} }, f = { role = "front_end", address = "10.0.0.3" } },
        clusters = { c = { virtual_ip = "10.0.0.9", nodes = { "a", "b" }, front_ends = { "f" }, manager = "pacemaker" }
        } }]], "manager is 'pacemaker', so hosts['a'] needs for instance vip = { resource = \"virtual_ip\" }" },
    { [[return { api = 1, name = "x", clusters = {}, hosts = {
        ["fe.1"] = { role = "node", address = "10.0.0.1" }, ["FE-1"] = { role = "node", address = "10.0.0.2" } } }]],
      "hosts['FE-1'] and hosts['fe.1'] differ in case and punctuation only" },
    { [[error("in the site")]], "site.lua:1: in the site" },
  } do
    self.place:site_file(case[1])
    local answer = self.place:staffetta("verify")
    lu.assertEquals(answer.code, 1)
    lu.assertStrContains(answer.err, case[2])
  end
end

-- PowerShell is a stand-in that knows one group, and which of the nodes has it.
function TestManifest:test_the_holder_of_a_windows_cluster_is_its_groups_owner()
  local tests = os.getenv "STAFFETTA_SOURCE" .. "/tests"
  self.place:write("node", "NODE2\n")
  self.place:site_file(([[
    local function node(address, name)
      return { role = "node", address = address, windows = "2016", vip = { group = "Anna's mail", node = name,
        powershell = { "%s/support/cluster_powershell.sh", "%s/unit/vip/golden", "%s" } } }
    end
    return { api = 1, name = "x",
      hosts = { a = node("10.0.0.1", "NODE1"), b = node("10.0.0.2", "NODE2"), f = { role = "front_end",
        address = "10.0.0.3" } },
      clusters = { c = { virtual_ip = "10.9.0.100", nodes = { "a", "b" }, front_ends = { "f" },
        manager = "windows_cluster" } } }
  ]]):format(tests, tests, self.place.dir))
  self.place:playbook("who", [[needs = { "vip.read" },
    params = { cluster = { type = "cluster", doc = "the only one" } },]], [[
    ctx:measure("holder", { name = assert(p.cluster:holder()).name })
  ]])
  local answer = self.place:run("who")
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertEquals(answer.doc.measures.holder.name, "b")
end

local function policy_file(name, fields)
  return ([[return { api = 1, name = "%s", kind = "policy", summary = "s", %s }]]):format(name, fields)
end

function TestManifest:test_a_policy_is_shown_in_its_normal_form()
  self.place:write("site/policies/mine.lua", policy_file("mine", [[extends = "mail-passwords",
    policy = { exempt = {}, esp_rekey_ms = 1800000, traffic = { { protocol = "tcp", ports = { 143 } } } }]]))
  local answer = self.place:json("scripts", "show", "policy/mine")
  lu.assertEquals(answer.code, 0, answer.err)
  local policy = answer.doc.policy
  lu.assertEquals(policy.traffic, { { protocol = "tcp", ports = { 143 } } })
  lu.assertEquals(policy.exempt, { { protocol = "udp", ports = { 500, 4500 } } })
  lu.assertEquals({ policy.action, policy.mode, policy.esp_rekey_ms, policy.asks[1].port },
    { "require", "transport", 1800000, 110 })
  local human = self.place:staffetta("scripts", "show", "policy/mine")
  lu.assertStrContains(human.out, "fingerprint " .. answer.doc.fingerprint)

  -- the same in other words
  self.place:write("site/policies/mine.lua", policy_file("mine", [[extends = "mail-passwords", policy = { exempt = {},
    mode = "transport", esp_rekey_ms = 1800000,
    traffic = { { ports = { 143 }, protocol = "tcp", direction = "both" } } }]]))
  lu.assertEquals(self.place:json("scripts", "show", "policy/mine").doc.fingerprint, answer.doc.fingerprint)
  local bundled = self.place:json("scripts", "show", "policy/mail-passwords")
  lu.assertNotEquals(bundled.doc.fingerprint, answer.doc.fingerprint)
end

function TestManifest:test_a_mistake_in_a_policy_stops_the_run_before_it_begins()
  self.place:playbook("try", [[params = { policy = { type = "policy", doc = "d" } },]], [[ctx:say("it runs")]])
  for _, case in ipairs {
    { [[policy = {}]], "the policy 'mine': policy field 'traffic' is nothing; expected a list" },
    { [[extends = "mail-all", policy = { tarffic = {} }]], "did you mean 'traffic'?" },
    { [[extends = "mail-all", policy = { ike_proposals = { "3des-sha1-modp1024" } }]],
      "'ike_proposals[0]' is \"3des-sha1-modp1024\"; expected nothing as weak as 3des" },
    { [[extends = "mine", policy = {}]], "extends itself in a circle" },
  } do
    self.place:write("site/policies/mine.lua", policy_file("mine", case[1]))
    local answer = self.place:run("try", "--param", "policy=mine")
    lu.assertEquals(answer.code, 1, answer.out)
    lu.assertStrContains(answer.err, case[2])
    lu.assertNotStrContains(answer.out, "it runs")
    lu.assertEquals(self.place:json("scripts", "show", "policy/mine").code, 1)
  end
end

function TestManifest:test_a_missing_script_says_where_it_was_looked_for()
  local answer = self.place:run("rolout")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, ("looked in %s/playbooks, /etc/staffetta/playbooks, the bundled scripts"):format(
    self.place.site))
end

return TestManifest
