-- What an operator meets first: a new site, and the doctor's findings.
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local TestOperator = {}

function TestOperator:setUp()
  self.place = support.new_place()
  self.dir = self.place.dir .. "/My Site"
end

function TestOperator:tearDown()
  self.place:close()
end

local function new(dir, ...)
  return support.command { "new", "site", dir, ... }
end

-- ---- new site ----

function TestOperator:test_a_new_site_works_at_once()
  local answer = new(self.dir)
  lu.assertEquals({ answer.code, answer.err }, { 0, "" })
  for _, file in ipairs { "site.lua", ".luarc.json", "checks/imap-greets.lua", "playbooks/greet.lua" } do
    lu.assertStrContains(answer.out, self.dir .. "/" .. file)
    lu.assertTrue(support.exists(self.dir .. "/" .. file))
  end
  lu.assertStrContains(answer.out, ("next: staffetta doctor --site '%s'\n"):format(self.dir))
  lu.assertStrContains(self.place:read("My Site/site.lua"), 'local name = "my-site"')
  local list = support.command { "scripts", "list", "--site", self.dir }
  lu.assertEquals({ list.code, list.err }, { 0, "" })
  lu.assertStrMatches(list.out, ".*\ncheck +imap%-greets +site .*")
  lu.assertStrMatches(list.out, ".*\nplaybook +greet +site .*")
  local plan = support.command { "plan", "greet", "--site", self.dir, "--state", self.place.state }
  lu.assertEquals({ plan.code, plan.err }, { 0, "" })
  lu.assertStrContains(plan.out, "0 changes planned")
  local tests = support.command { "test", self.dir }
  lu.assertEquals({ tests.code, tests.err }, { 0, "" }, tests.out)
  lu.assertStrContains(tests.out, "2 tests, 0 failed")
  local lint = support.command { "scripts", "lint", "--site", self.dir }
  lu.assertEquals({ lint.code, lint.out }, { 0, "" })
end

function TestOperator:test_nothing_is_overwritten()
  support.shell("mkdir -p %s", self.dir)
  lu.assertEquals(new(self.dir).code, 0) -- it was there, and empty
  local before = self.place:read("My Site/site.lua")
  local answer = new(self.dir)
  lu.assertEquals({ answer.code, answer.out }, { 1, "" })
  lu.assertStrContains(answer.err, "is not empty")
  lu.assertEquals(self.place:read("My Site/site.lua"), before)
end

function TestOperator:test_wrong_usage_of_new()
  for _, arguments in ipairs { { "new" }, { "new", "site" }, { "new", "house", "x" } } do
    local answer = support.command(arguments)
    lu.assertEquals({ answer.code, answer.out }, { 64, "" })
    lu.assertStrContains(answer.err, "expected  site DIR")
  end
  local answer = new(self.place.dir .. "/none/there")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "cannot make the folder")
end

-- ---- doctor ----

-- The finding of that name about that host.
local function finding(findings, about, what)
  for _, each in ipairs(findings) do
    if each.about == about and each.what == what then return each end
  end
end

function TestOperator:doctor(...)
  local answer = support.command { "doctor", "--state", self.place.state, "--output", "json", ... }
  answer.doc = cjson.decode(answer.out)
  return answer
end

function TestOperator:test_the_doctor_looks_at_the_machine()
  local answer = self:doctor("--site", self.place:site_file() and self.place.site)
  local rights = finding(answer.doc, "this machine", "rights")
  local is_root = support.shell("id -u") == "0\n"
  lu.assertEquals({ rights.verdict, rights.remedy == "" }, { is_root and "ok" or "missing", is_root })
  local nft = finding(answer.doc, "this machine", "guard")
  lu.assertEquals(nft.verdict == "ok", support.exists("/usr/sbin/nft"))
  for _, each in ipairs(answer.doc) do
    lu.assertEquals(each.remedy == "", each.verdict == "ok", each.what)
  end
  lu.assertEquals(finding(answer.doc, "win", "registry").verdict, "ok")
end

function TestOperator:test_the_doctor_says_what_a_host_lacks()
  self.place:site_file([[return { api = 1, name = "ill", clusters = {}, hosts = {
    there = { role = "node", address = "192.0.2.1", netns = "stf-none-such" },
    deaf = { role = "node", address = "192.0.2.2", ipsec = { id = "x", vici = "/none/such", conf_dir = "/none" } },
    agent = { role = "node", address = "192.0.2.3", transport = "agent" },
    away = { role = "node", address = "192.0.2.4", transport = "openssh", ssh = { program = "staffetta",
      config = "/dev/null", host = "invalid.invalid" } },
    win = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "hives/none" } } } }
  ]])
  local answer = self:doctor("--site", self.place.site)
  lu.assertEquals(answer.code, 3)
  for _, case in ipairs {
    { "there", "network namespace", "missing", "lab up" }, { "deaf", "VICI socket", "missing", "ipsec.vici" },
    { "agent", "reachable", "ok", "" }, { "away", "reachable", "missing", "ssh" },
    { "win", "registry", "missing", "registry about" },
  } do
    local found = finding(answer.doc, case[1], case[2])
    lu.assertEquals(found and found.verdict, case[3], case[1])
    lu.assertStrContains(found.remedy, case[4])
  end
  local text = support.command { "doctor", "--site", self.place.site, "--state", self.place.state }
  lu.assertEquals(text.code, 3)
  lu.assertStrContains(text.out, "\n  missing  VICI socket  ")
  lu.assertStrMatches(text.out, ".*\n%d+ ok, %d+ limited, %d+ missing, %d+ unknown\n$")
end

function TestOperator:test_the_doctor_tells_of_a_wrong_site()
  self.place:site_file("return { api = 1, nme = 'x' }")
  local answer = self:doctor("--site", self.place.site)
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(finding(answer.doc, "the site", "site.lua").found, "did you mean 'name'?")
end

return TestOperator
