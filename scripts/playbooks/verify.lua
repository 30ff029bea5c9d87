local connections = require "connections"

return {
  api = 1,
  name = "verify",
  kind = "playbook",
  summary = "Look whether a rolled-out policy stands and protects; changes nothing",
  needs = { "vip.read" },
  params = {
    policy = { type = "policy", default = "mail-passwords", doc = "the policy that should stand" },
    cluster = { type = "cluster", doc = "whose traffic; the site's only one when left out" },
  },

  run = function(ctx, p)
    local cluster = p.cluster
    local params = { policy = p.policy, cluster = cluster }
    local holder = assert(cluster:holder())
    local timed = connections.is_bare(p.policy) and {} or connections.speakers(p.policy, cluster)
    ctx:checks("what stands and what is on the wire", {
      { check = "tuning-set", hosts = cluster:with("registry") },
      { check = "policy-in-place", hosts = connections.speakers(p.policy, cluster), params = params },
      { check = "timers-set", hosts = connections.with_charon(timed), params = { policy = p.policy } },
      { check = "sa-installed", hosts = { holder }, params = params },
      { check = "one-sa-per-peer", params = params },
      { check = "answers-protected", hosts = connections.askers(cluster), params = params },
      { check = "no-clear-text", params = params },
    })
  end,
}
