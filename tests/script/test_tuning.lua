-- The check tuning-set on hives of each Windows version: what stands, what is missing, what has no effect.
local lu = require "luaunit"
local support = require "support"

local TestTuning = {}

local services = [[HKLM\SYSTEM\ControlSet001\Services\]]

function TestTuning:setUp()
  self.place = support.new_place()
  self.hive = self.place:hive("site/hives/win")
  self:set([[HKLM\SYSTEM\Select]], "Current", "1")
  self.place:playbook("look", "", [[
    ctx:checks("tuned?", { { check = "tuning-set", hosts = { ctx.site.host("win") } } })
  ]])
end

function TestTuning:tearDown()
  self.place:close()
end

function TestTuning:set(key, name, value)
  local answer = support.command { "registry", "--state", self.place.state, "--mount", [[HKLM\SYSTEM]], "set",
    self.hive, key, name, "dword", value }
  lu.assertEquals(answer.code, 0, answer.err)
end

-- The verdict and the evidence of the check on a host of that version.
function TestTuning:look(version)
  self.place:site_file(([[return { api = 1, name = "test", clusters = {}, hosts = {
    win = { role = "front_end", windows = "%s", registry = { ["HKLM\\SYSTEM"] = "hives/win" } } } }]]):format(version))
  local answer = self.place:run("look")
  lu.assertNotNil(answer.doc, answer.err)
  local check = answer.doc.checks[1]
  return check.verdict, check.evidence
end

function TestTuning:test_the_value_of_2003()
  local verdict, evidence = self:look("2003")
  lu.assertEquals(verdict, "fail")
  lu.assertStrContains(evidence.summary, "NLBSFlags is absent, expected dword 1 (KB 821839)")
  self:set(services .. [[PolicyAgent\Oakley]], "NLBSFlags", "2")
  lu.assertEquals(self:look("2003"), "fail")
  self:set(services .. [[PolicyAgent\Oakley]], "NLBSFlags", "1")
  verdict, evidence = self:look("2003")
  lu.assertEquals(verdict, "pass")
  lu.assertEquals(evidence.summary, "NLBSFlags = 1; value set, effect not observable from here")
  lu.assertEquals(evidence.named_without_a_value,
    { "NlbsIdleTime (KB 980915): absent", "NlbsIdle (KB 980915): absent" })
end

function TestTuning:test_a_value_that_nobody_reads_has_no_effect()
  self:set(services .. [[PolicyAgent\Oakley]], "NLBSFlags", "1")
  self:set(services .. "PolicyAgent", "Start", "2")
  lu.assertEquals(self:look("2003"), "pass")
  self:set(services .. "PolicyAgent", "Start", "4")
  local verdict, evidence = self:look("2003")
  lu.assertEquals(verdict, "fail")
  lu.assertEquals(evidence.summary, "NLBSFlags = 1 has no effect: the service PolicyAgent is disabled")
end

function TestTuning:test_versions_of_which_no_source_gives_a_value()
  for _, version in ipairs { "2000", "2008", "2008r2", "2012", "2022" } do
    local verdict, evidence = self:look(version)
    lu.assertEquals(verdict, "pass", version)
    lu.assertEquals(evidence.summary, "no source gives a value for Windows " .. version)
  end
  self:set(services .. [[IKEEXT\Parameters]], "NlbsIdleTime", "60")
  local _, evidence = self:look("2008")
  lu.assertEquals(evidence.named_without_a_value,
    { "NlbsIdleTime (KB 980915): dword 60", "NlbsQMRetransmitDuration (KB 980915): absent" })
end

function TestTuning:test_a_registry_that_can_not_be_read_is_unknown()
  self.place:write("site/hives/win", "no hive")
  local verdict, evidence = self:look("2003")
  lu.assertEquals(verdict, "unknown")
  lu.assertIsString(evidence.reason)
end

return TestTuning
