-- failover_tuning.lua - the registry values that shorten a crash failover, by Windows version. Data with its sources.
-- Where no source names a value for a version, there is none here.
local M = {}

local services = [[HKLM\SYSTEM\CurrentControlSet\Services]]

local table_ = {
  -- Microsoft KB 821839 (FACTS 1.3): idle timer of the front end 5 min -> 1 min, a crash costs 2 min instead of 6.
  ["2003"] = {
    { key = services .. [[\PolicyAgent\Oakley]], name = "NLBSFlags", type = "dword", value = 1, source = "KB 821839" },
  },
  -- KB 980915 (FACTS 2) names the values of Vista to Server 2008 R2. Times in seconds.
  ["2008"] = {
    { key = services .. [[\IKEEXT\Parameters]], name = "NlbsIdleTime", type = "dword", value = 60,
      source = "KB 980915" },
  },
}
table_["2008r2"] = table_["2008"]

-- The values for a version: an empty list when none is known to help.
function M.values_for(windows)
  return table_[windows] or {}
end

return M
