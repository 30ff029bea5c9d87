-- `staffetta registry` as a person uses it, on hives and .reg files; readers that are not ours look at what it wrote.
local cjson = require "cjson"
local lu = require "luaunit"
local support = require "support"

local TestRegistryCommand = {}

local oakley = [[HKLM\SYSTEM\ControlSet001\Services\PolicyAgent\Oakley]]

function TestRegistryCommand:setUp()
  self.place = support.new_place()
  self.hive = self.place:hive("SYSTEM")
end

function TestRegistryCommand:tearDown()
  self.place:close()
end

function TestRegistryCommand:command(...)
  return support.command { "registry", "--state", self.place.state, ... }
end

-- Runs it, expects the exit code, gives the answer.
function TestRegistryCommand:expect(code, ...)
  local answer = self:command(...)
  lu.assertEquals(answer.code, code, table.concat({ ... }, " ") .. "\n" .. answer.out .. answer.err)
  return answer
end

function TestRegistryCommand:json(code, ...)
  local answer = self:expect(code, "--json", ...)
  return cjson.decode(answer.out)
end

function TestRegistryCommand:seed()
  self:expect(0, "set", self.hive, [[Select]], "Current", "dword", "1")
  self:expect(0, "set", self.hive, oakley, "NLBSFlags", "dword", "1")
  self:expect(0, "set", self.hive, oakley, "", "multi_sz", "a", "grün")
  self:expect(0, "set", self.hive, oakley .. [[\Below]], "odd", "0x4d", "00ff")
  return support.reglookup(self.hive)
end

function TestRegistryCommand:run_number()
  local answer = support.command { "runs", "--state", self.place.state, "--output", "json" }
  return math.tointeger(cjson.decode(answer.out)[1].run)
end

function TestRegistryCommand:roll_back(code, ...)
  local answer = support.command { "rollback", "--state", self.place.state, ... }
  lu.assertEquals(answer.code, code, answer.out .. answer.err)
  return answer
end

-- ---- looking ----

function TestRegistryCommand:test_every_type_as_text_and_json()
  local cases = {
    { "sz", "grün", [[sz "grün"]], "grün" }, { "expand_sz", "%A%", [[expand_sz "%A%"]], "%A%" },
    { "link", [[\Registry]], [[link "\\Registry"]], [[\Registry]] },
    { "dword", "0x10", "dword 16 (0x00000010)", 16 }, { "dword_big_endian", "1", "dword_big_endian 1 (0x00000001)", 1 },
    { "qword", "18446744073709551615", "qword -1 (0xffffffffffffffff)", -1 },
    { "binary", "01,02 ff", "binary 0102ff", nil }, { "none", "", "none (empty)", nil },
    { "0x1234", "0a", "type 0x00001234 0a", nil },
  }
  for i, case in ipairs(cases) do
    local name = "v" .. i
    self:expect(0, "set", self.hive, "Types", name, case[1], case[2])
    lu.assertEquals(self:expect(0, "get", self.hive, "Types", name).out, case[3] .. "\n")
    local doc = self:json(0, "get", self.hive, "Types", name)
    lu.assertEquals(doc.value, case[4])
    lu.assertEquals(doc.type, case[1]:sub(1, 2) ~= "0x" and case[1] or nil)
  end
  self:expect(0, "set", self.hive, "Types", "list", "multi_sz", "one", "two words")
  local doc = self:json(0, "get", self.hive, "Types", "list")
  lu.assertEquals(doc, { name = "list", type = "multi_sz", code = 7, value = { "one", "two words" },
    data = "6f006e00650000007400770" .. "06f00200077006f00720064007300" .. "00000000" })
  self:expect(0, "set", self.hive, "Types", "short", "dword", "01ff", "--hex")
  lu.assertEquals(self:json(0, "get", self.hive, "Types", "short"),
    { name = "short", type = "dword", code = 4, data = "01ff", is_exact = false })
  local seen = support.reglookup(self.hive)
  for _, line in ipairs { "/Types/v2,EXPAND_SZ,%25A%25", "/Types/v4,DWORD,0x00000010",
    "/Types/v6,QWORD,0xFFFFFFFFFFFFFFFF",
    "/Types/v7,BINARY,%01%02%FF" } do
    lu.assertStrContains(seen, line)
  end
end

function TestRegistryCommand:test_a_long_value_is_printed_whole()
  local long = ("x"):rep(3000)
  self:expect(0, "set", self.hive, "A", "long", "sz", long)
  lu.assertEquals(self:expect(0, "get", self.hive, "A", "long").out, ('sz "%s"\n'):format(long))
end

function TestRegistryCommand:test_list()
  self:seed()
  lu.assertEquals(self:expect(0, "list", self.hive, oakley).out,
    'Below\\\n(default) = multi_sz ["a", "grün"]\nNLBSFlags = dword 1 (0x00000001)\n')
  local doc = self:json(0, "list", self.hive, oakley)
  lu.assertEquals(doc.keys, { "Below" })
  lu.assertEquals({ doc.values[1].name, doc.values[2].name, doc.values[2].value }, { "", "NLBSFlags", 1 })
  lu.assertEquals(self:expect(0, "list", self.hive, "").out, "ControlSet001\\\nSelect\\\n")
end

function TestRegistryCommand:test_paths_and_mounts()
  self:seed()
  for _, path in ipairs { oakley, [[HKEY_LOCAL_MACHINE\system\currentcontrolset\Services\PolicyAgent\OAKLEY]],
    [[CurrentControlSet\Services\PolicyAgent\Oakley]] } do
    lu.assertEquals(self:expect(0, "get", self.hive, path, "nlbsflags").out, "dword 1 (0x00000001)\n")
    self:expect(0, "get", "hive:" .. self.hive, path, "NLBSFlags")
  end
  support.shell("cp %s %s", self.hive, self.place.dir .. "/other")
  local other = self.place.dir .. "/other"
  self:expect(0, "get", other, [[ControlSet001\Services\PolicyAgent\Oakley]], "NLBSFlags")
  lu.assertStrContains(self:expect(1, "get", other, oakley, "NLBSFlags").err, "give the mount")
  self:expect(0, "get", other, oakley, "NLBSFlags", "--mount", [[HKLM\SYSTEM]])
  lu.assertStrContains(self:expect(1, "get", self.hive, [[HKLM\SOFTWARE\A]], "x").err, [[whose root is HKLM\SYSTEM]])
  self:expect(1, "get", other, "A", "x", "--mount", "SYSTEM")
end

function TestRegistryCommand:test_what_is_absent_what_is_wrong()
  self:seed()
  lu.assertStrContains(self:expect(6, "get", self.hive, oakley, "none").err, "has no value none")
  self:expect(6, "get", self.hive, [[No\Way]], "none")
  self:expect(6, "list", self.hive, [[No\Way]])
  lu.assertEquals(self:json(6, "get", self.hive, oakley, "none").error.kind, "not_found")
  self:expect(1, "get", self.place.dir .. "/missing", "A", "x")
  lu.assertStrContains(self:expect(1, "get", "windows:", [[HKLM\A]], "x").err, "the Windows program")
  self.place:write("text", "no hive at all")
  self:expect(1, "get", self.place.dir .. "/text", "A", "x")
  for _, case in ipairs {
    { { "gett", self.hive, "A" }, "did you mean 'get'?" },
    { { "get", self.hive }, "expected  STORE PATH\n" },
    { { "get", self.hive, "A", "b", "c" }, "'c' is one argument too many" },
    { { "set", self.hive, "A", "b" }, "expected  STORE PATH NAME TYPE VALUE" },
    { {}, "the verb is missing" },
  } do
    lu.assertStrContains(self:expect(64, table.unpack(case[1])).err, case[2])
  end
  for _, case in ipairs {
    { { "dwrd", "1" }, "is no registry type" }, { { "dword", "x" }, "'x' is no integer" },
    { { "dword", "4294967296" }, "0 to 4294967295" }, { { "binary", "0" }, "" }, { { "sz", "a", "b" }, "one VALUE" },
  } do
    lu.assertStrContains(self:expect(1, "set", self.hive, "A", "b", table.unpack(case[1])).err, case[2])
  end
end

function TestRegistryCommand:test_what_a_store_keeps()
  self:seed()
  lu.assertStrContains(self:expect(0, "about", self.hive).out, "security descriptors, flags and times")
  lu.assertStrMatches(self:expect(0, "about", self.hive, oakley).out,
    "keeps .*\nwritten: %d+%-%d+%-%d+ %d+:%d+:%d+ UTC\nrights: as the key above\n")
  local doc = self:json(0, "about", self.hive, oakley)
  lu.assertEquals({ doc.key.security, doc.key.class }, {})
  lu.assertTrue(doc.key.written > 116444736000000000)
  self:expect(6, "about", self.hive, "None")
  self:expect(64, "about")
  local file = self.place:write("store.reg", "REGEDIT4\n")
  lu.assertEquals(self:json(0, "about", file), { limits = self:expect(0, "about", file).out:sub(1, -2) })
end

-- ---- changing ----

function TestRegistryCommand:test_a_plan_changes_nothing()
  self:seed()
  local before = self.place:read("SYSTEM")
  local runs = self:run_number()
  self.place:write("a.reg", "REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\SYSTEM\\New]\n\"a\"=dword:1\n")
  for _, words in ipairs {
    { "set", self.hive, oakley, "NLBSFlags", "dword", "2" }, { "delete", self.hive, oakley, "NLBSFlags" },
    { "delete", self.hive, oakley, "--recursive" }, { "import", self.hive, self.place.dir .. "/a.reg" },
  } do
    lu.assertStrContains(self:expect(2, "--plan", table.unpack(words)).out, "1 change planned")
    lu.assertEquals(#self:json(2, "--plan", table.unpack(words)).plan.changes, 1)
  end
  self:expect(0, "--plan", "set", self.hive, oakley, "NLBSFlags", "dword", "1")
  lu.assertEquals(self.place:read("SYSTEM"), before)
  lu.assertEquals(self:run_number(), runs)
end

function TestRegistryCommand:test_each_change_is_a_run_that_can_be_rolled_back()
  local seeded = self:seed()
  for _, words in ipairs {
    { "set", self.hive, oakley, "NLBSFlags", "dword", "2" }, { "set", self.hive, oakley, "nlbsflags", "sz", "other" },
    { "set", self.hive, [[HKLM\SYSTEM\A\B\C]], "x", "sz", "new" }, { "delete", self.hive, oakley, "NLBSFLAGS" },
    { "delete", self.hive, oakley, "" }, { "delete", self.hive, [[HKLM\SYSTEM\controlset001]], "--recursive" },
  } do
    lu.assertStrContains(self:expect(0, table.unpack(words)).out, "puts it back")
    lu.assertNotEquals(support.reglookup(self.hive), seeded)
    local run = self:run_number()
    local shown = support.command { "show", tostring(run), "--state", self.place.state, "--output", "json" }
    local doc = cjson.decode(shown.out)
    lu.assertEquals(doc.run.playbook, "registry " .. words[1])
    lu.assertEquals(doc.changes[1].host, "hive:" .. self.hive)
    self:roll_back(0)
    lu.assertEquals(support.reglookup(self.hive), seeded)
    local answer = self:expect(0, table.unpack(words)) -- and a rollback can be named by its number
    lu.assertStrContains(answer.out, ("run %d:"):format(self:run_number()))
    self:roll_back(0, tostring(self:run_number()))
    lu.assertEquals(support.reglookup(self.hive), seeded)
  end
end

function TestRegistryCommand:test_what_stands_already_is_no_run()
  self:seed()
  local runs = self:run_number()
  lu.assertEquals(self:expect(0, "set", self.hive, oakley, "NLBSFlags", "dword", "1").out, "nothing to change\n")
  self:expect(0, "delete", self.hive, oakley, "none")
  self:expect(0, "delete", self.hive, [[No\Way]], "none")
  self:expect(0, "delete", self.hive, [[No\Way]])
  lu.assertEquals(self:run_number(), runs)
  self:expect(6, "list", self.hive, "No")
end

function TestRegistryCommand:test_a_rollback_overwrites_nobody()
  self:seed()
  self:expect(0, "set", self.hive, oakley, "NLBSFlags", "dword", "2")
  support.hivexsh(self.hive, "cd ControlSet001\\Services\\PolicyAgent\\Oakley\nsetval 1\nNLBSFlags\ndword:7")
  self:roll_back(5)
  lu.assertEquals(support.shell("hivexget %s %s NLBSFlags", self.hive,
    [[ControlSet001\Services\PolicyAgent\Oakley]]), "7\n")
end

function TestRegistryCommand:test_a_key_with_subkeys_goes_when_that_is_meant()
  local seeded = self:seed()
  lu.assertStrContains(self:expect(1, "delete", self.hive, oakley).err, "--recursive")
  lu.assertEquals(support.reglookup(self.hive), seeded)
  self:expect(0, "delete", self.hive, oakley .. [[\Below]])
  lu.assertNotStrContains(support.reglookup(self.hive), "Below")
end

function TestRegistryCommand:test_a_store_is_made_when_asked_for()
  local path = self.place.dir .. "/SOFTWARE"
  self:expect(1, "set", path, [[HKLM\SOFTWARE\A]], "b", "sz", "c")
  lu.assertStrContains(self:expect(2, "set", path, [[HKLM\SOFTWARE\A]], "b", "sz", "c", "--create", "--plan").out,
    "hive:" .. path)
  lu.assertFalse(support.exists(path))
  self:expect(0, "set", path, [[HKLM\SOFTWARE\A]], "b", "sz", "c", "--create")
  lu.assertStrContains(support.reglookup(path), "/A/b,SZ,c")
  self:roll_back(0)
  lu.assertNotStrContains(support.reglookup(path), "/A")
end

function TestRegistryCommand:test_a_hive_that_was_not_closed_well()
  local hives = os.getenv("STAFFETTA_HIVES")
  if not hives then lu.skip("SKIP: STAFFETTA_HIVES does not name the folder with the hives of others") end
  for _, name in ipairs { "NewDirtyHive", "NewDirtyHive.LOG1", "NewDirtyHive.LOG2" } do
    support.shell("xz -dc %s > %s", ("%s/%s.xz"):format(hives, name), self.place.dir .. "/" .. name)
  end
  local hive = self.place.dir .. "/NewDirtyHive"
  local bytes = self.place:read("NewDirtyHive")
  lu.assertStrContains(self:expect(1, "list", hive, "").err, "dirty")
  self:expect(1, "set", hive, "New", "x", "sz", "y")
  self:expect(0, "--replay-logs", "list", hive, "")
  lu.assertEquals(self.place:read("NewDirtyHive"), bytes)
  self:expect(0, "--replay-logs", "set", hive, "New", "x", "sz", "y")
  lu.assertStrContains(support.reglookup(hive), "/New/x,SZ,y")
  self:expect(0, "list", hive, "")
  self:roll_back(0)
  lu.assertNotStrContains(support.reglookup(hive), "/New")
end

-- ---- snapshots ----

function TestRegistryCommand:test_a_snapshot_is_restored_exactly()
  local seeded = self:seed()
  local file = self.place.dir .. "/snap.json"
  local hash = self:expect(0, "snapshot", self.hive, [[HKLM\SYSTEM\ControlSet001]], file).out
  lu.assertStrMatches(hash, ("%x"):rep(64) .. "\n")
  lu.assertEquals(self:expect(0, "snapshot", self.hive, "ControlSet001", file).out, hash)
  self:expect(0, "set", self.hive, oakley, "NLBSFlags", "sz", "1")
  self:expect(0, "set", self.hive, oakley, "new", "none", "")
  self:expect(0, "delete", self.hive, oakley .. [[\Below]])
  self:expect(0, "set", self.hive, [[ControlSet001\More]], "x", "dword", "1")
  self:expect(2, "restore", file, self.hive, "--plan")
  self:expect(0, "restore", file, self.hive)
  lu.assertEquals(support.reglookup(self.hive), seeded)
  lu.assertEquals(self:expect(0, "restore", file, self.hive).out, "nothing to change\n")
  self:roll_back(0)
  lu.assertStrContains(support.reglookup(self.hive), "/ControlSet001/More/x")
  self:expect(0, "restore", file, self.hive, [[HKLM\SYSTEM\ControlSet002]])
  lu.assertEquals(self:expect(0, "snapshot", self.hive, "ControlSet002", file).out, hash)
end

function TestRegistryCommand:test_a_snapshot_that_was_touched_is_refused()
  local seeded = self:seed()
  local file = self.place.dir .. "/snap.json"
  self:expect(0, "snapshot", self.hive, "ControlSet001", file)
  local text = self.place:read("snap.json")
  for _, case in ipairs { { '"data": "01000000"', '"data": "02000000"' }, { "NLBSFlags", "NLBSFlagz" },
    { '"type": 4', '"type": 5' }, { "staffetta registry snapshot 1", "something" }, { "}%s*$", "" } } do
    local changed, count = text:gsub(case[1], case[2], 1)
    lu.assertEquals(count, 1, case[1])
    self.place:write("snap.json", changed)
    self:expect(1, "restore", file, self.hive)
  end
  lu.assertEquals(support.reglookup(self.hive), seeded)
  self:expect(6, "snapshot", self.hive, "None", self.place.dir .. "/none.json")
  lu.assertFalse(support.exists(self.place.dir .. "/none.json"))
end

-- ---- .reg text ----

local all_sorts = "Windows Registry Editor Version 5.00\r\n\r\n" .. [[
[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\PolicyAgent\Oakley]
"NLBSFlags"=dword:00000002
"New"="text \"quoted\" \\ grün"
@=-
"Never"=-

[-HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\PolicyAgent\Oakley\Below]

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\PolicyAgent\Oakley\Below]
"again"=hex(b):01,00,00,00,00,00,00,00

[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control]
"x"=hex(7):61,00,00,00,00,00
"y"=hex(77):01

[-HKEY_LOCAL_MACHINE\SYSTEM\NotThere]
]]

function TestRegistryCommand:test_an_import_is_one_change_with_an_exact_undo()
  local seeded = self:seed()
  local file = self.place:write("a.reg", all_sorts)
  lu.assertStrContains(self:expect(0, "import", self.hive, file).out, "puts it back")
  local run = tostring(self:run_number())
  local changed = support.reglookup(self.hive)
  for _, line in ipairs { "/Oakley/NLBSFlags,DWORD,0x00000002", "/Oakley/Below/again,QWORD,0x0000000000000001",
    "/ControlSet001/Control/x,MULTI_SZ,a" } do lu.assertStrContains(changed, line) end
  lu.assertEquals(self:expect(0, "get", self.hive, oakley, "New").out, [[sz "text \"quoted\" \\ grün"]] .. "\n")
  lu.assertNotStrContains(changed, "/Below/odd")
  lu.assertNotStrContains(changed, "NotThere")
  lu.assertNotStrContains(changed, "CurrentControlSet")
  lu.assertEquals(self:expect(0, "import", self.hive, file).out, "nothing to change\n")
  self:roll_back(0, run)
  lu.assertEquals(support.reglookup(self.hive), seeded)
  -- Undoing is a run too: its undo makes the import again, as text and as a rollback.
  local undo, again = tostring(self:run_number()), self.place.dir .. "/again.reg"
  self:expect(0, "export", "--undo", undo, again)
  self:roll_back(0, undo)
  lu.assertEquals(support.reglookup(self.hive), changed)
  lu.assertEquals(self:expect(0, "import", self.hive, again).out, "nothing to change\n")
end

function TestRegistryCommand:test_what_others_change_beside_an_import_stays()
  self:seed()
  self:expect(0, "import", self.hive, self.place:write("a.reg", all_sorts))
  support.hivexsh(self.hive, "cd Select\nadd Theirs")
  self:roll_back(0)
  lu.assertStrContains(support.reglookup(self.hive), "/Select/Theirs,KEY")
  lu.assertNotStrContains(support.reglookup(self.hive), "/Control/x")
  self:expect(0, "import", self.hive, self.place.dir .. "/a.reg")
  support.hivexsh(self.hive, "cd ControlSet001\\Control\nadd Theirs")
  local answer = self:roll_back(5)
  lu.assertStrContains(answer.err .. answer.out, "something else was put there")
  lu.assertStrContains(support.reglookup(self.hive), "/Control/Theirs")
end

function TestRegistryCommand:test_an_export_makes_the_same_tree_elsewhere()
  self:seed()
  self:expect(0, "import", self.hive, self.place:write("a.reg", all_sorts))
  local file, snap = self.place.dir .. "/out.reg", self.place.dir .. "/snap.json"
  local hash = self:expect(0, "snapshot", self.hive, "ControlSet001", snap).out
  self:expect(0, "export", self.hive, [[HKLM\SYSTEM\ControlSet001]], file)
  lu.assertEquals(self.place:read("out.reg"):sub(1, 4), "\xff\xfeW\0")
  local copy = self.place:hive("copy/SYSTEM")
  self:expect(0, "import", copy, file)
  lu.assertEquals(self:expect(0, "snapshot", copy, "ControlSet001", snap).out, hash)
  local text = self:expect(0, "export", self.hive, oakley).out
  lu.assertStrContains(text, [["New"="text \"quoted\" \\ grün"]])
  lu.assertStrContains(self:expect(0, "export", self.hive, "Select", "--reg4").out, "REGEDIT4")
  self:expect(6, "export", self.hive, "None")
  -- hivexregedit, which is not ours, reads the UTF-8 text.
  local third = self.place:hive("third/SYSTEM")
  self.place:write("plain.reg", self:expect(0, "export", self.hive, [[HKLM\SYSTEM\Select]]).out)
  support.shell("hivexregedit --merge --prefix %s %s %s", [[HKEY_LOCAL_MACHINE\SYSTEM]], third,
    self.place.dir .. "/plain.reg")
  lu.assertStrContains(support.reglookup(third), "/Select/Current,DWORD,0x00000001")
end

function TestRegistryCommand:test_the_undo_as_reg_text_puts_everything_back()
  local seeded = self:seed()
  for _, words in ipairs {
    { "import", self.hive, self.place:write("a.reg", all_sorts) },
    { "set", self.hive, [[HKLM\SYSTEM\A\B\C]], "x", "sz", "new" },
    { "set", self.hive, oakley, "NLBSFlags", "sz", "new" }, { "delete", self.hive, oakley, "" },
    { "delete", self.hive, "ControlSet001", "--recursive" },
  } do
    self:expect(0, table.unpack(words))
    lu.assertNotEquals(support.reglookup(self.hive), seeded)
    local run = tostring(self:run_number())
    local file = self.place.dir .. "/undo.reg"
    self:expect(0, "export", "--undo", run, file)
    self:expect(0, "import", self.hive, file)
    lu.assertEquals(support.reglookup(self.hive), seeded, table.concat(words, " "))
  end
  self:roll_back(0)
  local undone = tostring(self:run_number() - 1)
  lu.assertStrContains(self:expect(1, "export", "--undo", undone).err, "has changed nothing")
  self:expect(1, "export", "--undo", "999")
  self:expect(64, "export", "--undo", "x")
end

function TestRegistryCommand:test_wrong_text_changes_nothing()
  local seeded = self:seed()
  local file = self.place:write("a.reg", all_sorts .. '[HKEY_LOCAL_MACHINE\\SYSTEM\\B]\r\n"x"=dword:zz\r\n')
  lu.assertStrContains(self:expect(1, "import", self.hive, file).err, "line 20, column 11")
  file = self.place:write("a.reg", all_sorts .. "[HKEY_LOCAL_MACHINE\\SOFTWARE\\B]\r\n")
  lu.assertStrContains(self:expect(1, "import", self.hive, file).err, "SOFTWARE")
  support.shell("cp %s %s", self.hive, self.place.dir .. "/other")
  lu.assertStrContains(self:expect(1, "import", self.place.dir .. "/other", file).err, "--mount")
  lu.assertEquals(support.reglookup(self.hive), seeded)
end

function TestRegistryCommand:test_a_large_import()
  local lines = { "Windows Registry Editor Version 5.00", "" }
  for key = 1, 1000 do
    lines[#lines + 1] = ([[
[HKEY_LOCAL_MACHINE\SYSTEM\Test\Key %d]]):format(key) .. "]"
    for value = 1, 100 do lines[#lines + 1] = ('"Value %d"=dword:%08x'):format(value, value) end
  end
  local file = self.place:write("a.reg", table.concat(lines, "\r\n") .. "\r\n")
  local before = os.time()
  self:expect(0, "import", self.hive, file)
  self:roll_back(0)
  lu.assertTrue(os.time() - before <= 30)
  lu.assertEquals(self:expect(0, "list", self.hive, "").out, "")
end

-- ---- diff and watch ----

function TestRegistryCommand:test_a_diff_in_three_forms()
  self:seed()
  local other = self.place.dir .. "/other/SYSTEM"
  support.shell("mkdir %s && cp %s %s", self.place.dir .. "/other", self.hive, other)
  lu.assertEquals(self:expect(0, "diff", self.hive, "", other).out, "")
  lu.assertEquals(self:json(0, "diff", self.hive, "", other), {})
  self:expect(0, "set", other, oakley, "NLBSFlags", "dword", "2")
  self:expect(0, "set", other, [[ControlSet001\New\Key]], "x", "sz", "y")
  self:expect(0, "delete", other, oakley .. [[\Below]])
  local text = self:expect(2, "diff", self.hive, [[HKLM\SYSTEM]], other).out
  for _, line in ipairs { "-     NLBSFlags = dword 1 (0x00000001)", "+     NLBSFlags = dword 2 (0x00000002)",
    "+ [HKLM\\SYSTEM\\ControlSet001\\New\\Key]", '+     x = sz "y"', "- [" .. oakley .. "\\Below]" } do
    lu.assertStrContains(text, line .. "\n")
  end
  local kinds = {}
  for _, change in ipairs(self:json(2, "diff", self.hive, "", other)) do kinds[change.change] = true end
  lu.assertEquals(kinds, { value_changed = true, key_added = true, value_added = true, key_removed = true,
    value_removed = true })
  self.place:write("diff.reg", self:expect(2, "diff", self.hive, "", other, "--format", "reg").out)
  self:expect(0, "import", self.hive, self.place.dir .. "/diff.reg")
  self:expect(0, "diff", self.hive, "", other)
  lu.assertEquals(support.reglookup(self.hive), support.reglookup(other))
  self:expect(6, "diff", self.hive, "None", other)
  self:expect(64, "diff", self.hive, "", other, "--format", "xml")
end

function TestRegistryCommand:test_a_diff_with_a_snapshot_and_with_reg_text()
  self:seed()
  local snap, text = self.place.dir .. "/snap.json", self.place.dir .. "/text.reg"
  self:expect(0, "snapshot", self.hive, "ControlSet001", snap)
  self:expect(0, "export", self.hive, [[HKLM\SYSTEM\ControlSet001]], text)
  self:expect(0, "diff", self.hive, "ControlSet001", snap)
  self:expect(0, "diff", self.hive, [[HKLM\SYSTEM\ControlSet001]], text)
  self:expect(0, "set", self.hive, oakley, "NLBSFlags", "dword", "7")
  lu.assertStrContains(self:expect(2, "diff", self.hive, "ControlSet001", snap).out, "-     NLBSFlags = dword 7")
  self:expect(2, "diff", self.hive, [[HKLM\SYSTEM\ControlSet001]], text)
  lu.assertStrContains(self:expect(2, "restore", snap, self.hive, "--plan").out, "+     NLBSFlags = dword 1")
end

function TestRegistryCommand:test_a_watch_tells_what_changes()
  self:seed()
  local job = self.place:start("registry", "watch", self.hive, oakley)
  support.wait_until(function() -- it stands once it tells of a change
    self:expect(0, "set", self.hive, oakley, "tick", "dword", tostring(os.time()))
    return self.place:read("job1.out"):find("tick = dword", 1, true)
  end, "the first event")
  self:expect(0, "set", self.hive, "Elsewhere", "x", "dword", "1")
  self:expect(0, "delete", self.hive, oakley, "NLBSFlags")
  job:wait_for("-     NLBSFlags = dword 1 (0x00000001)")
  self:expect(0, "delete", self.hive, "ControlSet001", "--recursive")
  job:wait_for("- [" .. oakley .. "]")
  job:signal("TERM")
  local answer = job:finish()
  lu.assertEquals(answer.code, 143, answer.err)
  lu.assertNotStrContains(answer.out, "Elsewhere")
end

-- ---- .reg files as stores ----

function TestRegistryCommand:test_a_reg_file_is_a_store()
  local file = self.place.dir .. "/store.reg"
  self:expect(1, "set", file, [[HKLM\SOFTWARE\A]], "b", "sz", "c")
  self:expect(0, "set", file, [[HKLM\SOFTWARE\A]], "b", "sz", "c", "--create")
  lu.assertEquals(self:expect(0, "get", "reg:" .. file, [[HKEY_LOCAL_MACHINE\software\a]], "B").out, 'sz "c"\n')
  lu.assertEquals(self:expect(0, "list", file, "").out, "HKEY_LOCAL_MACHINE\\\n")
  lu.assertStrContains(self:expect(1, "get", file, "SOFTWARE", "b").err, "does not start with a root")
  local before = self.place:read("store.reg")
  self:expect(0, "import", file, self.place:write("a.reg", all_sorts))
  lu.assertStrContains(self:expect(0, "list", file, [[HKLM\SYSTEM]]).out, "CurrentControlSet\\")
  self:roll_back(0)
  lu.assertEquals(self.place:read("store.reg"), before)
end

-- ---- hosts of a site ----

function TestRegistryCommand:site()
  self.place:hive("site/hives/system")
  self.place:hive("site/hives/software")
  self.place:site_file([[return { api = 1, name = "test", clusters = {}, hosts = {
    win = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "hives/system",
      ["HKLM\\SOFTWARE"] = { store = "hive:hives/software" } } } } }]])
end

function TestRegistryCommand:on_host(code, ...)
  return self:expect(code, "--site", self.place.site, "--host", "win", ...)
end

function TestRegistryCommand:test_the_stores_of_a_host()
  self:site()
  self:on_host(0, "set", [[HKLM\SOFTWARE\A]], "b", "sz", "c")
  lu.assertStrContains(support.reglookup(self.place.site .. "/hives/software"), "/A/b,SZ,c")
  lu.assertEquals(self:on_host(0, "get", [[HKLM\SOFTWARE\A]], "b").out, 'sz "c"\n')
  lu.assertStrContains(self:on_host(1, "get", [[HKLM\SAM\A]], "b").err, "has no registry store")
  lu.assertStrContains(self:expect(1, "--site", self.place.site, "--host", "wim", "get", [[HKLM\SYSTEM]]).err,
    "did you mean 'win'?")
  local answer = self.place:staffetta("rollback")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  lu.assertEquals(self:on_host(6, "get", [[HKLM\SOFTWARE\A]], "b").out, "")
end

local both = "REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\SYSTEM\\A]\n\"a\"=dword:1\n\n"
  .. "[HKEY_LOCAL_MACHINE\\SOFTWARE\\B]\n\"b\"=\"x\"\n"

function TestRegistryCommand:test_an_import_into_all_stores_of_a_host()
  self:site()
  local file = self.place:write("both.reg", both)
  self:on_host(0, "import", file)
  lu.assertStrContains(support.reglookup(self.place.site .. "/hives/software"), "/B/b,SZ,x")
  lu.assertStrContains(support.reglookup(self.place.site .. "/hives/system"), "/A/a,DWORD,0x00000001")
  local undo = self:on_host(0, "export", "--undo", "1").out
  lu.assertStrContains(undo, [=[[-HKEY_LOCAL_MACHINE\SYSTEM\A]]=])
  lu.assertStrContains(undo, [=[[-HKEY_LOCAL_MACHINE\SOFTWARE\B]]=])
  self:roll_back(0)
  lu.assertNotStrContains(support.reglookup(self.place.site .. "/hives/system"), "/A")
end

function TestRegistryCommand:test_what_fails_half_way_is_put_back()
  self:site()
  local file = self.place:write("both.reg", both)
  local lock = ("setsid flock %s sh -c 'echo >%s/locked; sleep 30' >/dev/null 2>&1 & echo $!"):format(
    self.place.site .. "/hives/software", self.place.dir)
  local pid = support.shell("sh -c %s", lock):match("%d+")
  support.wait_until(function() return support.exists(self.place.dir .. "/locked") end, "the lock")
  local answer = self:on_host(3, "import", file)
  support.shell("kill -- -%s", pid)
  lu.assertStrContains(answer.err, "another program is writing the hive")
  lu.assertNotStrContains(support.reglookup(self.place.site .. "/hives/system"), "/A")
  lu.assertNotStrContains(support.reglookup(self.place.site .. "/hives/software"), "/B")
end

-- ---- the same from scripts ----

function TestRegistryCommand:playbook(body)
  self.place:playbook("try", [[needs = { "registry.read", "registry.write" },]], ([[
    ctx:step("work", { ctx.site.host("win") }, function(host)
      local r, key = host.registry, "HKLM\\SYSTEM\\Test"
%s
    end)]]):format(body))
end

function TestRegistryCommand:test_snapshots_and_reg_text_in_scripts()
  self:site()
  self:playbook [[
    assert(r:snapshot(key) == nil and select("#", r:snapshot(key)) == 1)
    assert(r:set(key, "a", "dword", 1))
    assert(r:set(key .. "\\Below", "b", "none", ""))
  ]]
  local answer = self.place:run("try")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  local seeded = support.reglookup(self.place.site .. "/hives/system")
  self:playbook [==[
    local taken = assert(r:snapshot(key))
    assert(#assert(r:diff(key, taken)) == 0)
    local text = "REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\SYSTEM\\Test]\n\"a\"=\"x\"\n\n"
      .. "[-HKEY_LOCAL_MACHINE\\SYSTEM\\Test\\Below]\n"
    assert(r:apply_reg(text).changed == true)
    assert(r:apply_reg(text).changed == false)
    assert(r:apply_reg("REGEDIT4\n").changed == false)
    assert(r:get(key, "a").value == "x" and r:list(key .. "\\Below") == nil)
    local seen = {}
    for _, each in ipairs(assert(r:diff(key, taken))) do seen[#seen + 1] = each.change end
    assert(table.concat(seen, " ") == "value_changed key_removed value_removed", table.concat(seen, " "))
    assert(r:restore("hklm\\system\\test", taken).changed == true)
    assert(r:restore(key, taken).changed == false)
    assert(r:get(key, "a").value == 1 and #r:diff(key, taken) == 0)
    local ok, message = pcall(function() return r:restore(key, (taken:gsub("01000000", "02000000"))) end)
    assert(not ok and message:find("not as it was taken", 1, true), message)
    local result, err = r:apply_reg("REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\SAM\\x]\n")
    assert(result == nil and err.kind == "unsupported", err and err.message)
    result, err = r:apply_reg("no text")
    assert(result == nil and err.kind == "invalid_data", err and err.message)
    assert(r:apply_reg("REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\SYSTEM\\New]\n\"n\"=dword:1\n").changed)
  ]==]
  answer = self.place:run("try")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  lu.assertStrContains(support.reglookup(self.place.site .. "/hives/system"), "/New/n,DWORD,0x00000001")
  answer = self.place:staffetta("rollback")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  lu.assertEquals(support.reglookup(self.place.site .. "/hives/system"), seeded)
end

function TestRegistryCommand:test_reg_text_in_a_plan()
  self:site()
  self:playbook [==[
    assert(r:apply_reg("REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\SYSTEM\\New]\n\"n\"=dword:1\n").changed)
  ]==]
  local answer = self.place:staffetta("plan", "try")
  lu.assertEquals(answer.code, 2, answer.out .. answer.err)
  lu.assertStrContains(answer.out, [[HKLM\SYSTEM: 1 value in 1 key]])
  lu.assertNotStrContains(support.reglookup(self.place.site .. "/hives/system"), "/New")
end

return TestRegistryCommand
