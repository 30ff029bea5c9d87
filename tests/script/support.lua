-- support.lua - what the script tests share: a folder of their own, files in it, the real program and its answers.
-- The program under test is named by the environment variable STAFFETTA.
local cjson = require "cjson"

local M = {}

-- One word for a shell.
local function shell_quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end
M.shell_quote = shell_quote

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end
M.read_file = read_file

-- Runs a shell command made of `format` and quoted arguments; gives its output; raises when it fails.
function M.shell(format, ...)
  local words = {}
  for i, each in ipairs { ... } do words[i] = shell_quote(each) end
  local command = format:format(table.unpack(words))
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  local ok, how, code = pipe:close()
  assert(ok, ("%s: %s %s"):format(command, how, tostring(code)))
  return text
end

local program = assert(os.getenv("STAFFETTA"), "STAFFETTA must name the program")
local make_hive = os.getenv("STAFFETTA_MAKE_HIVE")

local Place = {}
Place.__index = Place

-- A new folder with site/ and state/ in it. Remove it with place:close() (tearDown).
function M.new_place()
  local pipe = assert(io.popen("mktemp -d"))
  local dir = pipe:read("l")
  pipe:close()
  local place = setmetatable({ dir = dir, site = dir .. "/site", state = dir .. "/state" }, Place)
  os.execute("mkdir -p " .. shell_quote(place.site))
  return place
end

function Place:close()
  for _, job in ipairs(self.jobs or {}) do job:kill() end
  os.execute("rm -rf " .. shell_quote(self.dir))
end

-- Writes a file below the place, making its folders.
function Place:write(path, text)
  local full = self.dir .. "/" .. path
  os.execute("mkdir -p " .. shell_quote(full:match("^(.*)/")))
  local file = assert(io.open(full, "wb"))
  file:write(text)
  file:close()
  os.execute("chmod 644 " .. shell_quote(full))
  return full
end

function Place:read(path)
  return read_file(self.dir .. "/" .. path)
end

-- An empty registry hive below the place.
function Place:hive(path)
  local full = self.dir .. "/" .. path
  os.execute("mkdir -p " .. shell_quote(full:match("^(.*)/")))
  assert(os.execute(make_hive .. " " .. shell_quote(full)))
  return full
end

-- A playbook of the site: `fields` are the lines of its table, `body` is what run(ctx, p) does.
function Place:playbook(name, fields, body)
  return self:write(("site/playbooks/%s.lua"):format(name), ([[
return { api = 1, name = "%s", kind = "playbook", summary = "a test", %s
  run = function(ctx, p)
%s
  end }
]]):format(name, fields, body))
end

function Place:check(name, fields, body)
  return self:write(("site/checks/%s.lua"):format(name), ([[
return { api = 1, name = "%s", kind = "check", summary = "a test", %s
  run = function(ctx, p)
%s
  end }
]]):format(name, fields, body))
end

-- A site of Windows hosts that have a hive each (default: one, "win") and nothing else.
function Place:site_of(...)
  local hosts = {}
  for _, name in ipairs { ... } do
    self:hive(("site/hives/%s"):format(name))
    hosts[#hosts + 1] = ([[
    ["%s"] = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "hives/%s" } },
]]):format(name, name)
  end
  return self:site_file(('return { api = 1, name = "test", clusters = {}, hosts = {\n%s} }\n'):format(
    table.concat(hosts)))
end

-- site.lua with the text given, or the site of one host named "win".
function Place:site_file(text)
  if not text then return self:site_of("win") end
  return self:write("site/site.lua", text)
end

-- What a reader that is not ours sees in a hive: path, type and value of all that is in it, without times.
function M.reglookup(hive)
  return M.shell("reglookup -H %s 2>/dev/null | cut -d, -f1-3 | LC_ALL=C sort", hive)
end

-- Changes a hive from outside the program; `commands` are hivexsh's.
function M.hivexsh(hive, commands)
  M.shell("printf %%s %s | hivexsh -w %s", commands .. "\ncommit\n", hive)
end

-- Runs `staffetta COMMAND ARGUMENTS...` and gives { code, out, err }; `environment` is put before the command.
function M.command(arguments, environment)
  local out_path, err_path = os.tmpname(), os.tmpname()
  local words = {}
  for _, each in ipairs(arguments) do words[#words + 1] = shell_quote(each) end
  local line = ("%s %s %s </dev/null >%s 2>%s"):format(environment or "", program, table.concat(words, " "), out_path,
    err_path)
  local _, how, code = os.execute(line)
  local result = { code = how == "exit" and code or 128 + code, out = read_file(out_path), err = read_file(err_path) }
  os.remove(out_path)
  os.remove(err_path)
  return result
end

-- The same on this place's site and state.
function Place:staffetta(command, ...)
  local arguments = { command, "--site", self.site, "--state", self.state, ... }
  return M.command(arguments, self.environment)
end

-- With --output json; `answer.doc` is the decoded document.
function Place:json(command, ...)
  local answer = self:staffetta(command, "--output", "json", ...)
  local ok, doc = pcall(cjson.decode, answer.out)
  answer.doc = ok and doc or nil
  return answer
end

function Place:run(playbook, ...)
  return self:json("run", playbook, ...)
end

-- ---- crashes ----

local killed = 128 + 9

-- The names of all fault points, from the list that the program is built from.
function M.fault_points()
  local file = assert(io.open(os.getenv("STAFFETTA_SOURCE") .. "/runtime/fault.h"))
  local points = {}
  for name in file:read("a"):gmatch('X%([%u_]+, "([%l_.]+)"%)') do
    points[#points + 1] = name .. ".before"
    points[#points + 1] = name .. ".after"
  end
  file:close()
  assert(#points >= 30)
  return points
end

-- Runs the command, killed at the fault point; false when it came to its end.
function Place:kill_at(point, ...)
  self.environment = "STAFFETTA_FAULT=" .. point
  local answer = self:staffetta(...)
  self.environment = nil
  assert(answer.code == killed or answer.code == 0, point .. answer.err)
  return answer.code == killed
end

-- ---- the program in the background ----

local Job = {}
Job.__index = Job

-- Starts `staffetta COMMAND ...` and gives a job: { pid, out_path, ... }.
function Place:start(command, ...)
  self.jobs = self.jobs or {}
  local base = ("%s/job%d"):format(self.dir, #self.jobs + 1)
  local words = {}
  for _, each in ipairs { command, "--site", self.site, "--state", self.state, ... } do
    words[#words + 1] = shell_quote(each)
  end
  os.execute((": >BASE.out; { %s %s </dev/null >BASE.out 2>BASE.err & echo $! >BASE.pid; wait $!; echo $? >BASE.new; "
    .. "mv BASE.new BASE.code; } >/dev/null 2>&1 &"):format(program, table.concat(words, " ")):gsub("BASE", base))
  local job = setmetatable({ base = base }, Job)
  job.pid = M.wait_until(function() return M.exists(base .. ".pid") and read_file(base .. ".pid"):match("^(%d+)\n") end)
  self.jobs[#self.jobs + 1] = job
  return job
end

-- Ends it, however it is, unless it has ended.
function Job:kill()
  if M.exists(self.base .. ".code") then return end
  self:signal("KILL")
  self:finish()
end

-- Waits until the job has printed `text`.
function Job:wait_for(text)
  M.wait_until(function() return read_file(self.base .. ".out"):find(text, 1, true) end, text)
end

function Job:signal(name)
  M.shell("kill -%s %s", name, self.pid)
end

-- Waits for its end: { code, out, err } as of M.command.
function Job:finish()
  M.wait_until(function() return M.exists(self.base .. ".code") end, "the end of the program")
  return { code = tonumber(read_file(self.base .. ".code")), out = read_file(self.base .. ".out"),
    err = read_file(self.base .. ".err") }
end

function M.exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- Calls fn every 20 ms until it gives something true, and gives that; raises after 15 s.
function M.wait_until(fn, what)
  for _ = 1, 750 do
    local found = fn()
    if found then return found end
    os.execute("sleep 0.02")
  end
  error("waited in vain for " .. tostring(what))
end

M.null = cjson.null

return M
