-- A marker for the pre-shared key goes through the whole job; it must be nowhere but in its file and in the daemons.
-- SPDX-License-Identifier: MIT
local lu = require "luaunit"
local lab_support = require "lab_support"

local bash, expect = lab_support.bash, lab_support.expect

local TestSecrets = {}

function TestSecrets:setUp()
  self.lab = lab_support.up()
  self.marker = ("MARKER-%d-of-the-secret"):format(os.time())
  self.log = self.lab.place.dir .. "/execve.log"
  bash(("printf '%%s\\n' %s >%s/mail.psk"):format(self.marker, self.lab.run_dir))
end

function TestSecrets:tearDown()
  local lab = self.lab
  self.lab = nil
  if lab then lab:down() end
end

-- How the marker could stand somewhere: as it is, in hex and in base64 from each of the three places in a group.
function TestSecrets:spellings()
  local list = { self.marker, (self.marker:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) }
  for skip = 0, 2 do
    local text = bash(("printf %%s %s | base64 -w0"):format(self.marker:sub(skip + 1)))
    list[#list + 1] = text:sub(1, #text // 4 * 4 - 4)
  end
  return list
end

-- The files below the folders that have it in any spelling.
function TestSecrets:files_with_it(...)
  local options = {}
  for _, spelling in ipairs(self:spellings()) do options[#options + 1] = ("-e '%s'"):format(spelling) end
  return (bash(("grep -rlaFi %s -- %s"):format(table.concat(options, " "), table.concat({ ... }, " "))))
end

-- `staffetta COMMAND ...`, with all arguments and environments of all programs that it starts in the log.
function TestSecrets:watched(command, ...)
  local place = self.lab.place
  local out = ("%s/out-%s"):format(place.dir, command)
  local _, code = bash(("%s strace -f -qq -v -s 65536 -A -o %s -e trace=execve %s %s --site %s --state %s %s >%s 2>&1")
    :format(place.environment, self.log, os.getenv("STAFFETTA"), command, place.site, place.state,
      table.concat({ ... }, " "), out))
  lu.assertEquals(code, command == "plan" and 2 or 0, lab_support.read_file(out))
end

function TestSecrets:test_it_is_nowhere_else()
  local place = self.lab.place
  self:watched("plan", "--output json", "--out " .. place.dir .. "/plan.json")
  self:watched("rollout", "--output json", "--plan " .. place.dir .. "/plan.json")
  self:watched("verify")
  self:watched("show", "--output json")
  self:watched("scripts", "list")
  self:watched("rollback", "--output json")
  self:watched("diff", "1 1")
  lu.assertTrue(#lab_support.read_file(self.log) > 1000)
  lu.assertTrue(#lab_support.read_file(place.dir .. "/out-rollout") > 1000)
  lu.assertEquals(self:files_with_it(place.dir), "") -- journal, plan, outputs, arguments
  -- the search finds it where it has to be
  lu.assertEquals(self:files_with_it(self.lab.run_dir .. "/mail.psk"), self.lab.run_dir .. "/mail.psk\n")
end

-- Prints the pids of which any readable memory has the text in the file: search.lua FILE PID...
local search_memory = [[
local file = assert(io.open(arg[1]))
local text = file:read("l")
for i = 2, #arg do
  local memory, is_found = assert(io.open(("/proc/%s/mem"):format(arg[i]), "rb")), false
  for line in io.lines(("/proc/%s/maps"):format(arg[i])) do
    local first, last, access = line:match("^(%x+)-(%x+) (%S+)")
    first, last = tonumber(first, 16), tonumber(last, 16)
    if access:sub(1, 1) == "r" and first > 0 and memory:seek("set", first) then
      local bytes = memory:read(last - first) -- nil for what the kernel lets nobody read
      is_found = is_found or (bytes and bytes:find(text, 1, true) ~= nil)
    end
  end
  if is_found then print(arg[i]) end
end
]]

-- While a run goes on that has handed the secret to charon, it is in charon and in no memory of ours: neither the
-- controller's nor an agent's. Nor does any process have it in its arguments or environment.
function TestSecrets:test_it_is_in_no_memory()
  local lab, place = self.lab, self.lab.place
  place:write("site/site.lua", (place:read("site/site.lua"):gsub('netns = "stf%-" %.%. name %.%. "%-" %.%. host_name }',
    'netns = "stf-" .. name .. "-" .. host_name, transport = "agent" }')))
  local script, seen = place:write("search.lua", search_memory), place.dir .. "/seen"
  local charon = lab:pid_of("node-a", "charon")
  local answer = lab:signalled(nil, { line = "after 'front ends require protection'", run = ([[
    ours="$pid $(pgrep -P $pid | tr '\n' ' ')"; kill -STOP $ours
    { echo ours $ours; lua5.4 %s %s/mail.psk $ours %d; grep -lzaFf %s/mail.psk /proc/[0-9]*/environ /proc/[0-9]*/cmdline
    } >%s; kill -CONT $ours]]):format(script, lab.run_dir, charon, lab.run_dir, seen) }, "rollout")
  lu.assertEquals(answer.code, 0, answer.out .. answer.err)
  local ours, found = lab_support.read_file(seen):match("^ours ([%d ]+)\n(.*)$")
  lu.assertTrue(select(2, ours:gsub("%d+", "")) >= 5, ours) -- the controller, and agents of four hosts
  lu.assertEquals(found, ("%d\n"):format(charon))
end

-- The same when things go wrong: what a failure says is kept as well.
function TestSecrets:test_it_is_in_no_error()
  bash(("chmod 644 %s/mail.psk"):format(self.lab.run_dir))
  local answer = self.lab:json("rollout")
  lu.assertEquals(answer.code, 3)
  lu.assertStrContains(answer.doc.error.message, "mail.psk")
  self.lab.place:write("answer", answer.out .. answer.err)
  lu.assertEquals(self:files_with_it(self.lab.place.dir), "")
  -- killed while the secret is on its way to charon
  bash(("chmod 600 %s/mail.psk"):format(self.lab.run_dir))
  self.lab:kill_at("host.write.before:6", "rollout")
  lu.assertEquals(self:files_with_it(self.lab.place.dir), "")
  expect(self.lab:staffetta("rollback"), 0)
end

return TestSecrets
