-- What goes wrong is noticed by the right check and named, and a rollout that fails leaves every host as it was.
-- Must never count a failure as noticed when only the exit code tells. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local cjson = require "cjson"
local lab_support = require "lab_support"

local bash, expect = lab_support.bash, lab_support.expect

local function tear_down(self)
  local lab = self.lab
  self.lab = nil
  if lab then lab:down() end
end

-- ---- rollouts that fail ----

local TestFailure = { tearDown = tear_down }

function TestFailure:up(options)
  self.lab = lab_support.up(options)
  return self.lab
end

-- A rollout ends with `code` and all words of `said` in its message; the hosts are as in `before`.
local function expect_rollout_fails(lab, before, code, said, ...)
  local report = expect(lab:json("rollout", ...), code).doc
  for _, words in ipairs(said) do lu.assertStrContains(report.error.message, words) end
  lab:expect_as(before, "a rollout that failed")
  return report
end

function TestFailure:test_check_of_the_site_fails_at_the_last_gate()
  local lab = self:up()
  local before = lab:snapshot()
  lab.place:check("no-clear-text", [[overrides = "no-clear-text",
    params = { policy = { type = "policy", doc = "" }, cluster = { type = "cluster", doc = "" } },]],
    [[ return "fail", { summary = "the site says no" } ]])
  local report = expect_rollout_fails(lab, before, 3, { "the policy protects", "no-clear-text", "the site says no" })
  lu.assertEquals(report.state, "rolled_back")
  lu.assertEquals(report.rollback.undone, 16)
  lu.assertEquals(lab_support.checks_with("fail", report.checks), { "no-clear-text" })
  local passed = table.concat(lab_support.checks_with("pass", report.checks), "\n")
  lu.assertStrContains(passed, "kernel-as-before fe1\nkernel-as-before node-a\nkernel-as-before node-b")
end

-- Unknown is not a pass: a gate that could not look ends the run, too.
function TestFailure:test_check_that_could_not_look_is_no_pass()
  local lab = self:up { site = function(text)
    return lab_support.edit(text, '["witness"] = host("witness", "witness", "10.9.0.50"),', "") end }
  lab.hosts = { "fe1", "node-a", "node-b" }
  local before = lab:snapshot()
  local report = expect_rollout_fails(lab, before, 3, { "no-clear-text", "unknown", "no host with role 'witness'" })
  lu.assertEquals(report.state, "rolled_back")
end

-- The hosts are asked before the first is touched.
function TestFailure:test_daemon_of_the_second_node_is_dead()
  local lab = self:up()
  bash(("kill -9 %d; sleep 0.2"):format(lab:pid_of("node-b", "charon")))
  local before = lab:snapshot()
  local report = expect_rollout_fails(lab, before, 3, { "node-b" })
  lu.assertEquals(report.state, "failed")
  lu.assertEquals(report.counts.rolled_back or 0, 0)
end

-- A rollout during which a process gets a signal as the step begins; its last event.
local function rollout_with_signal(lab, step, signal, pid)
  local script = [[
    "$STAFFETTA" rollout --site %s --state %s --output ndjson 2>/dev/null | while IFS= read -r line; do
      case $line in *'"step":"%s"'*) kill -%s %d ;; esac
      printf '%%s\n' "$line"
    done
  ]]
  local out = bash(script:format(lab.place.site, lab.place.state, step, signal, pid))
  return cjson.decode(out:match("([^\n]+)\n$"))
end

-- It answers nothing, not even to the undoing, and goes on later: what was asked of it meanwhile must not come late.
function TestFailure:test_daemon_of_the_second_node_stands_still()
  local lab = self:up()
  local before = lab:snapshot()
  local charon = lab:pid_of("node-b", "charon")
  local last = rollout_with_signal(lab, "give every member its secret", "STOP", charon)
  bash(("kill -CONT %d; sleep 0.5"):format(charon))
  lu.assertEquals(last.exit_code, 5)
  lu.assertStrContains(last.error.message, "node-b")
  expect(lab:staffetta("rollback"), 0)
  lab:expect_as(before, "a rollout that timed out")
end

function TestFailure:test_secret_that_others_may_read()
  local lab = self:up()
  bash(("chmod 644 %s/mail.psk"):format(lab.run_dir))
  expect_rollout_fails(lab, lab:snapshot(), 3, { "mail.psk", "chmod 600" })
end

function TestFailure:test_secret_that_is_not_there()
  local lab = self:up()
  bash(("rm %s/mail.psk"):format(lab.run_dir))
  expect_rollout_fails(lab, lab:snapshot(), 3, { "mail.psk" })
end

function TestFailure:test_secrets_that_differ()
  local lab = self:up()
  local psk = lab.run_dir .. "/mail.psk"
  local before = lab:snapshot()
  bash(("cp -p %s %s.right && head -c 30 /dev/urandom | base64 >%s"):format(psk, psk, psk))
  -- fe1 gets a wrong one, and keeps it: setting the same document again changes nothing
  lab.place:playbook("wrong-secret", [[needs = { "ipsec.write" },]], ([[
    ctx:step("wrong", { ctx.site.host("fe1") }, function(host)
      assert(host.ipsec:set_secret("staffetta-secret-mail", { file = %q, owners = { "fe1", "mail" } }))
    end)
  ]]):format(psk))
  expect(lab:staffetta("run", "wrong-secret"), 0)
  bash(("mv %s.right %s"):format(psk, psk))
  local with_wrong_secret = lab:snapshot()
  expect_rollout_fails(lab, with_wrong_secret, 3, { "negotiate the SAs", "AUTH" })
  expect(lab:staffetta("rollback"), 0)
  lab:expect_as(before, "rollback of the wrong secret")
end

function TestFailure:test_foreign_connection_of_our_name()
  local lab = self:up()
  local file = lab.place:write("tmp/foreign.conf", [[
    connections { staffetta-mail-passwords-fe1 { remote_addrs = 10.9.0.1
      local { auth = psk }
      remote { auth = psk }
      children { theirs { } } } }
  ]])
  bash(("swanctl --load-conns --file %s --uri unix://%s/node-a/charon.vici"):format(file, lab.run_dir))
  os.remove(file)
  local before = lab:snapshot()
  lu.assertStrContains(before, "theirs: TUNNEL")
  expect_rollout_fails(lab, before, 3, { "node-a", "staffetta-mail-passwords-fe1", "did not load" })
end

-- A mistake in a policy is found before the run begins: no host is touched, and no run is in the journal.
function TestFailure:test_policy_with_a_mistake()
  local lab = self:up()
  local before = lab:snapshot()
  lab.place:write("site/policies/odd.lua", [[
    return { api = 1, name = "odd", kind = "policy", summary = "a test", extends = "mail-passwords",
      policy = { esp_proposals = { "rot13" } } }
  ]])
  expect_rollout_fails(lab, before, 1, { "the policy 'odd'", "'esp_proposals[0]' is \"rot13\"", "expected algorithms" },
    "--param", "policy=odd")
  lu.assertEquals(#expect(lab:json("runs"), 0).doc, 0)
end

-- All of the policy's proposals for IKE itself are such that only IKEv2 has them: told in the plan, with what to do.
function TestFailure:test_a_proposal_that_ikev1_can_not_do()
  local lab = self:up { site = function(text)
    return lab_support.edit(text, '["fe1"] = ipsec_host("fe1", "front_end", "10.9.0.1"),',
      '["fe1"] = (function() local h = ipsec_host("fe1", "front_end", "10.9.0.1"); h.ipsec.ike_version = 1; '
      .. 'return h end)(),') end }
  local before = lab:snapshot()
  lab.place:write("site/policies/modern.lua", [[
    return { api = 1, name = "modern", kind = "policy", summary = "a test", extends = "mail-passwords",
      policy = { ike_proposals = { "aes128gcm16-prfsha256-x25519", "aes128-sha256-x25519" } } }
  ]])
  for command, code in pairs { plan = 1, rollout = 3 } do
    local err = expect(lab:json(command, "--param", "policy=modern"), code).doc.error
    lu.assertStrContains(err.message, "'ike_proposals' has nothing that IKEv1 can do")
    lu.assertStrContains(err.expected, "aes128-sha256-modp2048")
    lu.assertEquals(err.found, '["aes128gcm16-prfsha256-x25519","aes128-sha256-x25519"]')
    lu.assertStrContains(err.remedy, "ipsec.ike_version = 2")
  end
  lab:expect_as(before, "a policy that a peer can not do")
end

function TestFailure:test_nothing_is_begun_with_wrong_arguments()
  local lab = self:up()
  local before = lab:snapshot()
  lu.assertStrContains(expect(lab:staffetta("rollout", "--param", "policy=mail-pasword"), 1).err, "mail-pasword")
  lu.assertStrContains(expect(lab:staffetta("rollout", "--param", "polizy=mail-all"), 1).err, "policy")
  lu.assertEquals(expect(lab:staffetta("rollout", "--nonsense"), 64).out, "")
  lab:expect_as(before, "a rollout that was not begun")
  lu.assertEquals(#expect(lab:json("runs"), 0).doc, 0)
end

-- ---- damage after a rollout, noticed by verify ----

-- Does the damage to a lab where the policy stands. verify's exit code is `code`, and what does not pass is `wrong`:
-- lists of "check host" by verdict.
function TestFailure:expect_noticed(damage, code, wrong)
  local lab = self:up()
  expect(lab:staffetta("rollout"), 0)
  local out, damage_code = damage(lab)
  lu.assertEquals(damage_code, 0, out)
  local report = expect(lab:json("verify"), code).doc
  for _, verdict in ipairs { "fail", "unknown" } do
    lu.assertEquals(lab_support.checks_with(verdict, report.checks), wrong[verdict] or {}, verdict)
  end
  return report
end

function TestFailure:test_guard_of_the_holder_removed()
  self:expect_noticed(function(lab)
    return lab:on("node-a", "nft delete table inet staffetta_mail_passwords_mail")
  end, 3, { fail = { "no-clear-text", "policy-in-place node-a" } })
end

function TestFailure:test_guard_of_the_front_end_removed()
  local report = self:expect_noticed(function(lab)
    return lab:on("fe1", "nft delete table inet staffetta_mail_passwords_mail")
  end, 3, { fail = { "policy-in-place fe1" } })
  for _, check in ipairs(report.checks) do
    if check.verdict == "fail" then lu.assertStrContains(check.evidence.summary, "guard") end
  end
end

function TestFailure:test_guard_that_lets_one_port_through()
  self:expect_noticed(function(lab)
    return lab:on("node-a", [[
      nft insert rule inet staffetta_mail_passwords_mail in tcp dport 143 accept
      nft insert rule inet staffetta_mail_passwords_mail out tcp sport 143 accept
    ]])
  end, 3, { fail = { "no-clear-text", "policy-in-place node-a" } })
end

function TestFailure:test_connection_file_edited_by_hand()
  local report = self:expect_noticed(function(lab)
    return bash(("sed -i 's/aes128gcm16/aes256gcm16/' %s/node-b/conf.d/staffetta-mail-passwords-fe1.conf"):format(
      lab.run_dir))
  end, 3, { fail = { "policy-in-place node-b" } })
  for _, check in ipairs(report.checks) do
    if check.verdict == "fail" then
      lu.assertStrContains(check.evidence.summary, "staffetta-mail-passwords-fe1.conf")
      lu.assertEquals(check.evidence.edit, { field = "connections.staffetta-mail-passwords-fe1.proposals",
        expected = "aes128gcm16-prfsha256-x25519, aes128-sha256-ecp256-modp2048",
        found = "aes256gcm16-prfsha256-x25519, aes128-sha256-ecp256-modp2048" })
      lu.assertStrContains(check.evidence.summary, "proposals is aes256gcm16-prfsha256-x25519, ")
    end
  end
end

function TestFailure:test_connection_lost_by_the_daemon()
  self:expect_noticed(function(lab)
    local empty = lab.place:write("tmp/empty.conf", "connections { }\n")
    local out, code = bash(("swanctl --load-conns --file %s --uri unix://%s/node-b/charon.vici"):format(empty,
      lab.run_dir))
    os.remove(empty)
    return out, code
  end, 3, { fail = { "policy-in-place node-b" } })
end

function TestFailure:test_associations_terminated()
  self:expect_noticed(function(lab)
    return lab:swanctl("node-a", "--terminate --ike staffetta-mail-passwords-fe1")
  end, 3, { fail = { "answers-protected fe1", "sa-installed node-a" }, unknown = { "one-sa-per-peer" } })
end

-- An operator's connection beside ours: the node answers it by ours, and has two SAs with the front end.
function TestFailure:test_a_peer_with_two_associations()
  local ours, both = "conf.d/staffetta-mail-passwords-mail.conf", "both.conf"
  local report = self:expect_noticed(function(lab)
    -- charon would use the SA that is there for a connection with the same proposals
    local other = "s/staffetta-mail-passwords-mail/by-hand/; s/aes128gcm16-prf[^,]*, //"
    bash(("cd %s/fe1 && { cat %s; sed '%s' %s; } >%s"):format(lab.run_dir, ours, other, ours, both))
    lab:swanctl("fe1", ("--load-conns --file %s/fe1/%s"):format(lab.run_dir, both))
    return lab:swanctl("fe1", "--initiate --child by-hand")
  end, 3, { fail = { "one-sa-per-peer" } })
  for _, check in ipairs(report.checks) do
    if check.check == "one-sa-per-peer" then
      lu.assertEquals(check.evidence.summary, "2 SAs of the virtual IP with 10.9.0.1, on node-a, node-a")
    end
  end
  local lab = self.lab
  lu.assertStrContains(lab:swanctl("fe1", "--terminate --ike by-hand"), "terminate completed successfully")
  lab:swanctl("fe1", ("--load-conns --file %s/fe1/%s"):format(lab.run_dir, ours))
  bash(("rm %s/fe1/%s"):format(lab.run_dir, both))
  expect(lab:staffetta("verify"), 0)
end

function TestFailure:test_registry_value_changed()
  local report = self:expect_noticed(function(lab) return lab:set_oakley(0) end, 3, { fail = { "tuning-set win-fe1" } })
  local summary
  for _, check in ipairs(report.checks) do -- in the order in which they ended
    if check.check == "tuning-set" then summary = check.evidence.summary end
  end
  lu.assertStrContains(summary, "NLBSFlags is dword 0")
end

return TestFailure
