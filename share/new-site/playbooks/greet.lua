-- A playbook says what happens on which hosts: `staffetta run greet`. What changes a host belongs into ctx:step.
return {
  api = 1,
  name = "greet",
  kind = "playbook",
  summary = "Ask the IMAP server from every front end",
  params = { cluster = { type = "cluster", doc = "which virtual IP" } },

  run = function(ctx, p)
    ctx:checks("does it greet?", {
      { check = "imap-greets", hosts = p.cluster:with("ipsec", p.cluster.front_ends), params = { cluster = p.cluster } },
    })
  end,
}
