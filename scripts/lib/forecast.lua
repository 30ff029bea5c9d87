-- forecast.lua - tells, as measures of a run, what a failover will cost each front end: with what stands there now, and
-- with what a rollout of the policy puts there. Must never change a host.
local connections = require "connections"
local prediction = require "prediction"
local tuning = require "failover_tuning"

local M = {}

-- What host.X:get gives, nil for what is not there; raises what is no answer.
local function looked_up(found, err)
  if err then error(err) end
  return found
end

local function windows_now(host)
  local values = {}
  for _, wanted in ipairs(tuning.values_for(host.windows)) do
    local found = looked_up(host.registry:get(wanted.key, wanted.name))
    values[wanted.name] = found and found.value or nil
  end
  return { windows = host.windows, values = values }
end

-- False where no connection of the policy stands: the virtual IP moves without IPsec.
local function strongswan_now(host, policy, cluster)
  local first = connections.of(policy, cluster, host, policy.action)[1]
  local found = first and looked_up(host.ipsec:get(first.name))
  if not found then return false end
  local timers = host.has.ipsec.charon_conf and looked_up(host.ipsec:get_timers())
  return prediction.of_strongswan(policy, cluster, timers, found.dpd_delay_ms)
end

-- Nil where a script has not the power to look.
local function stands_now(host, policy, cluster)
  if host.registry then return windows_now(host) end
  if host.ipsec and not connections.is_windows(host) then return strongswan_now(host, policy, cluster) end
end

local function words_of(now, expected)
  local words, words_now = prediction.words(expected), now and prediction.words(now)
  if now == nil or words == words_now then return words end
  return ("now %s; after a rollout %s"):format(words_now or "no connection of the policy", words)
end

-- `p`: { policy, cluster, detection_ms }. Needs "registry.read", and "ipsec.read" to look at strongSwan hosts.
function M.tell(ctx, p)
  local manager = { detection_ms = p.detection_ms }
  for _, host in ipairs(p.cluster.front_ends) do
    local before = stands_now(host, p.policy, p.cluster)
    local after = prediction.under(p.policy, p.cluster, host)
    for _, case in ipairs(prediction.cases) do
      local expected = prediction.of(case, after, manager)
      local now = before and prediction.of(case, before, manager)
      ctx:measure(("%s %s"):format(host.name, case), { summary = words_of(now, expected), expected = expected,
        now = now or nil })
    end
  end
end

return M
