-- `staffetta repl` with lines from a pipe: answers, errors, and what becomes of changes. At a terminal:
-- tests/unit/runtime/test_repl_terminal.c.
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local TestRepl = {}

function TestRepl:setUp()
  self.place = support.new_place()
  self.place:site_file()
end

function TestRepl:tearDown()
  self.place:close()
end

-- { code, out, err } of a session on the lines.
function TestRepl:lines(text, ...)
  self.place:write("lines", text)
  local command = ("'%s' repl --site '%s' --state '%s' %s <'%s/lines' >'%s/out' 2>'%s/err'"):format(
    os.getenv("STAFFETTA"), self.place.site, self.place.state, table.concat({ ... }, " "), self.place.dir,
    self.place.dir, self.place.dir)
  local _, _, code = os.execute(command)
  return { code = code, out = self.place:read("out"), err = self.place:read("err") }
end

function TestRepl:expect(text, out)
  local answer = self:lines(text)
  lu.assertEquals({ answer.code, answer.err, answer.out }, { 0, "", out })
end

function TestRepl:test_values_are_readable()
  self:expect("1 + 1\n'a\\n\"b'\nnil\n2, 'two'\nx = 5\n", '2\n"a\\n\\"b"\nnil\n2\n"two"\n')
  self:expect("{ 1, 2, b = true, a = 'x', [10] = {} }", '{ 1, 2, [10] = {}, a = "x", b = true }\n')
  self:expect("t = { name = 'it' } t.self = t\nt.name\nlocal x = 1\nx\n", '"it"\nnil\n')
  self:expect("'\\27[31m', '\\xff'", '"\\x1b[31m"\n"\\xff"\n')
  local long = ("x"):rep(60)
  self:expect(("{ first = '%s', second = { '%s' } }"):format(long, long),
    ('{\n  first = "%s",\n  second = { "%s" }\n}\n'):format(long, long))
end

function TestRepl:test_the_site_is_at_hand()
  self:expect("host('win').name\nsite.name\nsite.hosts()\n{ host('win') }", '"win"\n"test"\n{ <win> }\n{ <win> }\n')
  local answer = self:lines(".hosts\n.docs registry:get\n.help\npolicy('mail-all').name\nhost('win')")
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertStrMatches(answer.out:match("^[^\n]+"), "win +front_end +.*registry.*")
  lu.assertStrContains(answer.out, 'registry:get(key, name)\n')
  lu.assertStrContains(answer.out, 'Ctrl-D ends')
  lu.assertStrContains(answer.out, '"mail-all"\n')
  lu.assertStrContains(answer.out, '  registry = registry of win,\n')
end

function TestRepl:test_a_statement_may_have_many_lines()
  self:expect("for i = 1, 2 do\n  print(i)\nend\nf = function()\n\n  return 'end'\nend\nf()", '1\n2\n"end"\n')
  self:expect("text = [[a\nb]]\ntext", '"a\\nb"\n')
end

-- The first error ends it, and says in which line it is.
function TestRepl:test_the_first_error_ends_it()
  for text, words in pairs {
    ["x = 1\n\nerror('no luck')\nprint('after')"] = "staffetta: line:3: no luck\n",
    ["function f()\n  return nil + 1\nend\nf()\nprint('after')"] = "staffetta: line:2: attempt to perform arithmetic",
    ["x = = 1\nprint('after')"] = "staffetta: line:1: unexpected symbol near '='\n",
    ["print(\n"] = "staffetta: line:1: unexpected symbol near <eof>\n",
    [".hots\nprint('after')"] = "staffetta: there is no command '.hots'; did you mean '.hosts'?\n",
    ["host('wim')\nprint('after')"] = "did you mean 'win'?\n",
    ["nil, { kind = 'io', message = 'the cable' }\nprint('after')"] = "staffetta: the cable\n",
    ["host('win').registry:get('HKLM\\\\SOFTWARE\\\\X', 'a')\nprint('after')"] = "staffetta: ",
    ["while true do end"] = "instructions",
    ["io.open('/etc/passwd')"] = "'io'",
    ["setmetatable({}, { __tostring = function() error('hidden') end, __pairs = 1 })"] = "staffetta: ",
  } do
    local answer = self:lines(text)
    lu.assertEquals(answer.code, 1, text)
    lu.assertStrContains(answer.err, words)
    lu.assertNotStrContains(answer.out, "after")
    lu.assertNotStrContains(answer.err, "read_statement", text)
  end
end

local set = "host('win').registry:set('HKLM\\\\SYSTEM\\\\Test', 'a', 'sz', 'new')\n"
local get = "host('win').registry:get('HKLM\\\\SYSTEM\\\\Test', 'a')\n"

function TestRepl:test_changes_are_planned_and_not_made()
  local before = support.reglookup(self.place.site .. "/hives/win")
  local answer = self:lines(set .. get)
  lu.assertEquals(answer.code, 2, answer.err)
  lu.assertStrContains(answer.out, '{ changed = true }\n{ type = "sz", value = "new" }\n')
  lu.assertStrContains(answer.out, "1 change planned")
  lu.assertEquals(support.reglookup(self.place.site .. "/hives/win"), before)
  lu.assertFalse(support.exists(self.place.state .. "/journal.db"))
  answer = self:lines("host('win').probe:once { target = '127.0.0.1', port = 1 }")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "only `staffetta repl --change` lets it")
end

function TestRepl:test_changes_are_a_run_that_can_be_rolled_back()
  local before = support.reglookup(self.place.site .. "/hives/win")
  local answer = self:lines(set .. "ctx:step('by hand', { host('win') }, function(h)\n" ..
    "  assert(h.registry:set('HKLM\\\\SYSTEM\\\\Test', 'b', 'dword', 1)) end)\n", "--change")
  lu.assertEquals(answer.code, 0, answer.err)
  local run = self.place:json("show", "1").doc
  lu.assertEquals({ run.run.playbook, run.run.state, #run.changes }, { "repl", "done", 2 })
  lu.assertEquals({ run.changes[1].step, run.changes[2].step }, { "line 1", "by hand" })
  lu.assertStrContains(support.reglookup(self.place.site .. "/hives/win"), "/Test/a,SZ,new")
  lu.assertEquals(self.place:staffetta("rollback", "1").code, 0)
  lu.assertEquals(support.reglookup(self.place.site .. "/hives/win"), before)
end

function TestRepl:test_an_error_puts_everything_back()
  local before = support.reglookup(self.place.site .. "/hives/win")
  local answer = self:lines(set .. "error('no luck')", "--change")
  lu.assertEquals(answer.code, 3, answer.err)
  lu.assertStrContains(answer.out, "rolled_back")
  lu.assertEquals(support.reglookup(self.place.site .. "/hives/win"), before)
end

-- ---- undo that is armed on the host ----

-- A session that may change things, of a site whose undo is armed, which has said its first line: { pipe, before }.
function TestRepl:armed_session(confirm_within_ms)
  local site = self.place:read("site/site.lua")
  self.place:site_file((site:gsub("api = 1,", ("api = 1, confirm_within_ms = %d,"):format(confirm_within_ms))))
  local session = { before = support.reglookup(self.place.site .. "/hives/win") }
  self.place:write("out", "")
  session.pipe = assert(io.popen(("echo $$ >'DIR/pid'; exec '%s' repl --change --site '%s' --state '%s' >'DIR/out' "
    .. "2>'DIR/err'"):format(os.getenv("STAFFETTA"), self.place.site, self.place.state):gsub("DIR", self.place.dir),
    "w"))
  session.pipe:write(set)
  session.pipe:flush()
  support.wait_until(function() return self.place:read("out"):find("changed = true", 1, true) end, "the first change")
  return session
end

-- How many files of this kind the host keeps: "armed", or "undone" when it has put itself back.
function TestRepl:count(kind)
  return tonumber(support.shell("ls %s/armed 2>/dev/null | grep -c '[.]" .. kind .. "$' || true", self.place.state))
end

function TestRepl:expect_put_back(session)
  support.wait_until(function() return self:count("armed") == 0 end, "the host's own undo")
  lu.assertEquals(self:count("undone"), 1)
  lu.assertEquals(support.reglookup(self.place.site .. "/hives/win"), session.before)
end

function TestRepl:test_the_end_of_a_session_confirms_it()
  local session = self:armed_session(600000)
  lu.assertEquals(self:count("armed"), 1)
  session.pipe:write(get)
  lu.assertEquals({ session.pipe:close() }, { true, "exit", 0 })
  lu.assertEquals({ self:count("armed"), self:count("undone") }, { 0, 0 })
  lu.assertStrContains(support.reglookup(self.place.site .. "/hives/win"), "/Test/a,SZ,new")
  lu.assertEquals(self.place:json("show", "1").doc.run.state, "done")
end

-- Nothing came for too long: then neither one more line can change anything, nor the end confirm what was changed.
function TestRepl:too_late(line)
  local session = self:armed_session(1000)
  self:expect_put_back(session)
  session.pipe:write(line)
  lu.assertEquals({ session.pipe:close() }, { nil, "exit", 3 })
  lu.assertStrContains(self.place:read("err"), "nobody confirmed in time")
  lu.assertEquals(support.reglookup(self.place.site .. "/hives/win"), session.before)
  lu.assertEquals(self.place:json("show", "1").doc.run.state, "rolled_back")
end

function TestRepl:test_a_change_after_the_host_has_put_itself_back()
  self:too_late(set)
end

function TestRepl:test_an_end_after_the_host_has_put_itself_back()
  self:too_late("")
end

function TestRepl:test_hosts_put_themselves_back_when_the_session_is_killed()
  local session = self:armed_session(1000)
  support.shell("kill -KILL %s", self.place:read("pid"):match("%d+"))
  session.pipe:close()
  self:expect_put_back(session)
end

-- ---- what is not there ----

function TestRepl:test_what_the_site_forbids_is_not_there()
  self.place:site_file([[return { api = 1, name = "test", clusters = {}, forbid = { "registry.write" }, hosts = {
    win = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "hives/win" } } } }]])
  local answer = self:lines(set)
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "needs 'registry.write'")
end

function TestRepl:test_json()
  local answer = self:lines("1, 'two'\nhost('win')\nprint('x')\n", "--output json")
  lu.assertEquals(answer.code, 0, answer.err)
  local docs = {}
  for line in answer.out:gmatch("[^\n]+") do docs[#docs + 1] = line == '"x"' and "x" or cjson.decode(line) end
  lu.assertEquals(docs[1], { 1, "two" })
  lu.assertEquals({ docs[2].name, docs[2].registry, docs[3] }, { "win", "registry of win", "x" })
  answer = self:lines("error('no luck')", "--output json")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(cjson.decode(answer.out).error.message, "no luck")
end

function TestRepl:test_without_a_site()
  local answer = support.command { "repl", "--state", self.place.state } -- no line: standard input is empty
  lu.assertEquals({ answer.code, answer.out, answer.err }, { 0, "", "" })
end

return TestRepl
