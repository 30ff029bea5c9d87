-- Errors are told in one form, in text and as JSON: what, where, expected, found, remedy (docs/errors.md).
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local TestErrors = {}

local members = { "code", "expected", "found", "is_retryable", "kind", "message", "op", "remedy", "subject" }
local parts = { { "where", "subject" }, { "expected", "expected" }, { "found", "found" }, { "remedy", "remedy" } }

function TestErrors:setUp()
  self.place = support.new_place()
  self.place:site_file()
end

function TestErrors:tearDown()
  self.place:close()
end

-- How an error is told to a person: a line for each member that says something.
local function lines_of(err)
  local lines = { "staffetta: " .. err.message }
  for _, part in ipairs(parts) do
    if err[part[2]] ~= "" then lines[#lines + 1] = ("  %-9s %s"):format(part[1], err[part[2]]) end
  end
  return table.concat(lines, "\n") .. "\n"
end

local function expect_members(err, wanted)
  local names = {}
  for name in pairs(err) do
    if name ~= "traceback" then names[#names + 1] = name end -- of a script
  end
  table.sort(names)
  lu.assertEquals(names, members)
  for name, text in pairs(wanted) do lu.assertStrContains(err[name], text, false, name) end
end

-- An error of a command that could not begin, which is all that it says: in JSON, and beside it in text.
local function expect_one_form(answer, wanted)
  local ok, doc = pcall(cjson.decode, answer.out)
  lu.assertTrue(ok, answer.out .. answer.err)
  expect_members(doc.error, wanted or {})
  lu.assertEquals(answer.err, lines_of(doc.error))
  return doc.error
end

-- Runs the command with --output json; each member of `wanted` must be a part of the error's.
function TestErrors:expect(code, wanted, ...)
  local answer = self.place:json(...)
  lu.assertEquals(answer.code, code, answer.out .. answer.err)
  return expect_one_form(answer, wanted)
end

-- An error that ends a run: a part of its report, and of what a person is told.
function TestErrors:expect_of_run(code, wanted, ...)
  local answer, human = self.place:json(...), self.place:staffetta(...)
  lu.assertEquals({ answer.code, human.code }, { code, code }, answer.out .. human.err)
  expect_members(answer.doc.error, wanted)
  lu.assertStrContains(human.err, lines_of(answer.doc.error):match("\n(.*)"))
end

-- ---- wrong usage ----

local function commands()
  local names = {}
  for name in support.command({ "help" }).out:gmatch("\n  (%l+) ") do names[#names + 1] = name end
  assert(#names > 20)
  return names
end

function TestErrors:test_wrong_usage_of_every_command()
  for _, command in ipairs(commands()) do
    local answer = support.command { command, "--no-such-option", "--output", "json" }
    lu.assertEquals(answer.code, 64, command)
    local err = expect_one_form(answer)
    lu.assertEquals({ err.kind, err.op }, { "invalid_data", "usage" })
    lu.assertEquals({ err.subject, err.remedy }, { "staffetta " .. command, ("staffetta %s --help"):format(command) })
    lu.assertEquals(support.command({ command, "--help", "--output", "json" }).code, 0, command)
    local text = support.command { command, "--no-such-option" }
    lu.assertEquals({ text.code, text.out, text.err }, { 64, "", answer.err })
  end
end

-- Where an option makes no sense, it is refused and not swallowed.
function TestErrors:test_output_and_quiet_are_taken_or_refused()
  for _, command in ipairs(commands()) do
    for option, value in pairs { ["--output"] = "xml", ["--quiet"] = false, ["--verbose"] = false } do
      local help = support.command { command, "--help" }.out
      local answer = support.command { command, option, value or "--no-such-option" }
      lu.assertEquals(answer.code, 64)
      local is_refused = answer.err:find("has no option " .. option, 1, true) ~= nil
      local is_told = help:find(option, 1, true) ~= nil
      if command ~= "lab" then lu.assertEquals(is_refused, not is_told, command .. " " .. option .. answer.err) end
    end
  end
end

function TestErrors:test_values_and_names_that_are_wrong()
  self:expect(64, { message = "--param", expected = "NAME=VALUE", found = "x" }, "runs", "--param", "x")
  self:expect(64, { message = "--site expects a value" }, "runs", "--site")
  self:expect(64, { message = "--quiet takes no value" }, "runs", "--quiet=1")
  self:expect(64, { message = "did you mean '--quiet'?" }, "runs", "--quite")
  self:expect(64, { message = "PLAYBOOK is missing", expected = "scripts list" }, "run")
end

-- ---- the site, scripts and files ----

function TestErrors:test_site_files()
  local path = self.place.site .. "/site.lua"
  local site = self.place:read("site/site.lua")
  local remedy = "man staffetta-site"
  self.place:site_file((site:gsub("front_end", "frontend", 1)))
  self:expect(1, { subject = path, message = "hosts['win'].role has a wrong value", found = "frontend",
    expected = "one of 'front_end', 'node'", remedy = remedy }, "verify")
  self.place:site_file((site:gsub("api = 1", "api = 1, forks = 0", 1)))
  self:expect(1, { message = "forks", expected = "1 or more", found = "0", remedy = remedy }, "verify")
  self.place:site_file((site:gsub("api = 1", "api = 1, fork = 2", 1)))
  self:expect(1, { message = "unknown field 'fork'; did you mean 'forks'?", expected = "'forks'" }, "verify")
  self.place:site_file("return {")
  self:expect(1, { kind = "invalid_data", subject = path, message = "site.lua:1:" }, "verify")
  os.remove(path)
  self:expect(1, { subject = path, expected = "site.lua", remedy = "staffetta new site" }, "verify")
end

-- It says which hosts are reached, and by which commands: who may write it may do what the program may.
function TestErrors:test_a_site_that_others_could_have_written()
  local path = self.place.site .. "/site.lua"
  os.execute("chmod 664 " .. path)
  self:expect(1, { kind = "denied", subject = path, found = "mode 0664", remedy = "chmod go-w " .. path }, "verify")
  os.execute("chmod 644 " .. path .. "; chown 12345 " .. path)
  self:expect(1, { kind = "denied", subject = path, found = "user id 12345", remedy = "chown root " .. path }, "verify")
  os.execute("chown 0 " .. path)
  lu.assertEquals(self.place:staffetta("hosts").code, 0)
  self.place:site_file(self.place:read("site/site.lua") .. ("-- padding\n"):rep(1 << 17))
  self:expect(1, { kind = "invalid_data", subject = path, message = "larger than a script may be" }, "verify")
end

-- A careless umask is not the operator's trouble.
function TestErrors:test_what_the_program_writes_can_be_loaded()
  self.place.environment = "umask 0;"
  lu.assertEquals(support.command({ "new", "site", self.place.dir .. "/new" }, "umask 0;").code, 0)
  self.place.site = self.place.dir .. "/new"
  lu.assertEquals(self.place:staffetta("scripts", "eject", "check/sa-installed").code, 0)
  lu.assertEquals(self.place:staffetta("scripts", "list").code, 0)
  lu.assertEquals(self.place:staffetta("hosts").code, 0)
end

function TestErrors:test_scripts_and_policies()
  self:expect(1, { kind = "not_found", subject = "rolout", message = "did you mean 'rollout'?",
    remedy = "staffetta scripts list" }, "run", "rolout")
  local path = self.place:playbook("try", "params = { n = { type = 'integer', doc = 'how many', max = 3 } },", "")
  self:expect(1, { subject = path, expected = "an integer", remedy = "--param n=" }, "run", "try")
  self:expect(1, { subject = path, expected = "an integer from", found = "4" }, "run", "try", "--param", "n=4")
  os.execute("chmod 666 " .. path)
  self:expect(1, { kind = "denied", subject = path, found = "mode 0666", remedy = "chmod go-w " .. path }, "run", "try")
  self.place:write("site/policies/odd.lua", [[return { api = 1, name = "odd", kind = "policy", summary = "s",
    extends = "mail-all", policy = { traffic = 3 } }]])
  self:expect(1, { kind = "invalid_data", subject = "odd", message = "the policy 'odd'",
    remedy = "staffetta scripts where odd" }, "scripts", "show", "policy/odd")
end

function TestErrors:test_files_and_rights()
  self:expect(1, { kind = "not_found", subject = self.place.state, remedy = "--state" }, "show", "1")
  self.place:playbook("try", "", "")
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  self:expect(1, { kind = "not_found", message = "no run 9", remedy = "staffetta runs" }, "show", "9")
  self:expect(1, { subject = "/none.json", expected = "staffetta plan", remedy = "staffetta plan --out /none.json" },
    "run", "--plan", "/none.json")
  os.execute("chmod 755 " .. self.place.dir)
  os.execute("chmod 700 " .. self.place.site)
  self.place.environment = "setpriv --reuid=65534 --regid=65534 --clear-groups"
  self:expect(1, { kind = "denied", subject = "site.lua", message = "Permission denied", remedy = "as root" }, "verify")
end

-- ---- runs ----

local needs = [[needs = { "registry.read", "registry.write" },]]
local set = [[ctx:step("set", ctx.site.hosts(), function(host)
    assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "dword", 1))
  end)]]

function TestErrors:test_a_plan_that_does_not_fit_and_a_rollback_that_is_in_the_way()
  local plan = self.place.dir .. "/plan.json"
  self.place:playbook("try", needs, set)
  lu.assertEquals(self.place:staffetta("plan", "try", "--out", plan).code, 2)
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  self:expect_of_run(1, { kind = "conflict", message = "nothing was touched", remedy = "staffetta plan --out" }, "run",
    "--plan", plan)
  support.hivexsh(self.place.site .. "/hives/win", "cd \\Test\nsetval 1\na\ndword:9")
  self:expect_of_run(5, { kind = "conflict", message = "no longer have what it wrote",
    remedy = "staffetta rollback 1 --force" }, "rollback", "1")
end

function TestErrors:test_a_host_that_is_held_and_one_that_can_not_be_reached()
  self.place:playbook("slow", needs, set .. [[ ctx:say("at work") ctx:sleep_ms(60000) ]])
  self.place:playbook("try", needs, set)
  local job = self.place:start("run", "slow")
  job:wait_for("at work")
  self.place.state = self.place.dir .. "/other"
  self:expect_of_run(3, { message = "another controller is at work on win", subject = "win",
    remedy = "on the host holds the lock" }, "run", "try")
  local ask = [[ctx:step("ask", ctx.site.hosts(), function(host) assert(host.vip:holds("192.0.2.9")) end)]]
  self.place:playbook("ask", [[needs = { "vip.read" },]], ask)
  for field, wanted in pairs {
    [ [[netns = "no-such-namespace"]] ] = { message = "no such network namespace", remedy = "staffetta lab up" },
    [ [[transport = "openssh", ssh = { port = 1 }]] ] = { message = "far", remedy = "staffetta doctor" },
  } do
    self.place:site_file(([[return { api = 1, name = "test", clusters = {},
      hosts = { far = { role = "node", address = "127.0.0.1", %s } } }]]):format(field))
    wanted.subject = "far"
    self:expect_of_run(3, wanted, "run", "ask")
  end
end

-- What a script raises has what it says, and nothing that it does not.
function TestErrors:test_what_a_script_raises()
  self.place:playbook("try", "", [[error({ kind = "conflict", subject = "door", message = "it is shut",
    expected = "an open door", found = "a \27[31mlock", remedy = "knock" })]])
  local answer = self.place:json("run", "try")
  lu.assertEquals(answer.code, 5)
  expect_members(answer.doc.error, { expected = "an open door", found = "a \27[31mlock", remedy = "knock" })
  lu.assertStrContains(self.place:staffetta("run", "try").err, "staffetta: it is shut\n  where     door\n"
    .. "  expected  an open door\n  found     a \\x1b[31mlock\n  remedy    knock\n")
end

return TestErrors
