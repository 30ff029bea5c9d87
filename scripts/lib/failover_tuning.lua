-- failover_tuning.lua - the registry values of a Windows front end that shorten a crash failover, by Windows version,
-- as the sources tell them (docs/sources.md). Data only. What no source says is "not published", and is never set.
local M = {}

local services = [[HKLM\SYSTEM\CurrentControlSet\Services]]

-- Each entry: where the value is (`key`, `name`), the service that reads it (`service`), what to set (`type`, `value`;
-- nil when no source says so), its `unit`, what holds without it (`default`), its documented `effect`, the `source`.
local nlbs_flags = {
  key = services .. [[\PolicyAgent\Oakley]], name = "NLBSFlags", service = "PolicyAgent", type = "dword", value = 1,
  unit = "flag", default = "absent: the idle timer is 5 minutes, a crash costs 6",
  effect = "the idle timer is 1 minute, a crash costs 2", source = "KB 821839",
}

-- KB 980915 names these two for a front end that has its hotfix; it says that reconnecting takes 2 to 3 minutes
-- without. Its section with types, units and data is not among what could be read.
local function named_only(service, key, name)
  return {
    key = services .. key, name = name, service = service, unit = "not published", default = "not published",
    effect = "a front end reconnects sooner when a node, or a host, comes back within minutes", source = "KB 980915",
  }
end

local entries = {
  ["2000"] = {}, -- the 6 minutes of KB 821839, and no value that changes them
  ["2003"] = {
    nlbs_flags,
    named_only("PolicyAgent", [[\IPSec]], "NlbsIdleTime"),
    named_only("PolicyAgent", [[\PolicyAgent\Oakley]], "NlbsIdle"),
  },
  ["2008"] = {
    named_only("IKEEXT", [[\IKEEXT\Parameters]], "NlbsIdleTime"),
    named_only("IKEEXT", [[\IKEEXT\Parameters]], "NlbsQMRetransmitDuration"),
  },
}
entries["2008r2"] = entries["2008"]

-- All that the sources name for a version: an empty list for one of which none says anything (2012 and later).
function M.entries_for(windows)
  return entries[windows] or {}
end

-- Those of them that a source gives a value for: what a rollout sets.
function M.values_for(windows)
  local values = {}
  for _, entry in ipairs(M.entries_for(windows)) do
    if entry.value ~= nil then values[#values + 1] = entry end
  end
  return values
end

-- The value that says whether a service runs, and what it is when it never does.
function M.start_of(service)
  return { key = services .. "\\" .. service, name = "Start", disabled = 4 }
end

return M
