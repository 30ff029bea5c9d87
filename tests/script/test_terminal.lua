-- What a terminal gets: colour only where it is wanted, and never a control character that a host or a script wrote.
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local TestTerminal = {}

function TestTerminal:setUp()
  self.place = support.new_place()
  self.place:site_file()
end

function TestTerminal:tearDown()
  self.place:close()
end

-- Escape sequences, a line that would be taken for ours, C1's CSI, and what is harmless.
local hostile = "\27]0;owned\7\27[31mred\r\n  pass    win  \194\155x \127 tab\t and \195\164"
local seen = [[\x1b]0;owned\x07\x1b[31mred\x0d\n  pass    win  \x9bx \x7f tab]] .. "\t and \195\164"

local function expect_clean(text)
  lu.assertNil(text:gsub("[\n\t]", ""):find("%c"), text)
  lu.assertNil(text:find("\194[\128-\159]"), text)
end

-- What a terminal of so many columns shows of a shell's line.
local function shown_of(columns, locale, line)
  local text = support.shell("env -u COLUMNS NO_COLOR=1 TERM=xterm LC_ALL=" .. locale
    .. " script -qec %s /dev/null </dev/null; true", ("stty cols %d; %s"):format(columns, line))
  return (text:gsub("\r\n", "\n"))
end

function TestTerminal:line(command, ...)
  local words = { os.getenv("STAFFETTA"), command, "--site", self.place.site, "--state", self.place.state, ... }
  for i, word in ipairs(words) do words[i] = support.shell_quote(word) end
  return table.concat(words, " ")
end

-- The same of `staffetta COMMAND ...` on this site, whatever its exit code.
function TestTerminal:shown(columns, locale, ...)
  return shown_of(columns, locale, self:line(...))
end

-- ---- what others have written ----

function TestTerminal:test_control_characters_never_reach_the_terminal()
  self.place:check("answers", "", ("return 'fail', { summary = %q }"):format(hostile))
  self.place:playbook("try", [[needs = { "registry.write" },]], ([[
    local text = %q
    ctx:say("said " .. text)
    ctx:measure("figures", { summary = text })
    ctx:step("set", ctx.site.hosts(), function(host)
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "sz", text))
    end)
    ctx:checks("look", { { check = "answers" } })
    error({ kind = "io", message = text })]]):format(hostile))
  local run = self.place:staffetta("run", "try")
  lu.assertEquals(run.code, 3, run.err)
  for _, front in ipairs { "said ", "figures  ", "answers              " } do
    lu.assertStrContains(run.out, front .. seen)
  end
  local show, plan = self.place:staffetta("show", "1"), self.place:staffetta("plan", "try")
  lu.assertStrContains(show.out, "owned")
  for _, answer in ipairs { run, show, plan, self.place:staffetta("runs") } do
    expect_clean(answer.out)
    expect_clean(answer.err)
  end
  local doc = self.place:json("show", "1").doc -- programs get what was said
  lu.assertEquals(doc.checks[1].evidence.summary, hostile)
end

-- Names and values that somebody has put into a hive. Programs get them as they are.
function TestTerminal:test_control_characters_in_a_registry()
  self.place:playbook("try", [[needs = { "registry.write" },]], ([[
    ctx:step("set", ctx.site.hosts(), function(host)
      assert(host.registry:set("HKLM\\SYSTEM\\Test\\a\27[2J", "n\27[31m", "sz", %q))
    end)]]):format(hostile))
  lu.assertEquals(self.place:staffetta("run", "try").code, 0)
  local hive, key = self.place.site .. "/hives/win", "Test\\a\27[2J"
  for _, words in ipairs { { "get", hive, key, "n\27[31m" }, { "list", hive, "Test" }, { "list", hive, key },
      { "set", hive, key, "n\27[31m", "sz", "x\27", "--plan" },
      { "diff", hive, key, hive, "Test" } } do
    local answer = self.place:staffetta("registry", table.unpack(words))
    lu.assertStrContains(answer.out, [[\x1b]], false, words[1] .. answer.err)
    expect_clean(answer.out)
  end
  local doc = self.place:json("registry", "get", hive, key, "n\27[31m").doc
  lu.assertEquals(doc.value, hostile)
end

-- ---- colour ----

function TestTerminal:test_colour_only_where_it_is_wanted()
  self.place:playbook("try", "", "ctx:say('x')")
  local program = os.getenv("STAFFETTA")
  local function coloured(environment)
    local command = ("%s plan try --site %s --state %s"):format(program, self.place.site, self.place.state)
    local text = support.shell("env -u NO_COLOR TERM=xterm " .. environment .. " script -qec %s /dev/null </dev/null",
      command)
    lu.assertStrContains(text, "0 changes planned")
    return text:find("\27[", 1, true) ~= nil
  end
  lu.assertTrue(coloured(""))
  lu.assertFalse(coloured("NO_COLOR=1"))
  lu.assertTrue(coloured("NO_COLOR="))
  lu.assertFalse(coloured("TERM=dumb"))
  lu.assertNil(self.place:staffetta("plan", "try").out:find("\27", 1, true)) -- no terminal
end

-- ---- a terminal without UTF-8 ----

-- A site that has other letters in every text.
function TestTerminal:umlauts()
  self.place.site, self.place.state = self.place.dir .. "/süd", self.place.dir .. "/stände"
  self.place:hive("süd/win")
  self.place:write("süd/site.lua", [[return { api = 1, name = "test", clusters = {}, hosts = {
    win = { role = "front_end", windows = "2003", address = "Zürich", registry = { ["HKLM\\SYSTEM"] = "win" } } } }]])
  self.place:write("süd/checks/sees.lua", [[return { api = 1, name = "sees", kind = "check", summary = "sieht für",
    run = function() return "pass", { summary = "fühlt" } end }]])
  self.place:write("süd/playbooks/try.lua", [[return { api = 1, name = "try", kind = "playbook", summary = "übt",
    needs = { "registry.write", "probe" }, params = { text = { type = "string", default = "grün", doc = "für" } },
    run = function(ctx, p)
      ctx:say("sagt für " .. p.text)
      ctx:measure("figures", { summary = "zählt" })
      ctx:step("schön", ctx.site.hosts(), function(host)
        assert(host.registry:set("HKLM\\SYSTEM\\Schlüssel", "größe", "sz", p.text))
      end)
      ctx:checks("prüft", { { check = "sees" } })
      if p.text == "bös" then error { kind = "io", message = "stört", remedy = "hört auf" } end
    end }]])
  self.place:write("süd/tests/try.lua", [[return { api = 1, tests = {
    ["geht für"] = function() error("stört") end } }]])
end

-- Of each kind of output: a word that is to be seen in it, and the command.
local outputs = {
  { [[sagt f\u00fcr gr\u00fcn]], "run", "try" }, { [[f\u00fchlt]], "run", "try", "--verbose" },
  { [[--param $'text=a \xc3\xbc']], "plan", "try", "--param", "text=a ü" },
  { [[s\u00fcd]], "plan", "try", "--output", "json" }, { [[gr\u00fcn]], "run", "try", "--output", "ndjson" },
  { [[st\u00f6rt]], "run", "try", "--param", "text=bös" }, { [[h\u00f6rt auf]], "run", "try", "--param", "text=bös" },
  { [[st\u00f6rt]], "run", "try", "--param", "text=bös", "--output", "json" },
  { [[there is no command 'p\u00fc']], "pü" }, { [[k\u00fcr]], "run", "kür" }, { [[--k\u00fcr]], "runs", "--kür" },
  { [[st\u00e4nde]], "run", "try", "--state", "/dev/null/stände", "--output", "json" },
  { [[Schl\\u00fcssel]], "show", "1" }, { [[Schl\u00fcssel]], "show", "1", "--output", "json" }, { "try", "runs" },
  { [[Schl\u00fcssel]], "diff", "1", "2" }, { [[gr\u00fcn]], "rollback", "1", "--plan" },
  { [[f\u00fchlt]], "report", "1", "--markdown" }, { [[Z\u00fcrich]], "hosts" }, { [[st\u00e4nde]], "doctor" },
  { [[\u00fcbt]], "scripts", "list" }, { [[f\u00fcr (default]], "scripts", "show", "playbook/try" },
  { [[s\u00fcd/playbooks]], "scripts", "where", "try" }, { [[s\u00fcd]], "scripts", "eject", "playbook/verify" },
  { "declares 'probe'", "scripts", "lint" }, { [[geht f\u00fcr: ]], "test" }, { "registry", "docs" },
  { "Usage", "runs", "--help" },
}

function TestTerminal:test_a_terminal_without_utf8_gets_ascii_only()
  self:umlauts()
  local function expect(wanted, shown)
    lu.assertStrContains(shown:lower(), wanted:lower()) -- \u00fc and \u00FC are one
    lu.assertNil(shown:find("[\128-\255]"), shown)
  end
  for _, output in ipairs(outputs) do expect(output[1], self:shown(200, "C", table.unpack(output, 2))) end
  local ejected = "süd/playbooks/verify.lua"
  self.place:write(ejected, self.place:read(ejected) .. "-- für\n")
  expect([[+-- f\u00fcr]], self:shown(200, "C", "scripts", "diff", "playbook/verify"))
  local hive = self.place.site .. "/win"
  for _, words in ipairs { { [[gr\u00fcn]], "get", hive, "Schlüssel", "größe" },
      { [[gr\u00f6\u00dfe]], "list", hive, "Schlüssel" },
      { [[f\u00fcr]], "set", hive, "Schlüssel", "größe", "sz", "für" },
      { [[--state $'/]], "set", hive, "Straße", "größe", "sz", "gut" },
      { [[gr\u00f6\u00dfe]], "diff", hive, "Schlüssel", hive, "Straße" },
      { [[Schl\u00fcssel]], "get", hive, "Schlüssel", "x" } } do
    expect(words[1], self:shown(200, "C", "registry", table.unpack(words, 2)))
  end
  expect([["gr\u00fcn"]], shown_of(200, "C", ("printf %%s \"'grün'\" | %s"):format(self:line("repl"))))
  expect([[f\u00fcr]], shown_of(200, "C", ("%s new site '%s/für'"):format(os.getenv("STAFFETTA"), self.place.dir)))
  lu.assertStrContains(self:shown(200, "C.UTF-8", "hosts"), "Zürich")
end

-- ---- less and more ----

function TestTerminal:test_quiet_and_verbose()
  self.place:check("sees", "", "return 'pass', { summary = 'all is well', ports = { 110, 143 } }")
  self.place:playbook("try", "", 'ctx:checks("look", { { check = "sees" } })')
  local usual, quiet = self.place:staffetta("run", "try"), self.place:staffetta("run", "try", "--quiet")
  local verbose = self.place:staffetta("run", "try", "--verbose")
  lu.assertEquals({ usual.code, quiet.code, verbose.code }, { 0, 0, 0 })
  lu.assertStrMatches(quiet.out, "done, pass  %([%d.]+ s%)\n")
  lu.assertStrContains(usual.out, "all is well\n")
  lu.assertNotStrContains(usual.out, "110,143")
  lu.assertStrContains(verbose.out, 'all is well\n            {"ports":[110,143],"summary":"all is well"}\n')
  self.place:playbook("bad", "", 'error({ kind = "io", message = "no such luck" })')
  local bad = self.place:staffetta("run", "bad", "--quiet") -- what went wrong is always told
  lu.assertEquals(bad.code, 3)
  lu.assertStrContains(bad.err, "no such luck")
end

-- ---- what comes next ----

-- Copies the command that is named into a shell: { code, out }.
local function follow(answer)
  local words = answer.out:match("\nnext: staffetta ([^\n]*)\n$")
  lu.assertNotNil(words, answer.out)
  local text = support.shell("sh -c %s 2>&1; echo code=$?", os.getenv("STAFFETTA") .. " " .. words)
  local out, code = text:match("^(.*)code=(%d+)\n$")
  return { code = tonumber(code), out = out }
end

function TestTerminal:test_the_next_command_can_be_copied()
  self.place:playbook("try", [[needs = { "registry.write" }, params = { text = { type = "string", doc = "d" } },]], [[
    ctx:say("said " .. p.text)
    ctx:step("set", ctx.site.hosts(), function(host)
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "sz", p.text))
    end)]])
  local plan = self.place:staffetta("plan", "try", "--param", "text=it's; a $(trap)")
  lu.assertEquals(plan.code, 2)
  local run = follow(plan)
  lu.assertEquals(run.code, 0, run.out)
  lu.assertStrContains(run.out, "said it's; a $(trap)\n")

  local path = self.place.dir .. "/a plan.json"
  plan = self.place:staffetta("plan", "try", "--param", "text=b", "--out", path)
  run = follow(plan)
  lu.assertEquals(run.code, 0, run.out)
  lu.assertStrContains(run.out, "said b\n")

  self.place:playbook("bad", "", 'error({ kind = "io", message = "no such luck" })')
  local shown = follow(self.place:staffetta("run", "bad"))
  lu.assertEquals(shown.code, 0, shown.out)
  lu.assertStrContains(shown.out, "run 3: bad")

  for _, option in ipairs { "--quiet", "--output=json", "--output=ndjson" } do
    lu.assertNotStrContains(self.place:staffetta("plan", "try", "--param", "text=c", option).out, "next: ")
  end
end

-- ---- width ----

function TestTerminal:test_help_is_no_wider_than_the_terminal()
  for _, command in ipairs { "", "rollout", "registry", "repl", "doctor" } do
    local line = ("%s %s --help"):format(os.getenv("STAFFETTA"), command)
    local piped = support.shell("COLUMNS=40 " .. line)
    local shown = support.shell("COLUMNS=40 script -qec %s /dev/null </dev/null", line):gsub("\r", "")
    lu.assertEquals(shown:gsub("%s+", " "), piped:gsub("%s+", " "))
    lu.assertTrue(shown ~= piped, "a pipe gets its lines as they are")
    for each in shown:gmatch("[^\n]+") do lu.assertTrue(#each <= 40 or not each:find("%S%s+%S"), each) end
  end
end

local function squeezed(text)
  return (text:gsub("%s+", " "))
end

-- A site on which every table has something that is too long.
function TestTerminal:wide_site()
  self.place:site_file([[return { api = 1, name = "the-headquarters-in-the-capital", clusters = {}, groups = {
      ["all-front-ends-of-the-first-floor"] = {}, ["all-front-ends-of-the-capital"] = {} }, hosts = {
    ["front-end-of-the-first-floor"] = { role = "front_end", address = "192.0.2.1", netns = "stf-none-such",
      groups = { "all-front-ends-of-the-first-floor", "all-front-ends-of-the-capital" } },
    win = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "hives/win" } } } }]])
  self.place:playbook("ask-all-the-front-ends", [[params = { which = { type = "string", default = "a", doc = "d" } },]],
    'ctx:checks("look", { { check = "answers" } })')
  self.place:check("answers", "", 'return "pass", { summary = ("so many words "):rep(10) }')
  for _, which in ipairs { "a", "b" } do
    lu.assertEquals(self.place:staffetta("run", "ask-all-the-front-ends", "--param", "which=" .. which).code, 0)
  end
end

local tables = { { "runs" }, { "hosts" }, { "doctor" }, { "scripts", "list" }, { "scripts", "where", "answers" },
  { "show", "1" }, { "diff", "1", "2" } }

function TestTerminal:test_tables_are_no_wider_than_the_terminal()
  self:wide_site()
  for _, columns in ipairs { 100, 72, 60 } do
    for _, words in ipairs(tables) do
      for line in self:shown(columns, "C.UTF-8", table.unpack(words)):gmatch("[^\n]+") do
        local last_word = line:match("%s(%S+)$") or "" -- where nothing can be broken off a line stays long
        lu.assertTrue(utf8.len(line) <= columns or #last_word > columns / 3, words[1] .. columns .. ": " .. line)
      end
    end
  end
end

-- What is wrapped is all there; what is shortened says so; numbers stay whole. A pipe gets all of it, a line a row.
function TestTerminal:test_what_a_narrow_table_shows()
  self:wide_site()
  for _, words in ipairs { { "scripts", "list" }, { "doctor" } } do
    local piped = self.place:staffetta(table.unpack(words)).out
    local shown = self:shown(72, "C.UTF-8", table.unpack(words))
    lu.assertEquals(squeezed(shown), squeezed(piped))
    lu.assertTrue(select(2, shown:gsub("\n", "")) > select(2, piped:gsub("\n", "")), words[1])
  end
  for ellipsis, locale in pairs { ["…"] = "C.UTF-8", ["..."] = "C" } do
    local runs = self:shown(60, locale, "runs")
    lu.assertStrMatches(runs, "run  started +playbook +site +state +changes  operator\n"
      .. "  2  2[^\n]* +ask%-[^\n]*  the%-[^\n]* +done +0  [^\n]+\n  1  [^\n]+\n")
    lu.assertEquals(select(2, runs:gsub(ellipsis:gsub("%.", "%%."), "")), 6, runs) -- started, playbook and site, twice
  end
  local runs = self.place:staffetta("runs").out
  for _, text in ipairs { "ask-all-the-front-ends  the-headquarters-in-the-capital  done " } do
    lu.assertStrContains(runs, text)
  end
  lu.assertEquals(select(2, runs:gsub("\n", "")), 3)
end

-- A row's columns stand below each other also where a character takes several bytes.
function TestTerminal:test_columns_of_characters_not_of_bytes()
  self.place:site_file([[return { api = 1, name = "test", clusters = {}, hosts = {
    a = { role = "front_end", address = "Zürich" }, b = { role = "front_end", address = "Bern" } } }]])
  local one, other = self.place:staffetta("hosts").out:match("^([^\n]*)\n([^\n]*)\n")
  lu.assertStrContains(one, "Zürich")
  lu.assertEquals(utf8.len(one:match("^(.*)local")), #other:match("^(.*)local"))
end

-- ---- names that are nearly right ----

function TestTerminal:test_did_you_mean()
  for arguments, words in pairs { [{ "run", "rolout" }] = "did you mean 'rollout'?",
    [{ "plan", "dril" }] = "did you mean 'drill'?",
    [{ "scripts", "show", "policy/mail-al" }] = "did you mean 'mail-all'?" } do
    local answer = self.place:staffetta(table.unpack(arguments))
    lu.assertEquals(answer.code, 1)
    lu.assertStrContains(answer.err, words)
  end
  self.place:playbook("try", "", 'ctx:checks("look", { { check = "within-budgt" } })')
  local doc = cjson.decode(self.place:run("try").out)
  lu.assertStrContains(doc.checks[1].evidence.reason, "did you mean 'within-budget'?")
end

return TestTerminal
