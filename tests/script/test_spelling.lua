-- Two spellings of one key or value are one thing in a run: in its plan, when it goes on and when it is rolled back.
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local TestSpelling = {}

local needs = [[needs = { "registry.read", "registry.write" },]]

function TestSpelling:setUp()
  self.place = support.new_place()
  self.place:site_of("win")
  self:playbook("fill", [[set(test, "NLBSFlags", 1); set(test .. "\\Sub", "c", 3)]])
  lu.assertEquals(self.place:staffetta("run", "fill").code, 0)
  self.before = self:standing()
end

function TestSpelling:tearDown()
  self.place:close()
end

function TestSpelling:standing()
  return support.reglookup(self.place.site .. "/hives/win")
end

function TestSpelling:playbook(name, body)
  self.place:playbook(name, needs, ([[
    ctx:step("work", ctx.site.hosts(), function(host)
      local r, test, TEST = host.registry, "HKLM\\SYSTEM\\Test", "HKEY_LOCAL_MACHINE\\System\\TEST"
      local function set(key, value, number) return assert(r:set(key, value, "dword", number)).changed end
      local function delete(key, value) return assert(r:delete(key, value)).changed end
      local function delete_key(key) return assert(r:delete_key(key)).changed end
      %s
    end)]]):format(body))
end

-- Runs it, looks at what stands, and puts it back.
function TestSpelling:check(name, body, found, missing)
  self:playbook("try", body)
  local answer = self.place:run("try")
  lu.assertEquals(answer.code, 0, name .. answer.out .. answer.err)
  if found then lu.assertStrContains(self:standing(), found) end
  if missing then lu.assertNotStrContains(self:standing(), missing) end
  local plan = self.place:json("rollback", "--plan").doc.rollback
  lu.assertEquals(plan.conflict, 0, name)
  local undone = self.place:staffetta("rollback")
  lu.assertEquals(undone.code, 0, name .. undone.out .. undone.err)
  lu.assertEquals(self:standing(), self.before, name)
end

function TestSpelling:test_what_is_changed_through_several_spellings_is_put_back()
  self:check("set and delete", [[set(test, "new", 1); delete(TEST, "NEW")]], nil, "new")
  self:check("delete and set", [[delete(TEST, "nlbsflags"); set(test, "NLBSFlags", 2)]], "/NLBSFlags,DWORD,0x00000002")
  self:check("respelled", [[set(test, "NLBSFLAGS", 1); set(TEST, "nlbsflags", 2); set(test, "NlbsFlags", 1)]],
    "/NlbsFlags,DWORD,0x00000001")
  self:check("beyond ASCII", [[set(test, "größe", 1); set(test, "GRÖßE", 2); delete(test, "GröSSe")]], "0x00000002")
  self:check("made keys", [[set(test .. "\\Made\\Below", "v", 1); delete(test .. "\\MADE\\below", "V")]])
  self:check("deleted keys", [[delete_key(TEST); set(test, "A", 5); delete_key(test)]], nil, "/Test")
  self:check("a key and its parts",
    [[set(TEST .. "\\sub", "C", 4); delete_key(test .. "\\SUB"); set(test, "nlbsflags", 3)]])
  self:check("restored", [[local kept = assert(r:snapshot(test)); delete_key(TEST)
    assert(r:restore(test, kept)); assert(r:restore(TEST, kept))]], "/NLBSFlags,DWORD,0x00000001")
  self:check("created",
    [[assert(r:create_key(test .. "\\Made")); assert(r:create_key(TEST .. "\\MADE"))]], "/Test/Made,")
end

-- The spelling that was first is shown; what is planned is read through any.
local both = [[
  assert(set(test, "First", 1))
  assert(not set(TEST, "First", 1))
  assert(r:get(TEST, "FIRST").value == 1)
  assert(delete(TEST, "FIRST"))
  assert(not delete(test, "first"))
  assert(set(TEST, "fIRST", 2))
  assert(delete(test, "NLBSFLAGS"))
]]

function TestSpelling:test_a_plan()
  local file = self.place.dir .. "/plan.json"
  self:playbook("try", both)
  local answer = self.place:json("plan", "try", "--out", file)
  lu.assertEquals(answer.code, 2, answer.out .. answer.err)
  local names = {}
  for i, change in ipairs(cjson.decode(self.place:read("plan.json")).changes) do names[i] = change.describe.what end
  lu.assertEquals(names, { [[HKLM\SYSTEM\Test\First]], [[HKLM\SYSTEM\Test\First]], [[HKLM\SYSTEM\Test\First]],
    [[HKLM\SYSTEM\Test\NLBSFLAGS]] })
  answer = self.place:json("run", "--plan", file)
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  lu.assertStrContains(self:standing(), "/fIRST,DWORD,0x00000002")
  lu.assertNotStrContains(self:standing(), "NLBSFlags")
  lu.assertEquals(self.place:staffetta("rollback").code, 0)
  lu.assertEquals(self:standing(), self.before)
end

-- Wherever it is cut short, with a plan and without: it goes on under the id that it began with, and all is put back.
function TestSpelling:test_resumed()
  local file = self.place.dir .. "/plan.json"
  self:playbook("try", [[
    local found = r:get(test, "NlbsFlags")
    if not found or found.value ~= 7 then
      delete(TEST, "nlbsflags")
      set(test, "NLBSFlags", 7)
    end
    if not r:get(TEST .. "\\made", "V") then set(test .. "\\Made", "v", 1) end
    set(TEST .. "\\MADE", "V", 2)
  ]])
  lu.assertEquals(self.place:staffetta("plan", "try", "--out", file).code, 2)
  for _, arguments in ipairs { { "try" }, { "--plan", file } } do
    for _, point in ipairs { "host.write.before", "host.write.after", "journal.done.after" } do
      local hit = 1
      while self.place:kill_at(("%s:%d"):format(point, hit), "run", table.unpack(arguments)) do
        local what = ("%s %s, time %d: "):format(arguments[1], point, hit)
        local answer = self.place:json("resume")
        lu.assertEquals(answer.code, 0, what .. answer.out)
        lu.assertStrContains(self:standing(), "/V,DWORD,0x00000002")
        lu.assertStrContains(self:standing(), "/NLBSFlags,DWORD,0x00000007")
        answer = self.place:staffetta("rollback")
        lu.assertEquals(answer.code, 0, what .. answer.out .. answer.err)
        lu.assertEquals(self:standing(), self.before, what)
        hit = hit + 1
      end
      if hit == 1 then lu.skip("this build has no fault points") end
      lu.assertEquals(hit, 5, point)
      lu.assertEquals(self.place:staffetta("rollback").code, 0) -- of the run that was not killed
    end
  end
end

return TestSpelling
