-- A cluster with a Windows front end: the bundled playbooks put the policy on it with its own tools and take it off
-- again. Its tools are the stand-in tests/support/windows_host.lua, its IKE a charon that speaks IKEv1 as Windows does;
-- what a real Windows does with these commands this can not tell. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local lab_support = require "lab_support"

local bash, expect = lab_support.bash, lab_support.expect
local stand_in = assert(os.getenv("STAFFETTA_WINDOWS_HOST"), "STAFFETTA_WINDOWS_HOST must name the stand-in")

local TestWindows = {}

local foreign = "policy|Server (Request Security)|assigned=yes\n"

-- The example site with the front end win2 in place of win-fe1. Its charon and its namespace are the lab's.
local function site_of(text)
  text = lab_support.edit(text, [[
    ["win-fe1"] = {
      role = "front_end",
      windows = "2003",
      registry = { ["HKLM\\SYSTEM"] = run .. "/win-fe1/SYSTEM" },
    },
]], ([[
    ["win2"] = (function()
      local win = ipsec_host("win2", "front_end", "10.9.0.2")
      win.windows = "2003"
      win.ipsec.driver, win.ipsec.id = "windows", nil
      win.ipsec.netsh = { "lua5.4", %q, run .. "/win2/objects", "netsh" }
      return win
    end)(),
]]):format(stand_in))
  return lab_support.edit(text, '"fe1", "win-fe1"', '"fe1", "win2"')
end

local policy = [[
return { api = 1, name = "old-peers", kind = "policy", summary = "a test", extends = "mail-passwords",
  policy = {
    ike_proposals = { "aes128gcm16-prfsha256-x25519", "aes128-sha256-ecp256-modp2048", "3des-sha1-modp2048" },
    esp_proposals = { "aes128gcm16", "aes128-sha256", "3des-sha1" },
    allow_weak = { { algorithm = "3des", peers = { "win2" } }, { algorithm = "sha1", peers = { "win2" } } },
  } }
]]

-- What stands for the IKE of Windows: it answers, and asks for nothing by itself.
local ike_of_windows = [[
connections { windows { version = 1
  local_addrs = 10.9.0.2
  remote_addrs = 10.9.0.100
  proposals = 3des-sha1-modp2048
  encap = ENCAP
  local { auth = psk }
  remote { auth = psk }
  children { POP3 IMAP }
} }
secrets { ike-1 { secret = "KEY" } }
]]

function TestWindows:setUp()
  local lab = lab_support.up { site = site_of }
  self.lab = lab
  lab.hosts = { "fe1", "node-a", "node-b", "witness", "win2" }
  bash(("mkdir -p %s/win2/objects"):format(lab.run_dir))
  self:store("objects", foreign)
  lab.place:write("site/policies/old-peers.lua", policy)
  self.is_userland = lab:swanctl("win2", "--stats"):find("kernel-libipsec", 1, true) ~= nil
end

function TestWindows:tearDown()
  local lab = self.lab
  self.lab = nil
  if lab then
    bash(("rm -rf %s/win2/objects"):format(lab.run_dir))
    lab:down()
  end
end

function TestWindows:store(name, text)
  local file = assert(io.open(("%s/win2/objects/%s"):format(self.lab.run_dir, name), "wb"))
  file:write(text)
  file:close()
end

function TestWindows:objects()
  return lab_support.read_file(self.lab.run_dir .. "/win2/objects/objects")
end

-- The lab's key for charon on win2, as an administrator has put it into Windows.
function TestWindows:start_ike()
  local key = lab_support.read_file(self.lab.run_dir .. "/mail.psk"):gsub("%s+$", "")
  local function child(port)
    return ([[
      p%d { mode = %s
        local_ts = dynamic[tcp]
        remote_ts = dynamic[tcp/%d]
        esp_proposals = 3des-sha1 }
    ]]):format(port, self.is_userland and "tunnel" or "transport", port)
  end
  local text = ike_of_windows:gsub("%u%u%u+%d?", { ENCAP = self.is_userland and "yes" or "no", KEY = key,
    POP3 = child(110), IMAP = child(143) })
  local path = self.lab.place:write("site/windows.conf", text)
  lu.assertStrContains(self.lab:swanctl("win2", "--load-all --file " .. path), "loaded connection 'windows'")
end

local parameter = "policy=old-peers"

function TestWindows:test_plan_rollout_verify_rollback()
  local lab = self.lab
  self:start_ike()
  local before = lab:snapshot()

  local plan = expect(lab:staffetta("plan", "--param", parameter), 2)
  lu.assertStrContains(plan.out, "Windows 2003: 10.9.0.2 -> 10.9.0.100 tcp/110,143 require, IKEv1")
  lu.assertEquals(self:objects(), foreign)

  expect(lab:staffetta("rollout", "--param", parameter), 0)
  local objects = self:objects()
  lu.assertStrContains(objects, "policy|staffetta-old-peers|assigned=yes")
  lu.assertStrContains(objects, "policy|Server (Request Security)|assigned=no")
  lu.assertStrContains(objects, "soft=no")
  lu.assertStrContains(lab:swanctl("node-a", "--list-sas"), "ESTABLISHED, IKEv1")
  lu.assertStrContains(lab:swanctl("node-a", "--list-sas"), "ESTABLISHED, IKEv2") -- fe1, beside it
  expect(lab:staffetta("verify", "--param", parameter), 0)
  expect(lab:staffetta("plan", "--param", parameter), 0)

  -- an administrator's hand is seen
  self:store("objects", (objects:gsub("soft=no", "soft=yes")))
  local verify = expect(lab:json("verify", "--param", parameter), 3).doc
  lu.assertEquals(lab_support.checks_with("fail", verify.checks), { "policy-in-place win2" })
  self:store("objects", objects)

  expect(lab:staffetta("rollback"), 0)
  lu.assertEquals(self:objects(), foreign)
  bash(("swanctl --terminate --ike windows --force --uri unix://%s/win2/charon.vici"):format(lab.run_dir))
  lab:expect_as(before, "rollback")
end

function TestWindows:test_a_command_that_fails_takes_all_back()
  self:start_ike()
  local before = self.lab:snapshot()
  self:store("fail_at", "9")
  local report = expect(self.lab:json("rollout", "--param", parameter), 3).doc
  lu.assertStrContains(report.error.message, "can not do that now")
  lu.assertEquals(report.state, "rolled_back")
  lu.assertEquals(self:objects(), foreign)
  self.lab:expect_as(before, "a rollout that failed")
end

function TestWindows:test_what_windows_can_not_is_told_first()
  local report = expect(self.lab:json("plan"), 1).doc
  lu.assertStrContains(report.error.message, "'ike_proposals'")
  lu.assertStrContains(report.error.message, "Windows Server 2003")
end

return TestWindows
