-- The program is killed in the middle: at every change of a rollout, in a rollback, and at any moment from outside.
-- `staffetta rollback` then puts every host back. Needs a build with fault points. SPDX-License-Identifier: MIT
local lu = require "luaunit"
local lab_support = require "lab_support"

local expect = lab_support.expect

local killed = lab_support.killed
local interrupted = 130
local change_count = 13 -- of a rollout of mail-passwords on the example site

local TestCrash = {}

function TestCrash:setUp()
  self.lab = lab_support.up()
  self.before = self.lab:snapshot()
end

function TestCrash:tearDown()
  local lab = self.lab
  self.lab = nil
  if lab then lab:down() end
end

-- After `what`: `staffetta rollback`, as a person would type it, and the hosts are as they were. Where the killed run
-- had not come to a change, there is nothing to roll back, and the program says so.
function TestCrash:expect_rollback(what)
  local answer = self.lab:json("rollback")
  local said = answer.err .. (answer.doc and answer.doc.error and answer.doc.error.message or "")
  local has_nothing = answer.code ~= 0 and said:find("no run in this journal has changes that still stand", 1, true)
  if answer.code ~= 0 and not has_nothing then
    lu.fail(("rollback after %s: exit code %d: %s"):format(what, answer.code, said))
  end
  self.lab:expect_as(self.before, (has_nothing and "%s, nothing to roll back" or "rollback after %s"):format(what))
end

-- Each change at two of the six points around it, in turn: all points, all changes, 26 kills.
function TestCrash:test_rollout_killed_around_every_change()
  local points = { "journal.intent.before", "host.write.after", "journal.done.before", "journal.intent.after",
    "host.write.before", "journal.done.after" }
  local next_point = 0
  for change = 1, change_count do
    for _ = 1, 2 do
      local point = ("%s:%d"):format(points[next_point % #points + 1], change)
      next_point = next_point + 1
      self.lab:kill_at(point, "rollout")
      self:expect_rollback("a rollout killed at " .. point)
    end
  end
  expect(self.lab:staffetta("rollout"), 0) -- and none of it is in the way of the next one
end

-- Where the journal and the run begin, between gates, and when everything stands but the run's end is not recorded.
function TestCrash:test_rollout_killed_between_changes()
  local place = self.lab.place
  local state = place.state
  for i, point in ipairs { "journal.create.before", "journal.create.after", "journal.run_begin.before",
      "journal.run_begin.after", "journal.host.after:3", "journal.script.before:2", "journal.check.before:1",
      "journal.check.after:2", "journal.check.after:8", "journal.run_end.before", "journal.run_end.after" } do
    place.state = state .. i
    self.lab:kill_at(point, "rollout")
    self:expect_rollback("a rollout killed at " .. point)
  end
end

-- The other way out: the run goes on, protects, and is put back as a whole, to what stood before its first half.
function TestCrash:test_rollout_killed_and_resumed()
  for _, point in ipairs { "host.write.after:4", "journal.done.before:9", "journal.intent.after:12",
      "journal.check.after:2", "journal.run_end.before" } do
    self.lab:kill_at(point, "rollout")
    expect(self.lab:staffetta("resume"), 0)
    expect(self.lab:staffetta("verify"), 0)
    self:expect_rollback(("a rollout killed at %s and resumed"):format(point))
  end
end

function TestCrash:test_rollback_killed_and_run_again()
  for _, points in ipairs {
    { "journal.intent.before:1" }, { "host.write.after:4" }, { "journal.done.before:7" }, { "host.write.before:13" },
    { "journal.done.after:13" }, { "journal.run_rolled_back.before" }, { "journal.run_rolled_back.after" },
    { "host.write.after:2", "journal.intent.after:3", "journal.done.before:1" },
  } do
    expect(self.lab:staffetta("rollout"), 0)
    for _, point in ipairs(points) do self.lab:kill_at(point, "rollback") end
    self:expect_rollback("a rollback killed at " .. table.concat(points, " and "))
  end
end

function TestCrash:test_rollout_killed_at_any_moment()
  local took_s = 1.2
  for i = 1, 10 do
    local wait_s = (i - math.random()) * took_s / 10
    local answer = self.lab:signalled("KILL", { wait_s = wait_s }, "rollout")
    lu.assertTrue(answer.code == killed or answer.code == 0, answer.err)
    self:expect_rollback(("a rollout killed after %.3f s"):format(wait_s))
  end
end

-- The n-th call of a thread to `syscall` is the last thing that the program does: so it dies inside a write to a host,
-- between storing a file and loading it into charon for instance. Gives how it ended.
function TestCrash:kill_after(syscall, n, command)
  return self.lab:traced(("--inject=%s:signal=KILL:when=%d"):format(syscall, n), command).code
end

function TestCrash:test_rollout_killed_inside_a_write()
  for _, syscall in ipairs { "renameat", "rename" } do
    local n = 1
    while self:kill_after(syscall, n, "rollout") == killed do
      self:expect_rollback(("a rollout killed after %s %d of a thread"):format(syscall, n))
      n = n + 1
    end
    lu.assertTrue(n > 1, "no kill after " .. syscall)
    self:expect_rollback("a rollout that ended")
  end
end

-- Every third call, for the time that it takes: each needs a rollout first.
function TestCrash:test_rollback_killed_inside_a_write()
  for _, syscall in ipairs { "renameat", "unlinkat" } do
    local n = 1
    expect(self.lab:staffetta("rollout"), 0)
    while self:kill_after(syscall, n, "rollback") == killed do
      self:expect_rollback(("a rollback killed after %s %d of a thread"):format(syscall, n))
      expect(self.lab:staffetta("rollout"), 0)
      n = n + 3
    end
    lu.assertTrue(n > 1, "no kill after " .. syscall)
  end
end

function TestCrash:test_interrupted_rollout_puts_everything_back()
  for _, signal in ipairs { "INT", "TERM", "HUP" } do
    for _, line in ipairs { "receivers permit", "negotiate the SAs", "protection stands", "the policy protects" } do
      local what = ("SIG%s at '%s'"):format(signal, line)
      local answer = self.lab:signalled(signal, { line = line }, "rollout")
      lu.assertEquals(answer.code, interrupted, what .. "\n" .. answer.out .. answer.err)
      self.lab:expect_as(self.before, what)
      lu.assertStrContains(answer.out, "rolled_back")
    end
  end
end

return TestCrash
