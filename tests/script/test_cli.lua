-- The command line: help, wrong usage, what goes to which stream, exit codes.
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local TestCli = {}

local commands = { "new", "doctor", "hosts", "rehearse", "plan", "rollout", "verify", "drill", "predict", "resume",
  "rollback", "run", "runs", "show", "timeline", "report", "diff", "registry", "scripts", "test", "repl", "docs",
  "probe", "lab", "agent", "takeover", "completion", "undo", "version" }

function TestCli:setUp()
  self.place = support.new_place()
  self.place:site_file()
end

function TestCli:tearDown()
  self.place:close()
end

-- A usage error: nothing on stdout, the message and a hint on stderr.
function TestCli:expect_usage(arguments, ...)
  local answer = support.command(arguments)
  lu.assertEquals({ answer.code, answer.out }, { 64, "" }, table.concat(arguments, " ") .. answer.err)
  for _, part in ipairs { ... } do lu.assertStrContains(answer.err, part) end
  return answer
end

-- One playbook that changes a value.
function TestCli:write_playbook(more)
  self.place:playbook("try", [[needs = { "registry.read", "registry.write" },]], [[
    ctx:step("set it", ctx.site.hosts("front_end"), function(host)
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "dword", 1))
    end)]] .. (more or ""))
end

-- ---- help ----

function TestCli:test_help_of_every_command()
  for _, command in ipairs(commands) do
    local answer = support.command { command, "--help" }
    lu.assertEquals({ answer.code, answer.err }, { 0, "" }, command)
    lu.assertStrContains(answer.out:lower(), "usage: staffetta " .. command)
    lu.assertTrue(#answer.out > 60, command)
  end
end

function TestCli:test_help_names_the_options()
  for command, options in pairs {
    plan = { "--site", "--param", "--state", "--output", "--dev" },
    rollout = { "--site", "--param", "--state", "--output" },
    verify = { "--site", "--param" }, drill = { "--site", "--param" },
    predict = { "--site", "--param" }, run = { "PLAYBOOK", "--site", "--param" },
    rollback = { "--force", "--state", "[RUN]" }, runs = { "--state", "--output" }, show = { "--state", "[RUN]" },
    scripts = { "list", "show", "where", "--site" }, lab = { "up", "down", "status", "exec" }, version = { "--output" },
  } do
    local text = support.command({ command, "--help" }).out
    for _, option in ipairs(options) do lu.assertStrContains(text, option) end
    lu.assertEquals(text:find("\n  --force", 1, true) ~= nil, command == "rollback")
  end
end

function TestCli:test_help_of_the_program_lists_all_commands()
  for _, word in ipairs { "--help", "-h", "help" } do
    local answer = support.command { word }
    lu.assertEquals({ answer.code, answer.err }, { 0, "" })
    local listed = {}
    for command in answer.out:gmatch("\n  (%l+) ") do listed[#listed + 1] = command end
    lu.assertEquals(listed, commands)
  end
end

function TestCli:test_version()
  local answer = support.command { "version" }
  lu.assertEquals(answer.code, 0)
  lu.assertStrMatches(answer.out, "staffetta %d+%.%d+%.%d+ %(script api 1%)\n")
  lu.assertEquals(support.command({ "--version" }).out, answer.out)
  local doc = cjson.decode(support.command({ "version", "--output", "json" }).out)
  lu.assertEquals({ doc.name, doc.script_api }, { "staffetta", 1 })
  lu.assertStrContains(answer.out, doc.version)
end

-- ---- wrong usage ----

function TestCli:test_no_command()
  self:expect_usage({}, "Usage: staffetta COMMAND")
end

function TestCli:test_an_unknown_command()
  self:expect_usage({ "rolout" }, "there is no command 'rolout'; did you mean 'rollout'?",
    "remedy    staffetta --help\n")
  local answer = self:expect_usage({ "frobnicate" }, "there is no command 'frobnicate'")
  lu.assertNotStrContains(answer.err, "did you mean")
end

function TestCli:test_wrong_options()
  self:expect_usage({ "rollout", "--bogus" }, "staffetta: ", "--bogus", "remedy    staffetta rollout --help\n")
  self:expect_usage({ "rollout", "--site" }, "staffetta: ", "--site")
  self:expect_usage({ "rollout", "--param", "policy" }, "--param has a wrong value", "expected  NAME=VALUE in UTF-8\n",
    "found     policy\n")
  self:expect_usage({ "rollout", "--param", "=x" }, "found     =x\n")
  self:expect_usage({ "rollout", "--param", "a=\255" }, "--param has a wrong value", "found     a=?\n")
  self:expect_usage({ "runs", "--output", "xml" }, "expected  human or json\n", "found     xml\n")
  self:expect_usage({ "rollout", "--force" }, "rollout has no option --force")
  self:expect_usage({ "rollout", "extra" }, "'extra' is one argument too many")
  self:expect_usage({ "run" }, "PLAYBOOK is missing", "expected  a name that")
  self:expect_usage({ "run", "a", "b" }, "'b' is one argument too many")
  self:expect_usage({ "show", "1", "2" }, "'2' is one argument too many")
  self:expect_usage({ "scripts", "frob" }, "expected  list | lint | show KIND/NAME | where NAME")
  self:expect_usage({ "scripts", "show", "rollout" }, "KIND/NAME has a wrong value", "playbook/rollout")
  self:expect_usage({ "scripts", "show", "lib/connections" }, "found     lib/connections\n")
  self:expect_usage({ "lab" }, "the verb is missing")
  self:expect_usage({ "lab", "frob" }, "frob")
  self:expect_usage({ "version", "now" }, "'now' is one argument too many")
end

-- ---- errors before anything is begun ----

function TestCli:test_errors_go_to_stderr_and_exit_1()
  for _, case in ipairs {
    { { "show", "7" }, "there is no journal" }, -- before a run makes one
    { { "runs" }, self.place.state },
    { { "run", "none", "--site", self.place.site }, "there is no script 'none' among the playbooks" },
    { { "rollout", "--site", self.place.dir }, ("where     %s/site.lua"):format(self.place.dir) },
    { { "rollout", "--site", self.place.dir .. "/none" }, "expected  the folder that has your site.lua" },
    { { "rollout", "--param", "polcy=x", "--site", self.place.site }, "did you mean 'policy'?" },
    { { "rollout", "--param", "cluster=none", "--site", self.place.site },
      "there is no cluster 'none' in the site; it has none" },
    { { "rollout", "--site", self.place.site }, "parameter 'cluster' is missing" },
    { { "scripts", "where", "none" }, "there is no script 'none'" },
    { { "scripts", "show", "check/none" }, "none" },
  } do
    local arguments = { table.unpack(case[1]) }
    arguments[#arguments + 1] = "--state"
    arguments[#arguments + 1] = self.place.state
    local answer = support.command(arguments)
    lu.assertEquals({ answer.code, answer.out }, { 1, "" }, table.concat(case[1], " ") .. answer.err)
    lu.assertStrContains(answer.err, "staffetta: ")
    lu.assertStrContains(answer.err, case[2])
    lu.assertFalse(answer.err:find("stack traceback", 1, true) ~= nil)
  end
end

function TestCli:test_without_a_site_the_message_says_so()
  if support.exists("/etc/staffetta/site/site.lua") then lu.skip("this machine has a site") end
  local answer = support.command { "rollout", "--state", self.place.state }
  lu.assertEquals({ answer.code, answer.out }, { 1, "" })
  lu.assertStrContains(answer.err, "there is no site: name its folder with --site")
end

function TestCli:test_a_missing_cluster_is_chosen_from_a_list()
  local hosts = [[a = { role = "node", address = "192.0.2.1" }, b = { role = "node", address = "192.0.2.2" },
    f = { role = "front_end", address = "192.0.2.3" } ]]
  local cluster = [[{ virtual_ip = "192.0.2.9", nodes = { "a", "b" }, front_ends = { "f" } }]]
  self.place:site_file(('return { api = 1, name = "two", hosts = { %s }, clusters = { mail = %s, web = %s } }'):format(
    hosts, cluster, cluster))
  local answer = self.place:staffetta("verify")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "parameter 'cluster' is missing")
  lu.assertStrContains(answer.err, "the site has 'mail', 'web'")
end

function TestCli:test_a_state_folder_that_can_not_be_made()
  self.place:write("file", "")
  self:write_playbook()
  local answer = support.command { "run", "try", "--site", self.place.site, "--state", self.place.dir .. "/file/state" }
  lu.assertEquals({ answer.code, answer.out }, { 1, "" }, answer.err)
  lu.assertStrContains(answer.err, "/file")
end

-- ---- JSON ----

-- A site whose cluster nobody holds: playbooks get as far as that.
function TestCli:write_cluster()
  self.place:site_file [[return { api = 1, name = "test",
    hosts = { a = { role = "node", address = "192.0.2.1" }, b = { role = "node", address = "192.0.2.2" },
      win = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "hives/win" } } },
    clusters = { mail = { virtual_ip = "192.0.2.9", nodes = { "a", "b" }, front_ends = { "win" } } } }]]
end

function TestCli:test_json_is_all_there_is_on_stdout()
  self:write_cluster()
  self:write_playbook()
  for _, case in ipairs {
    { 2, "plan", "try" }, { 0, "run", "try" }, { 0, "plan", "try" }, { 0, "runs" }, { 0, "show" }, { 0, "show", "1" },
    { 1, "show", "99" }, { 1, "show", "x" }, { 0, "rollback" }, { 1, "rollback" }, { 1, "rollback", "99" },
    { 0, "scripts" },
    { 0, "scripts", "list" }, { 0, "scripts", "show", "playbook/rollout" },
    { 0, "scripts", "show", "check/tuning-set" },
    { 0, "scripts", "show", "policy/everything" }, { 1, "scripts", "show", "policy/none" },
    { 0, "scripts", "where", "rollout" }, { 0, "scripts", "where", "connections" }, { 1, "scripts", "where", "none" },
    { 3, "rollout" }, { 3, "verify" }, { 3, "drill" }, { 3, "predict" }, { 1, "plan" },
    { 1, "run", "none" },
    { 1, "rollout", "--param", "policy=none" },
  } do
    local words = table.concat(case, " ", 2)
    local answer = self.place:json(table.unpack(case, 2))
    lu.assertEquals(answer.code, case[1], words .. answer.out .. answer.err)
    lu.assertNotNil(answer.doc, words .. ": " .. answer.out)
    lu.assertStrMatches(answer.out, "[%[{].*[%]}]\n", nil, nil, words)
    if case[1] == 1 or case[1] == 3 then
      lu.assertTrue(answer.doc.error ~= nil or #answer.doc == 0, words)
    else
      lu.assertEquals(answer.err, "", words)
    end
  end
end

function TestCli:test_json_of_a_lab_that_is_not_up()
  local answer = support.command { "lab", "status", "--name", "none-such", "--output", "json" }
  lu.assertEquals(answer.code, 1)
  lu.assertNotEquals(answer.err, "")
  lu.assertTrue(answer.out == "" or pcall(cjson.decode, answer.out), answer.out)
end

function TestCli:test_a_script_in_the_way_is_one_json_document_too()
  self:write_playbook()
  os.execute("chmod 666 " .. self.place.site .. "/playbooks/try.lua")
  local answer = self.place:json("scripts", "where", "try")
  lu.assertEquals(answer.code, 1, answer.out .. answer.err)
  lu.assertNotNil(answer.doc, answer.out)
  lu.assertStrContains(answer.err, "chmod go-w")
  answer = self.place:json("scripts", "list")
  lu.assertEquals(answer.code, 1)
  local found
  for _, script in ipairs(answer.doc) do found = found or script.name == "try" and script.error end
  lu.assertStrContains(found.message .. found.remedy, "chmod go-w")
end

-- ---- the journal's commands ----

function TestCli:test_runs_and_show()
  self:write_playbook()
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  lu.assertEquals(self.place:staffetta("run", "try", "--param", "x=1").code, 1) -- refused: no run
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  local runs = self.place:json("runs").doc
  lu.assertEquals({ #runs, runs[1].run, runs[2].run }, { 2, 2, 1 })
  lu.assertEquals({ runs[2].playbook, runs[2].state, runs[2].changes, runs[2].site_name }, { "try", "done", 1, "test" })
  lu.assertEquals(runs[1].changes, 0)
  local human = self.place:staffetta("runs").out
  lu.assertStrMatches(human, " *run +started.*\n +2 .* try +test +done +0 .*\n +1 .* try +test +done +1 .*\n")
  local last, first = self.place:json("show").doc, self.place:json("show", "1").doc
  lu.assertEquals({ last.run.run, first.run.run, self.place:json("show", "last").doc.run.run }, { 2, 1, 2 })
  lu.assertEquals({ #first.changes, first.changes[1].host, first.changes[1].step, first.changes[1].state },
    { 1, "win", "set it", "done" })
  lu.assertEquals({ first.scripts[2].name, #first.scripts[2].sha256 }, { "try", 64 })
  human = self.place:staffetta("show", "1").out
  lu.assertStrContains(human, "run 1: try on site test, done")
  lu.assertStrContains(human, [["key":"HKLM\\SYSTEM\\Test","name":"a"]])
  local missing = self.place:staffetta("show", "3")
  lu.assertEquals({ missing.code, missing.out }, { 1, "" })
  lu.assertStrContains(missing.err, "3")
end

function TestCli:test_nothing_to_roll_back()
  self.place:playbook("look", "", "")
  self.place:staffetta("run", "look")
  for run, message in pairs { last = "no run in this journal has changes that still stand",
    ["99"] = "has no run 99" } do
    for _, command in ipairs { { "rollback", run }, { "plan", "rollback", "--param", "run=" .. run } } do
      local answer = self.place:staffetta(table.unpack(command))
      lu.assertEquals({ answer.code, answer.out }, { 1, "" })
      lu.assertStrContains(answer.err, message)
    end
  end
  lu.assertEquals(#self.place:json("runs").doc, 1) -- nothing was begun
end

-- ---- scripts ----

function TestCli:test_scripts_lint()
  local answer = self.place:staffetta("scripts", "lint")
  lu.assertEquals({ answer.code, answer.out, answer.err }, { 0, "", "" }) -- nothing to say of those that ship
  self.place:write("site/lib/mover.lua", [[return function(host) return host.vip:take() end]])
  self.place:playbook("greedy", [[needs = { "vip.move", "probe", "files.read", "registry.read" },]], [[
    local mover = require "mover"
    local found = ctx.site.hosts()[1].registry:get("a", "b")
    -- host.probe:once is only in a comment
    return mover, found, ctx.site.hosts()[1].wire:start {}
  ]])
  answer = self.place:staffetta("scripts", "lint")
  lu.assertEquals(answer.code, 3)
  lu.assertEquals(answer.out, "playbook greedy declares 'probe', and nothing in it or its libraries uses probe\n"
    .. "playbook greedy declares 'files.read', and nothing in it or its libraries uses files\n"
    .. "playbook greedy calls wire:start, and does not declare 'wire'\n")
  lu.assertEquals(#self.place:json("scripts", "lint").doc, 3)
end

-- Each method has needs of its own, as its description says.
function TestCli:test_scripts_lint_tells_reading_from_writing()
  self.place:playbook("reader", [[needs = { "registry.read", "registry.write", "ipsec.read" },]], [[
    local registry = ctx.site.hosts()[1].registry
    return registry:get("a", "b"), ctx.site.hosts()[1].ipsec:initiate {}, ctx.site.clusters.x:holder()
  ]])
  self.place:playbook("writer", [[needs = { "registry.read" },]], [[
    return ctx.site.hosts()[1].registry:set("a", "b", "dword", 1), ctx.site.hosts()[1].registry:get("a", "b")
  ]])
  local answer = self.place:staffetta("scripts", "lint")
  lu.assertEquals(answer.code, 3)
  lu.assertEquals(answer.out,
    "playbook reader declares 'registry.write', and no method of registry that it or its libraries call needs that\n"
    .. "playbook reader declares 'ipsec.read', and no method of ipsec that it or its libraries call needs that\n"
    .. "playbook reader calls ipsec:initiate, and does not declare 'ipsec.initiate'\n"
    .. "playbook reader calls vip:holds, and does not declare 'vip.read'\n"
    .. "playbook writer calls registry:set, and does not declare 'registry.write'\n")
end

function TestCli:test_scripts_list_show_where()
  self:write_playbook()
  local list = {}
  for _, script in ipairs(self.place:json("scripts", "list").doc) do
    lu.assertNil(script.error, script.name)
    lu.assertTrue(#script.summary > 0)
    list[script.kind .. "/" .. script.name] = script.origin
  end
  lu.assertEquals(list["playbook/try"], "site")
  for _, name in ipairs { "playbook/rollout", "playbook/verify", "playbook/drill", "playbook/rollback",
    "playbook/reload", "policy/mail-passwords", "policy/mail-all", "policy/everything", "check/answers-protected",
    "check/no-clear-text" } do
    lu.assertEquals(list[name], "bundled", name)
  end
  local human = self.place:staffetta("scripts", "list")
  lu.assertEquals(human.code, 0, human.err)
  lu.assertStrMatches(human.out, ".*playbook +try +site +a test\n.*")
  human = self.place:staffetta("scripts", "show", "playbook/rollout")
  lu.assertEquals(human.code, 0, human.err)
  lu.assertStrContains(human.out, "--param policy=policy  what to protect (default \"mail-passwords\")")
  lu.assertStrContains(human.out, "needs  registry.read")
  human = self.place:staffetta("scripts", "where", "try")
  lu.assertStrMatches(human.out, "used +site +%x+  .*/site/playbooks/try.lua\n")
end

-- ---- exit codes, as docs/exit-codes.md says; test_registry has 5, test_run 130, test_registry_cmd 6 ----

function TestCli:test_exit_codes()
  self:write_playbook()
  lu.assertEquals(self.place:staffetta("plan", "try").code, 2)
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  lu.assertEquals(self.place:staffetta("plan", "try").code, 0)
  self:write_playbook([[ error("no") ]])
  lu.assertEquals(self.place:staffetta("plan", "try").code, 1)
  lu.assertEquals(self.place:staffetta("run", "try").code, 3)
  for verdict, code in pairs { pass = 0, fail = 3, unknown = 4 } do
    self.place:check("say", "", ("return %q, 'so'"):format(verdict))
    self.place:playbook("look", "", [[ ctx:checks("look", { { check = "say" } }) ]])
    local answer = self.place:staffetta("run", "look")
    lu.assertEquals(answer.code, code, answer.out .. answer.err)
    local ending = code == 0 and "" or "next: staffetta show %d+ .*"
    lu.assertStrMatches(answer.out, ".*\ndone, " .. verdict .. "  %(%d+%.%d+ s%)\n" .. ending)
  end
  local documented = {}
  local file = assert(io.open(os.getenv("STAFFETTA_SOURCE") .. "/docs/exit-codes.md"))
  for code in file:read("a"):gmatch("\n| (%d+) ") do documented[#documented + 1] = tonumber(code) end
  file:close()
  lu.assertEquals(documented, { 0, 1, 2, 3, 4, 5, 6, 64, 130 })
end

-- ---- colour ----

-- The output of a run on a terminal.
function TestCli:on_terminal(environment)
  local command = ("%s %s run look --site %s --state %s"):format(environment, os.getenv("STAFFETTA"), self.place.site,
    self.place.state)
  return support.shell("script -qec %s /dev/null </dev/null", command)
end

function TestCli:test_colour_only_on_a_terminal_that_wants_it()
  self.place:check("say", "", [[ return "pass", "so" ]])
  self.place:playbook("look", "", [[ ctx:gate("look", { { check = "say" } }) ]])
  lu.assertNotStrContains(self.place:staffetta("run", "look").out, "\27")
  lu.assertStrContains(self:on_terminal("NO_COLOR= TERM=xterm"), "\27[32mpass")
  lu.assertNotStrContains(self:on_terminal("NO_COLOR=1 TERM=xterm"), "\27")
  lu.assertNotStrContains(self:on_terminal("NO_COLOR= TERM=dumb"), "\27")
end

return TestCli
