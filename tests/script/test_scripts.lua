-- Scripts that a site makes its own, and the reference of what scripts can use.
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local source = assert(os.getenv("STAFFETTA_SOURCE"), "STAFFETTA_SOURCE must name the source tree")

local TestScripts = {}

function TestScripts:setUp()
  self.place = support.new_place()
  self.place:site_file()
end

function TestScripts:tearDown()
  self.place:close()
end

-- ---- eject and diff ----

-- A folder with the bundled scripts, as of another version: `edit` changes the text of one of them.
function TestScripts:other_version(path, edit)
  local tree = self.place.dir .. "/tree"
  support.shell("rm -rf %s; cp -r %s %s", tree, source .. "/scripts", tree)
  self.place:write("tree/" .. path, edit(support.read_file(tree .. "/" .. path)))
  return tree
end

function TestScripts:eject(which)
  local answer = self.place:staffetta("scripts", "eject", which)
  lu.assertEquals({ answer.code, answer.err }, { 0, "" })
  return answer
end

function TestScripts:diff(which, ...)
  local answer = self.place:json("scripts", "diff", which, ...)
  lu.assertNotNil(answer.doc, answer.err)
  return answer.doc.state, answer.code, answer.doc.diff
end

function TestScripts:test_a_diff_that_can_not_be_made_is_no_sameness()
  self:eject("policy/mail-all")
  support.shell("chmod 755 %s", self.place:write("bin/diff", "#!/bin/sh\necho no room >&2; exit 2\n"))
  self.place.environment = ("PATH=%s/bin:$PATH"):format(self.place.dir)
  local answer = self.place:staffetta("scripts", "diff", "policy/mail-all")
  lu.assertEquals({ answer.code, answer.out }, { 1, "" })
  lu.assertStrContains(answer.err, "no room")
end

function TestScripts:test_every_kind_can_be_ejected_and_is_used()
  for which, path in pairs { ["playbook/rollout"] = "playbooks/rollout", ["check/sa-installed"] = "checks/sa-installed",
    ["policy/mail-all"] = "policies/mail-all" } do
    local answer = self:eject(which)
    lu.assertStrContains(answer.out, "site/" .. path .. ".lua\n")
    local shown = self.place:json("scripts", "show", which)
    lu.assertEquals({ shown.code, shown.doc and shown.doc.origin }, { 0, "site" }, shown.err)
    lu.assertEquals({ self:diff(which) }, { "same", 0, "" })
    for line in self.place:read("site/" .. path .. ".lua"):gmatch("[^\n]+") do
      lu.assertTrue(#line <= 120, line)
    end
  end
  lu.assertEquals(self.place:staffetta("scripts", "lint").code, 0)
end

function TestScripts:test_nothing_is_overwritten()
  self:eject("check/sa-installed")
  local path = "site/checks/sa-installed.lua"
  self.place:write(path, self.place:read(path) .. "-- ours\n")
  local before = self.place:read(path)
  local answer = self.place:staffetta("scripts", "eject", "check/sa-installed")
  lu.assertEquals({ answer.code, answer.out }, { 1, "" })
  lu.assertStrContains(answer.err, "is there already")
  lu.assertStrContains(answer.err, "staffetta scripts diff check/sa-installed")
  lu.assertEquals(self.place:read(path), before)
end

function TestScripts:test_who_changed_it()
  local which, path = "check/sa-installed", "checks/sa-installed.lua"
  self:eject(which)
  local newer = self:other_version(path, function(text) return text .. "-- theirs\n" end)
  local state, code, diff = self:diff(which, "--dev", newer)
  lu.assertEquals({ state, code }, { "ours_changed", 2 })
  lu.assertStrContains(diff, "\n--- theirs\n") -- a line that the site's lacks
  self.place:write("site/" .. path, self.place:read("site/" .. path) .. "-- mine\n")
  state, code, diff = self:diff(which)
  lu.assertEquals({ state, code }, { "yours_changed", 2 })
  lu.assertStrContains(diff, "\n+-- mine\n")
  lu.assertEquals(select(2, diff:gsub("\n[-+][^-+]", "")), 0) -- and no other line
  lu.assertEquals((self:diff(which, "--dev", newer)), "both_changed")
  local text = self.place:staffetta("scripts", "diff", which, "--dev", newer)
  lu.assertStrContains(text.out, "so has the bundled one since it was ejected")
  self.place:write("site/" .. path, self.place:read("site/" .. path):gsub("^[^\n]*\n", ""))
  lu.assertEquals((self:diff(which)), "not_ejected")
end

function TestScripts:test_what_can_not_be_ejected()
  for which, words in pairs { ["check/none"] = "there is no bundled script 'none' in checks",
    ["check/../x"] = "x" } do
    local answer = self.place:staffetta("scripts", "eject", which)
    lu.assertEquals({ answer.code, answer.out }, { 1, "" })
    lu.assertStrContains(answer.err, words)
  end
  lu.assertEquals(self.place:staffetta("scripts", "eject", "house/x").code, 64)
  local answer = self.place:staffetta("scripts", "diff", "check/sa-installed")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "sa-installed.lua")
end

-- ---- test DIR ----

-- Runs one test with this body; the message with which it failed, or nil.
function TestScripts:message_of(body)
  self.place:write("site/tests/one.lua", "return { api = 1, tests = { one = function(t)\n" .. body .. "\nend } }")
  local answer = support.command { "test", self.place.site, "--output", "json" }
  local message = cjson.decode(answer.out)[1].message
  lu.assertEquals(answer.code, message and 3 or 0, answer.err)
  return message
end

function TestScripts:write_setter()
  self.place:playbook("try", [[needs = { "registry.read", "registry.write", "system.run" },
    params = { value = { type = "integer", doc = "what to set" } },]], [[
    ctx:step("set it", ctx.site.hosts("front_end"), function(host)
      if host.registry:get("HKLM\\SYSTEM\\Test", "a") ~= p.value then
        assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "dword", p.value))
      end
      ctx:sleep_ms(3600000)
      ctx:say("set on %s", host.name)
    end, { retries = 2 })]])
end

function TestScripts:test_changes_are_noted_and_nothing_is_made()
  self:write_setter()
  local hive = support.reglookup(self.place.site .. "/hives/win")
  lu.assertNil(self:message_of([[
    t:answer("win", "registry:get", function(key, name) return key == "HKLM\\SYSTEM\\Test" and name == "a" and 1 end)
    local run = t:run("try", { value = 2 })
    t:equals(run.error, nil)
    t:equals(run.changes, { { host = "win", call = "registry:set", args = { "HKLM\\SYSTEM\\Test", "a", "dword", 2 } } })
    t:equals({ run.steps, run.said, #run.calls }, { { "set it" }, { "set on win" }, 2 })
    t:equals(t:run("try", { value = 1 }).changes, {})]]))
  lu.assertEquals(support.reglookup(self.place.site .. "/hives/win"), hive)
end

function TestScripts:test_a_host_that_fails_is_tried_again()
  self:write_setter()
  lu.assertNil(self:message_of([[
    local asked = 0
    t:answer("*", "registry:get", 1)
    t:answer("*", "registry:set", function()
      asked = asked + 1
      if asked < 3 then return nil, { kind = "busy", message = "not now" } end
      return { changed = true }
    end)
    t:equals(t:run("try", { value = 2 }).error, nil)
    t:equals(asked, 3)]]))
end

function TestScripts:test_tests_that_fail_say_why()
  self:write_setter()
  for body, words in pairs {
    ['t:equals({ 1, { a = "x" } }, { 1, { a = "y" } })'] = 'expected [1,{"a":"y"}], found [1,{"a":"x"}]',
    ['t:contains("abc", "x")'] = "expected 'x' in 'abc'",
    ['t:answer("win", "registry:gte", 1)'] = "did you mean 'registry:get'?",
    ['local run = t:run("try", { value = 2 }); t:equals(run.error, nil)'] = "win was asked registry:get",
    ['t:run("none"); t:check("none")'] = "there is no script 'none' among the checks",
    ["t:nothing()"] = "nothing",
  } do
    lu.assertStrContains(self:message_of(body) or "it passed", words)
  end
  self.place:playbook("sly", [[needs = { "registry.read" },]], [[
    ctx:step("set it", ctx.site.hosts(), function(host) host.registry:set("HKLM\\SYSTEM", "a", "dword", 1) end)]])
  lu.assertStrContains(self:message_of('t:equals(t:run("sly").error, nil)'), "needs 'registry.write'")
end

function TestScripts:test_what_is_no_file_of_tests()
  for text, words in pairs { ["return 1"] = "a file of tests returns", ["return {"] = "expected",
    ["return { api = 7, tests = {} }"] = "field 'api' is 7" } do
    self.place:write("site/tests/one.lua", text)
    local answer = support.command { "test", self.place.site }
    lu.assertEquals({ answer.code, answer.out }, { 1, "" })
    lu.assertStrContains(answer.err, words)
  end
  support.shell("rm %s", self.place.site .. "/tests/one.lua")
  lu.assertStrContains(support.command({ "test", self.place.site }).err, "has no test")
end

-- ---- docs ----

local function docs(...)
  return support.command { "docs", ... }
end

function TestScripts:test_the_reference_in_the_tree_is_up_to_date()
  lu.assertEquals(docs("--markdown").out == support.read_file(source .. "/docs/reference.md"), true,
    "make it anew: staffetta docs --markdown >docs/reference.md")
end

function TestScripts:test_every_function_of_the_descriptions_is_told()
  local reference, count = docs("--markdown").out, 0
  for path in support.shell("ls %s/*/*.meta.lua %s/*/*/*.meta.lua", source, source):gmatch("[^\n]+") do
    for call in support.read_file(path):gmatch("\nfunction ([^\n]+) end") do
      lu.assertStrContains(reference, "\n#### `" .. call .. "`\n")
      count = count + 1
    end
    for name in support.read_file(path):gmatch("\n%-%-%-@class ([%w_%.]+)") do
      lu.assertStrContains(reference, "\n### " .. name .. "\n")
    end
  end
  lu.assertTrue(count > 50, count)
end

function TestScripts:test_docs_of_one_thing()
  lu.assertStrContains(docs("vip").out, "\n  vip:take(target)\n")
  for _, name in ipairs { "ipsec:initiate", "ipsec.initiate", "initiate" } do
    lu.assertStrContains(docs(name).out, "ipsec:initiate(options)\n      Negotiates now.")
  end
  local site = docs("site_file").out
  lu.assertStrContains(site, "confirm_within_ms? integer")
  lu.assertStrContains(site, "newest change there; left out: they do not") -- words that go on in a second line
  lu.assertStrContains(site, "\nstaffetta.site_file.cluster\n")
  local overview = docs().out
  for _, module in ipairs { "ctx", "ipsec", "probe", "registry", "system", "vip", "wire" } do
    lu.assertStrMatches(overview, ".*  " .. module .. " +%u[^\n]+\n.*")
  end
end

function TestScripts:test_docs_of_nothing()
  local answer = docs("ipsec:initate")
  lu.assertEquals({ answer.code, answer.out }, { 1, "" })
  lu.assertStrContains(answer.err, "did you mean 'ipsec:initiate'?")
end

function TestScripts:test_files_for_editors()
  local dir = self.place.dir .. "/luacats"
  local answer = docs("--luacats", dir)
  lu.assertEquals({ answer.code, answer.err }, { 0, "" })
  lu.assertEquals(support.read_file(dir .. "/vip.meta.lua"), support.read_file(source .. "/bindings/vip/vip.meta.lua"))
  lu.assertEquals(support.read_file(dir .. "/ctx.meta.lua"), support.read_file(source .. "/runtime/ctx.meta.lua"))
  lu.assertEquals(cjson.decode(docs("--output", "json", "vip").out).text, docs("vip").out)
end

function TestScripts:test_a_file_that_is_replaced_stays_as_private_as_it_was()
  local dir = self.place.dir .. "/luacats"
  lu.assertEquals(docs("--luacats", dir).code, 0)
  support.shell("chmod 600 %s; echo old >%s", dir .. "/vip.meta.lua", dir .. "/vip.meta.lua")
  lu.assertEquals(docs("--luacats", dir).code, 0)
  lu.assertEquals(support.shell("stat -c %%a %s", dir .. "/vip.meta.lua"), "600\n")
  lu.assertStrContains(support.read_file(dir .. "/vip.meta.lua"), "vip")
end

return TestScripts
