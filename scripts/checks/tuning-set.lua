local tuning = require "failover_tuning"

-- "dword 1", "absent".
local function words(found)
  return found and ("%s %s"):format(found.type, tostring(found.value)) or "absent"
end

-- What can be seen of the effect from here: a service that never runs reads no value.
local function is_disabled(registry, service)
  local start = tuning.start_of(service)
  local found, err = registry:get(start.key, start.name)
  if err then return nil, err end
  return found ~= nil and found.value == start.disabled
end

-- Values that a source names without saying what to set: shown as they stand, and nothing depends on them.
local function named_only(registry, windows)
  local seen = {}
  for _, entry in ipairs(tuning.entries_for(windows)) do
    if entry.value == nil then
      local found, err = registry:get(entry.key, entry.name)
      if err then return nil, err end
      seen[#seen + 1] = ("%s (%s): %s"):format(entry.name, entry.source, words(found))
    end
  end
  return seen
end

return {
  api = 1,
  name = "tuning-set",
  kind = "check",
  summary = "The failover tuning for this Windows version stands in the registry",
  needs = { "registry.read" },

  run = function(ctx)
    local host = ctx.host
    local seen, err = named_only(host.registry, host.windows)
    if not seen then return "unknown", { reason = tostring(err) } end
    local evidence = { named_without_a_value = seen }
    local wanted = tuning.values_for(host.windows)
    if #wanted == 0 then
      evidence.summary = ("no source gives a value for Windows %s"):format(host.windows)
      return "pass", evidence
    end
    local set = {}
    for _, entry in ipairs(wanted) do
      local found
      found, err = host.registry:get(entry.key, entry.name)
      if err then return "unknown", { reason = tostring(err) } end
      if not found or found.type ~= entry.type or found.value ~= entry.value then
        evidence.summary = ("%s is %s, expected %s %s (%s): %s"):format(entry.name, words(found), entry.type,
          tostring(entry.value), entry.source, entry.default)
        return "fail", evidence
      end
      local disabled
      disabled, err = is_disabled(host.registry, entry.service)
      if disabled == nil then return "unknown", { reason = tostring(err) } end
      if disabled then
        evidence.summary = ("%s = %s has no effect: the service %s is disabled"):format(entry.name,
          tostring(entry.value), entry.service)
        return "fail", evidence
      end
      set[#set + 1] = ("%s = %s"):format(entry.name, tostring(entry.value))
    end
    evidence.summary = table.concat(set, ", ") .. "; value set, effect not observable from here"
    return "pass", evidence
  end,
}
