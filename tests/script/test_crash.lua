-- The program is killed at every point around a change whose undo is armed on the host, and at every point of a
-- rollback. Needs a build with fault points.
local lu = require "luaunit"
local support = require "support"

local TestCrash = {}

local needs = [[needs = { "registry.read", "registry.write" },]]
local body = [[
  ctx:step("set", ctx.site.hosts(), function(host)
    assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "dword", 1))
  end)
]]

-- A site of two hosts, whose undo is armed when there is a time.
function TestCrash:new_place(confirm_within_ms)
  local place = support.new_place()
  self.places[#self.places + 1] = place
  place:site_of("win-a", "win-b")
  if confirm_within_ms then
    local site = place:read("site/site.lua")
    place:site_file((site:gsub("api = 1,", ("api = 1, confirm_within_ms = %d,"):format(confirm_within_ms))))
  end
  place:playbook("try", needs, body)
  return place
end

local function standing(place)
  return support.reglookup(place.site .. "/hives/win-a") .. support.reglookup(place.site .. "/hives/win-b")
end

-- The undos that are armed: the hosts of this test keep them in the state folder.
local function armed(place)
  return support.shell("ls %s/armed 2>/dev/null | grep '[.]armed$' || true", place.state)
end

-- Whether a process waits for one of them to be due.
local function is_waiting(place)
  return support.shell("pgrep -f %s || true", "[u]ndo " .. place.state) ~= ""
end

function TestCrash:setUp()
  self.places = {}
end

function TestCrash:tearDown()
  for _, place in ipairs(self.places) do place:close() end -- an undo that waits ends when its file is gone
end

-- One place for each kill at each point that `command` reaches, after `prepare`: { place, what, point }.
function TestCrash:kill_at_all(points, confirm_within_ms, prepare, ...)
  local kills = {}
  for _, point in ipairs(points) do
    local hit, is_killed = 0
    repeat
      hit = hit + 1
      local place = self:new_place(confirm_within_ms)
      if prepare then prepare(place) end
      is_killed = place:kill_at(("%s:%d"):format(point, hit), ...)
      if is_killed then kills[#kills + 1] = { place = place, point = point, what = ("%s:%d"):format(point, hit) } end
    until not is_killed
  end
  lu.skipIf(#kills == 0, "this build has no fault points")
  return kills
end

local around_a_change = { "journal.intent.before", "journal.intent.after", "host.arm.before", "host.arm.after",
  "host.write.before", "host.write.after", "journal.done.before", "journal.done.after" }
local around_the_end = { "host.confirm.before", "host.confirm.after", "journal.run_end.before" }

local function rolls_back(kill, before)
  local answer = kill.place:staffetta("rollback")
  local said = answer.out .. answer.err
  local has_nothing = said:find("no run in this journal has changes that still stand", 1, true) ~= nil
  lu.assertTrue(answer.code == 0 or has_nothing, kill.what .. said)
  lu.assertEquals(standing(kill.place), before, kill.what)
  lu.assertEquals(armed(kill.place), "", kill.what)
end

-- Nobody comes: each host puts itself back. Where some hosts were confirmed before the kill, a rollback does the rest.
function TestCrash:test_hosts_undo_by_themselves()
  local before = standing(self:new_place())
  local kills = self:kill_at_all(around_a_change, 1000, nil, "run", "try")
  local changes = #kills
  table.move(self:kill_at_all(around_the_end, 1000, nil, "run", "try"), 1, 100, changes + 1, kills)
  lu.assertEquals({ changes, #kills }, { 16, 21 })
  for i, kill in ipairs(kills) do
    support.wait_until(function() return not is_waiting(kill.place) end, "the undo after " .. kill.what)
    if i <= changes then lu.assertEquals(standing(kill.place), before, kill.what) end
    rolls_back(kill, before)
  end
end

-- The host restarted: its process is gone with it, and the boot is another. What systemd starts then does it at once.
function TestCrash:test_a_restarted_host_puts_itself_back()
  local before = standing(self:new_place())
  for _, kill in ipairs(self:kill_at_all({ "host.write.after" }, 60000, nil, "run", "try")) do
    local place = kill.place
    support.shell("kill -KILL $(pgrep -f %s)", "[u]ndo " .. place.state)
    support.shell([[sed -i 's/"boot":"[^"]*"/"boot":"another"/' %s/armed/*.armed]], place.state)
    lu.assertNotEquals(armed(place), "")
    local answer = support.command { "undo", place.state .. "/armed" }
    lu.assertEquals({ answer.code, answer.out, answer.err }, { 0, "", "" }, kill.what)
    lu.assertEquals({ standing(place), armed(place) }, { before, "" }, kill.what)
    lu.assertStrMatches(support.shell("cat %s/armed/*.undone", place.state), '.*"outcome": "undone".*')
  end
end

-- Somebody comes in time.
function TestCrash:test_armed_runs_are_resumed_or_rolled_back()
  local first = self:new_place()
  local before = standing(first)
  lu.assertEquals(first:staffetta("run", "try").code, 0)
  local after = standing(first)
  for i, kill in ipairs(self:kill_at_all(around_a_change, 60000, nil, "run", "try")) do
    if i % 2 == 0 then
      lu.assertEquals(kill.place:staffetta("resume").code, 0, kill.what)
      lu.assertEquals({ standing(kill.place), armed(kill.place) }, { after, "" }, kill.what)
    end
    rolls_back(kill, before)
  end
end

function TestCrash:test_every_crash_of_a_rollback()
  local before = standing(self:new_place())
  local kills = self:kill_at_all(support.fault_points(), nil, function(place)
    lu.assertEquals(place:staffetta("run", "try").code, 0)
  end, "rollback")
  for _, kill in ipairs(kills) do
    rolls_back(kill, before)
    lu.assertEquals(kill.place:json("show", "1").doc.run.state, "rolled_back", kill.what)
  end
  lu.assertTrue(#kills >= 30, #kills)
end

return TestCrash
