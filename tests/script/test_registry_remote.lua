-- `staffetta registry` on the registry of another host: a real smbd on loopback (tests/support/with_smbd.sh, which runs
-- this suite). Samba's own `net rpc registry` is the second reader and the other writer.
local cjson = require "cjson"
local lu = require "luaunit"
local support = require "support"

local TestRegistryRemote = {}

local folder = assert(os.getenv("SMB_FOLDER"), "SMB_FOLDER must name the server's folder: run with_smbd.sh")
local store = "remote:127.0.0.1"
local root_file, plain_file = folder .. "/root.cred", folder .. "/nobody.cred"
local number = 0

function TestRegistryRemote:setUp()
  number = number + 1
  self.place = support.new_place()
  self.key = [[HKLM\SOFTWARE\Test]] .. number
end

function TestRegistryRemote:tearDown()
  self.place:close()
end

-- Runs it as root of the other host, expects the exit code, gives the answer.
function TestRegistryRemote:expect(code, ...)
  return self:expect_as(root_file, code, ...)
end

function TestRegistryRemote:expect_as(file, code, ...)
  local answer = support.command { "registry", "--state", self.place.state, "--credentials", file, ... }
  lu.assertEquals(answer.code, code, table.concat({ ... }, " ") .. "\n" .. answer.out .. answer.err)
  return answer
end

function TestRegistryRemote:json(code, ...)
  return cjson.decode(self:expect(code, "--json", ...).out)
end

function TestRegistryRemote:roll_back(code)
  local answer = support.command { "rollback", "--state", self.place.state }
  lu.assertEquals(answer.code, code, answer.out .. answer.err)
  return answer.out .. answer.err
end

-- `net rpc registry WORDS...`, as root of the other host.
local function net(...)
  local format = "net rpc registry" .. (" %s"):rep(select("#", ...)) .. " -S 127.0.0.1 --authentication-file=%s"
  local words = { ... }
  words[#words + 1] = root_file
  return support.shell(format, table.unpack(words))
end

-- What is in the server's own files of the key and of all below it. The server keeps no order of values.
function TestRegistryRemote:seen()
  local parts, key = {}, nil
  for part in support.shell("net registry enumerate_recursive %s", self.key):gmatch("(.-)\n\n") do
    key = part:match("^%[.*%]$") or key
    parts[#parts + 1] = key .. "\n" .. part
  end
  table.sort(parts)
  return table.concat(parts, "\n")
end

function TestRegistryRemote:seed()
  self:expect(0, "set", store, self.key, "NLBSFlags", "dword", "1")
  self:expect(0, "set", store, self.key, "", "multi_sz", "a", "grün")
  self:expect(0, "set", store, self.key .. [[\Below\Deep]], "odd", "0x4d", "00ff")
  return self:seen()
end

-- ---- looking ----

function TestRegistryRemote:test_every_type()
  local cases = {
    { "sz", "grün", [[sz "grün"]] }, { "expand_sz", "%A%", [[expand_sz "%A%"]] },
    { "link", [[\Registry]], [[link "\\Registry"]] }, { "dword", "0x10", "dword 16 (0x00000010)" },
    { "dword_big_endian", "1", "dword_big_endian 1 (0x00000001)" },
    { "qword", "18446744073709551615", "qword -1 (0xffffffffffffffff)" }, { "binary", "01,02 ff", "binary 0102ff" },
    { "none", "", "none (empty)" }, { "resource_list", "0a", "resource_list 0a" },
    { "0x1234", "0a", "type 0x00001234 0a" },
  }
  local lines = {}
  for i, case in ipairs(cases) do
    local name = ("v%02d"):format(i)
    self:expect(0, "set", store, self.key, name, case[1], case[2])
    lu.assertEquals(self:expect(0, "get", store, self.key, name).out, case[3] .. "\n")
    lines[i] = ("%s = %s\n"):format(name, case[3])
  end
  lu.assertEquals(self:expect(0, "list", store, self.key).out, table.concat(lines))
  self:expect(0, "set", store, self.key, "list", "multi_sz", "one", "two words")
  lu.assertEquals(self:json(0, "get", store, self.key, "LIST").value, { "one", "two words" })
  local seen = self:seen()
  for _, part in ipairs { 'v01\nType       = REG_SZ\nValue      = "grün"', "v04\nType       = REG_DWORD\n",
    "v06\nType       = REG_QWORD", "v07\nType       = REG_BINARY\nValue      = 3 bytes" } do
    lu.assertStrContains(seen, part)
  end
end

function TestRegistryRemote:test_roots_and_keys()
  self:seed()
  lu.assertStrContains(self:expect(0, "list", store, "").out, "HKEY_LOCAL_MACHINE\\\n")
  lu.assertEquals(self:expect(0, "list", store, self.key:gsub("HKLM", "HKEY_LOCAL_MACHINE"):lower()).out,
    'Below\\\n(default) = multi_sz ["a", "grün"]\nNLBSFlags = dword 1 (0x00000001)\n')
  self:expect(0, "get", store, [[Below\Deep]], "ODD", "--mount", self.key)
  lu.assertStrContains(self:expect(1, "get", store, "SOFTWARE", "x").err, "does not start with a root")
  for _, words in ipairs { { "get", store, self.key, "none" }, { "get", store, self.key .. [[\No]], "NLBSFlags" },
    { "list", store, self.key .. [[\No]] }, { "export", store, self.key .. [[\No]] } } do
    lu.assertEquals(self:json(6, table.unpack(words)).error.kind, "not_found")
  end
end

-- ---- changing ----

function TestRegistryRemote:test_a_plan_changes_nothing()
  local seeded = self:seed()
  local file = self.place:write("a.reg", "REGEDIT4\n\n[" .. self.key .. "\\New]\n\"a\"=dword:1\n")
  for _, words in ipairs { { "set", store, self.key, "NLBSFlags", "dword", "2" }, { "import", store, file },
    { "delete", store, self.key, "NLBSFlags" }, { "delete", store, self.key, "--recursive" } } do
    lu.assertStrContains(self:expect(2, "--plan", table.unpack(words)).out, "1 change planned")
  end
  lu.assertEquals(self:expect(0, "set", store, self.key, "NLBSFlags", "dword", "1").out, "nothing to change\n")
  lu.assertEquals(self:seen(), seeded)
end

function TestRegistryRemote:test_each_change_is_undone_by_the_journal_and_by_reg_text()
  local seeded = self:seed()
  local file = self.place:write("a.reg", ([[
Windows Registry Editor Version 5.00

[KEY]
"NLBSFlags"=dword:00000002
"New"="text \"quoted\" \\ grün"
@=-

[-KEY\Below]

[KEY\Below]
"again"=hex(b):01,00,00,00,00,00,00,00
]]):gsub("KEY", (self.key:gsub("HKLM", "HKEY_LOCAL_MACHINE"))))
  for _, words in ipairs { { "set", store, self.key, "NLBSFlags", "dword", "2" },
    { "set", store, self.key, "nlbsflags", "sz", "other" }, { "set", store, self.key .. [[\A\B]], "x", "sz", "new" },
    { "delete", store, self.key, "NLBSFLAGS" }, { "delete", store, self.key, "" },
    { "delete", store, self.key .. [[\Below]], "--recursive" }, { "import", store, file } } do
    local what = table.concat(words, " ")
    lu.assertStrContains(self:expect(0, table.unpack(words)).out, "puts it back")
    local changed = self:seen()
    lu.assertNotEquals(changed, seeded, what)
    self:roll_back(0)
    lu.assertEquals(self:seen(), seeded, what)
    local run = self:expect(0, table.unpack(words)).out:match("run (%d+):")
    lu.assertEquals(self:seen(), changed, what)
    local undo = self.place.dir .. "/undo.reg"
    self:expect(0, "export", "--undo", run, undo)
    self:expect(0, "import", store, undo)
    lu.assertEquals(self:seen(), seeded, what)
  end
end

function TestRegistryRemote:test_a_rollback_overwrites_nobody()
  self:seed()
  self:expect(0, "set", store, self.key, "NLBSFlags", "dword", "2")
  net("setvalue", self.key, "NLBSFlags", "dword", "7")
  lu.assertStrContains(self:roll_back(5), "NLBSFlags")
  lu.assertEquals(self:expect(0, "get", store, self.key, "NLBSFlags").out, "dword 7 (0x00000007)\n")
end

-- ---- whole trees ----

function TestRegistryRemote:test_export_import_snapshot_restore_and_diff()
  local seeded = self:seed()
  local file, snap = self.place.dir .. "/out.reg", self.place.dir .. "/snap.json"
  local hive = self.place:hive("SOFTWARE")
  local hash = self:expect(0, "snapshot", store, self.key, snap).out
  lu.assertStrMatches(hash, ("%x"):rep(64) .. "\n")
  self:expect(0, "export", store, self.key, file)
  lu.assertEquals(support.command { "registry", "import", hive, file, "--state", self.place.state }.code, 0)
  for _, other in ipairs { hive, file, snap } do
    lu.assertEquals(self:expect(0, "diff", store, self.key, other).out, "")
  end
  self:expect(0, "delete", store, self.key, "--recursive")
  lu.assertStrContains(self:expect(2, "diff", store, [[HKLM\SOFTWARE]], hive).out, "+ [" .. self.key .. [[\Below]]
    .. "\\Deep]")
  self:expect(0, "import", store, file)
  lu.assertEquals(self:seen(), seeded)
  self:expect(0, "set", store, self.key, "NLBSFlags", "sz", "1")
  self:expect(0, "set", store, self.key .. [[\More]], "x", "dword", "1")
  lu.assertStrContains(self:expect(2, "diff", store, self.key, hive).out, '-     NLBSFlags = sz "1"\n')
  self:expect(2, "restore", snap, store, "--plan")
  self:expect(0, "restore", snap, store)
  lu.assertEquals(self:seen(), seeded)
  lu.assertEquals(self:expect(0, "snapshot", store, self.key, snap).out, hash)
  self:roll_back(0)
  lu.assertStrContains(self:seen(), [[More]])
end

function TestRegistryRemote:test_a_watch_tells_what_others_change()
  self:seed()
  local job = self.place:start("registry", "--credentials", root_file, "watch", store, self.key)
  support.wait_until(function() -- it stands once it tells of a change
    net("setvalue", self.key, "tick", "dword", tostring(os.time()))
    return self.place:read("job1.out"):find("tick = dword", 1, true)
  end, "the first event")
  lu.assertNotStrContains(support.shell("cat /proc/[0-9]*/cmdline 2>/dev/null; true"), "pass-root")
  self:expect(0, "delete", store, self.key, "NLBSFlags")
  job:wait_for("-     NLBSFlags = dword 1 (0x00000001)")
  self:expect(0, "delete", store, self.key, "--recursive")
  job:wait_for("- [" .. self.key .. "]")
  job:signal("TERM")
  lu.assertEquals(job:finish().code, 143)
end

function TestRegistryRemote:test_rights_that_others_gave_come_back_with_the_key()
  self:seed()
  local below = self.key .. [[\Below]]
  local function rights() return support.shell("net registry getsd_sddl %s", below) end
  support.shell("net registry setsd_sddl %s %s", below, "O:BAG:SYD:P(A;;RPWPCCDCLCRCWOWDSDSW;;;BA)")
  local given = rights()
  lu.assertStrContains(given, "D:P(")
  lu.assertStrContains(self:expect(0, "about", store).out, "Samba has no class names")
  lu.assertStrContains(self:expect(0, "about", store, self.key).out, "rights: as the key above\n")
  lu.assertStrMatches(self:json(0, "about", store, below).key.security, ("%x"):rep(40) .. "%x+")
  local seeded = self:seen()
  self:expect(0, "delete", store, self.key, "--recursive")
  self:roll_back(0)
  lu.assertEquals(self:seen(), seeded)
  lu.assertEquals(rights():match("D:.*"), given:match("D:.*"))
  -- A .reg text deletes it too, and its undo is as exact.
  self:expect(0, "import", store, self.place:write("gone.reg", "REGEDIT4\n\n[-" .. below .. "]\n"))
  self:expect(6, "list", store, below)
  self:roll_back(0)
  lu.assertEquals(rights():match("D:.*"), given:match("D:.*"))
  self:expect(6, "about", store, self.key .. [[\None]])
end

-- ---- logins and errors ----

function TestRegistryRemote:credentials(name, text, mode)
  local path = self.place:write(name, text)
  support.shell("chmod " .. mode .. " %s", path)
  return path
end

function TestRegistryRemote:test_a_wrong_login_is_refused_and_told_nowhere()
  local seeded = self:seed()
  local words = { "--json", "set", store, self.key, "NLBSFlags", "dword", "2" }
  local function refused(file, kind, text)
    local answer = self:expect_as(file, 1, table.unpack(words))
    lu.assertEquals(cjson.decode(answer.out).error.kind, kind)
    lu.assertStrContains(answer.out, text)
    lu.assertNotStrContains(answer.out .. answer.err, "secret")
  end
  refused(self:credentials("wrong", "username = root\npassword = wrong-secret\n", "600"), "denied", "connecting to")
  refused(self:credentials("nobody", "username = nosuch\npassword = wrong-secret\n", "600"), "denied", "connecting to")
  refused(self:credentials("open", "username = root\npassword = wrong-secret\n", "644"), "denied", "mode 600")
  refused(self:credentials("text", "root wrong-secret\n", "600"), "invalid_data", "line 1 of the credentials")
  refused(self.place.dir .. "/none", "not_found", "file of credentials")
  support.shell("! grep -r secret %s", self.place.state)
  local answer = support.command { "registry", "list", store, self.key, "--json" }
  lu.assertEquals({ answer.code, cjson.decode(answer.out).error.kind }, { 1, "denied" })
  answer = support.command { "registry", "list", store, self.key, "--kerberos", "--json" }
  lu.assertStrContains(cjson.decode(answer.out).error.message, "kinit")
  lu.assertEquals(self:seen(), seeded)
end

function TestRegistryRemote:test_who_may_not_write()
  local seeded = self:seed()
  self:expect_as(plain_file, 0, "get", store, self.key, "NLBSFlags")
  for _, words in ipairs { { "set", store, self.key, "NLBSFlags", "dword", "2" },
    { "delete", store, self.key, "NLBSFlags" }, { "set", store, self.key .. [[\New]], "x", "sz", "" } } do
    lu.assertStrContains(self:expect_as(plain_file, 3, table.unpack(words)).err, "access denied")
  end
  lu.assertEquals(self:seen(), seeded)
end

function TestRegistryRemote:test_hosts_that_do_not_answer()
  for _, host in ipairs { "nosuch.invalid", "127.0.0.9" } do
    local doc = self:json(1, "list", "remote:" .. host, "HKLM")
    lu.assertEquals(doc.error.kind, "unreachable", doc.error.message)
    lu.assertStrContains(doc.error.message, host)
  end
end

return TestRegistryRemote
