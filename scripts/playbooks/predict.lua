local forecast = require "forecast"

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
    forecast.tell(ctx, p)
  end,
}
