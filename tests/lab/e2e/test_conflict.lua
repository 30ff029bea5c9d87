-- Somebody changes by hand what a rollout wrote: rollback refuses, says what is in the way, touches nothing; by force
-- it puts back. Must never take a refusal for granted: the hosts are compared. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local lab_support = require "lab_support"

local bash, expect = lab_support.bash, lab_support.expect

local needs_human = 5

local TestConflict = {}

-- A lab with a rollout: self.before is what stood before it, self.rollout its report.
function TestConflict:setUp()
  self.lab = lab_support.up()
  self.before = self.lab:snapshot()
  self.rollout = expect(self.lab:json("rollout"), 0).doc
end

function TestConflict:tearDown()
  local lab = self.lab
  self.lab = nil
  if lab then lab:down() end
end

-- After `damage`: rollback refuses and names `words`, nothing is touched, and with --force all is as before.
function TestConflict:expect_refused(words, damage)
  local out, code = damage(self.lab)
  lu.assertEquals(code, 0, out)
  local damaged = self.lab:snapshot()
  local refused = expect(self.lab:staffetta("rollback"), needs_human)
  lu.assertStrContains(refused.err, "nothing was touched")
  for _, each in ipairs(words) do lu.assertStrContains(refused.err, each) end
  self.lab:expect_as(damaged, "a rollback that refused")

  local forced = expect(self.lab:json("rollback", "--force"), 0).doc
  lu.assertEquals(forced.state, "done")
  self.lab:expect_as(self.before, "a rollback by force")
  lu.assertEquals(expect(self.lab:json("runs"), 0).doc[3].state, "rolled_back")
end

function TestConflict:test_value_and_guard_changed_by_hand()
  self:expect_refused({ "NLBSFlags on win-fe1: was absent, the run wrote dword 1", "now dword 2",
    "guard staffetta-mail-passwords-mail on node-a" }, function(lab)
    lab:on("node-a", "nft insert rule inet staffetta_mail_passwords_mail in tcp dport 143 accept")
    return lab:set_oakley(2)
  end)
end

function TestConflict:test_guard_removed_and_another_made()
  self:expect_refused({ "guard staffetta-mail-passwords-mail on fe1" }, function(lab)
    return lab:on("fe1", [[
      nft delete table inet staffetta_mail_passwords_mail &&
      nft add table inet staffetta_mail_passwords_mail
    ]])
  end)
end

-- What somebody has removed is what stood before: nothing to do there, and no conflict.
function TestConflict:test_guard_removed_by_hand_is_nothing_to_put_back()
  self.lab:on("node-b", "nft delete table inet staffetta_mail_passwords_mail")
  local report = expect(self.lab:json("rollback"), 0).doc
  lu.assertEquals(report.state, "done")
  self.lab:expect_as(self.before, "a rollback")
end

-- The file can not be read as ours any more, so a rollback can not tell whether force would overwrite a person's work.
function TestConflict:test_connection_file_edited_by_hand()
  local path = self.lab.run_dir .. "/node-b/conf.d/staffetta-mail-passwords-fe1.conf"
  bash(("cp %s %s/kept && sed -i 's/aes128gcm16/aes256gcm16/' %s"):format(path, self.lab.place.dir, path))
  local damaged = self.lab:snapshot()
  lu.assertStrContains(expect(self.lab:staffetta("rollback"), needs_human).err, "staffetta-mail-passwords-fe1")
  self.lab:expect_as(damaged, "a rollback that refused")
  bash(("cp %s/kept %s"):format(self.lab.place.dir, path))
  expect(self.lab:staffetta("rollback"), 0)
  self.lab:expect_as(self.before, "a rollback of the file as it was")
end

-- A daemon that was restarted has none of what the files say; that is nobody's change, and no force is needed.
function TestConflict:test_daemon_restarted_in_between()
  local lab = self.lab
  local folder = lab.run_dir .. "/node-b"
  bash(("kill %d; sleep 0.3"):format(lab:pid_of("node-b", "charon")))
  bash(([[
    $STAFFETTA lab exec --name %s node-b /usr/sbin/charon-systemd >/dev/null 2>&1 &
    until swanctl --stats --uri unix://%s/charon.vici >/dev/null 2>&1; do sleep 0.02; done
  ]]):format(lab.name, folder))
  lu.assertNotStrContains(lab:swanctl("node-b", "--list-conns"), "staffetta-")
  expect(lab:staffetta("rollback"), 0)
  lab:expect_as(self.before, "a rollback after a restart of charon")
end

return TestConflict
