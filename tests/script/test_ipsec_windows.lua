-- host.ipsec:windows_* through the real program: a policy as texts for a Windows host, and texts read back.
local lu = require "luaunit"
local support = require "support"

local TestIpsecWindows = {}

function TestIpsecWindows:setUp()
  self.place = support.new_place()
  self.place:hive("site/hives/h")
  self.place:site_file [[return { api = 1, name = "test", clusters = {}, hosts = {
    h = { role = "front_end", address = "10.9.0.1", ipsec = {}, registry = { ["HKLM\\SYSTEM"] = "hives/h" } },
  } }]]
end

function TestIpsecWindows:tearDown()
  self.place:close()
end

-- What `body` returns, run as a playbook; `request` in it asks for a host of the generation.
function TestIpsecWindows:look(body)
  self.place:playbook("look", 'needs = { "ipsec.read" },', ([[
    local host = ctx.site.host("h")
    local function request(generation)
      return host.ipsec:windows_scripts {
        policy = { traffic = { { protocol = "tcp", ports = { 110, 143 } } } }, name = "staffetta-mail",
        generation = generation, secret_file = "C:\\keys\\mail.psk",
        pairs = { { local_address = "10.9.0.1", remote_address = "10.9.0.100", side = "client" } } }
    end
    local function look() %s end
    ctx:measure("seen", look())]]):format(body))
  local answer = self.place:json("run", "look")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  return answer.doc.measures.seen
end

function TestIpsecWindows:test_scripts()
  local scripts = self:look [[return (assert(request("2022")))]]
  lu.assertEquals(scripts.language, "powershell")
  lu.assertStrContains(scripts.apply, "New-NetIPsecRule")
  lu.assertStrContains(scripts.undo, "Remove-NetIPsecRule")
  lu.assertEquals(#scripts.left_out, 1)
end

function TestIpsecWindows:test_what_a_generation_can_not()
  local seen = self:look [[
    local scripts, err = request("2003")
    return { is_nil = scripts == nil, kind = err.kind, text = tostring(err) }]]
  lu.assertTrue(seen.is_nil)
  lu.assertEquals(seen.kind, "unsupported")
  lu.assertStrContains(seen.text, "ike_proposals")
  lu.assertStrContains(seen.text, "des, 3des")
  local can = self:look [[return (assert(host.ipsec:windows_capabilities("2003")))]]
  lu.assertEquals(can.tools, { "ipsec_static" })
  lu.assertEquals(can.main_mode.encryption, { "des", "3des" })
end

function TestIpsecWindows:test_read()
  local rules = self:look [[return (assert(host.ipsec:windows_read("netsh",
    "Rule Name:   staffetta-mail-1\nAction:   RequireInRequireOut\n")))]]
  lu.assertEquals(#rules, 1)
  lu.assertEquals(rules[1],
    { name = "staffetta-mail-1", is_ours = true, members = { Action = "RequireInRequireOut" } })
end

return TestIpsecWindows
