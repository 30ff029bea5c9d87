local prediction = require "prediction"
local tuning = require "failover_tuning"

-- The tuning values that stand on a Windows front end: name -> value.
local function values_on(host)
  local values = {}
  for _, wanted in ipairs(tuning.values_for(host.windows)) do
    local found, err = host.registry:get(wanted.key, wanted.name)
    if err then error(err) end
    values[wanted.name] = found and found.value or nil
  end
  return values
end

local function tuned_values(host)
  local values = {}
  for _, wanted in ipairs(tuning.values_for(host.windows)) do values[wanted.name] = wanted.value end
  return values
end

return {
  api = 1,
  name = "predict",
  kind = "playbook",
  summary = "Say what outage a planned move, a crash and a failback will cost, term by term",
  needs = { "registry.read" },
  params = {
    policy = { type = "policy", default = "mail-passwords", doc = "the policy that is to stand" },
    cluster = { type = "cluster", doc = "which virtual IP; the site's only one when left out" },
    detection_ms = { type = "integer", optional = true, min = 1, max = 3600000,
      doc = "how long the cluster manager takes to notice a crash" },
  },

  run = function(ctx, p)
    local manager = { detection_ms = p.detection_ms }
    for _, host in ipairs(p.cluster.front_ends) do
      local before, after
      if host.has.registry then
        before = { windows = host.windows, values = values_on(host) }
        after = { windows = host.windows, values = tuned_values(host) }
      else
        after = { dpd_delay_ms = p.policy.dpd_delay_ms, new_holder_initiates = true }
      end
      for _, case in ipairs(prediction.cases) do
        local expected = prediction.of(case, after, manager)
        local words = prediction.words(expected)
        local now = before and prediction.of(case, before, manager)
        if now and prediction.words(now) ~= words then
          words = ("now %s; after a rollout %s"):format(prediction.words(now), words)
        end
        ctx:measure(("%s %s"):format(host.name, case), { summary = words, expected = expected, now = now })
      end
    end
  end,
}
