-- stages.lua - how a step goes through its hosts: the options of ctx:step, checked, and the batches that they make.
-- Trusted: runs with `sys`. Must never act on a host.
local sys = ...

local M = {}

local known = { "serial", "gate", "max_fail", "retries", "deadline_ms" }

local function fail(step, format, ...)
  error({ kind = "invalid_data", op = "step", subject = step,
    message = ("step '%s': %s"):format(step, format:format(...)) }, 0)
end

local function check_integer(step, options, name, min, max)
  local value = options[name]
  if value ~= nil and (math.type(value) ~= "integer" or value < min or value > max) then
    fail(step, "%s is '%s'; expected a whole number from %d to %d", name, tostring(value), min, max)
  end
end

-- 3, or "10%" of `total` rounded up, as a number of hosts.
local function size_of(step, given, total)
  local percent = type(given) == "string" and math.tointeger(tonumber(given:match("^(%d+)%%$")))
  if percent and percent >= 1 and percent <= 100 then return (total * percent + 99) // 100 end
  if math.type(given) == "integer" and given >= 1 then return given end
  fail(step, "serial has '%s'; expected a number of hosts, or a share such as \"10%%\"", tostring(given))
end

-- The hosts in batches of the sizes that `serial` lists; the last size holds for all that follow.
local function batches_of(step, hosts, serial)
  if serial == nil then serial = "100%" end
  local sizes = {}
  for i, given in ipairs(type(serial) == "table" and serial or { serial }) do
    sizes[i] = size_of(step, given, math.max(#hosts, 1))
  end
  if #sizes == 0 then fail(step, "serial is empty; expected sizes of batches, such as { 1, \"10%%\", \"100%%\" }") end
  local batches, first = {}, 1
  while first <= #hosts do
    local size = sizes[math.min(#batches + 1, #sizes)]
    batches[#batches + 1] = table.move(hosts, first, math.min(first + size - 1, #hosts), 1, {})
    first = first + size
  end
  return batches
end

-- What ctx:step needs to know: { batches, gate, max_fail, retries, deadline_ms }.
function M.plan(step, hosts, options)
  options = options or {}
  if type(options) ~= "table" then fail(step, "its options are a %s; expected a table", type(options)) end
  for key in pairs(options) do
    local nearest = type(key) == "string" and sys.nearest(key, known)
    local is_known = false
    for _, each in ipairs(known) do is_known = is_known or each == key end
    if not is_known then
      fail(step, "there is no option '%s'%s", tostring(key), nearest and ("; did you mean '" .. nearest .. "'?") or
        "; there are '" .. table.concat(known, "', '") .. "'")
    end
  end
  check_integer(step, options, "max_fail", 0, 1000000)
  check_integer(step, options, "retries", 0, 100)
  check_integer(step, options, "deadline_ms", 1, 3600000)
  local gate = options.gate
  if gate ~= nil and type(gate) ~= "table" and type(gate) ~= "function" then
    fail(step, "gate is a %s; expected a list of checks, or a function(hosts) that gives one", type(gate))
  end
  return { batches = batches_of(step, hosts, options.serial), gate = gate, max_fail = options.max_fail or 0,
    retries = options.retries or 0, deadline_ms = options.deadline_ms }
end

return M
