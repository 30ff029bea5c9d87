local connections = require "connections"

-- A charon that was restarted has no secrets, and connections only where swanctl loads them. This gives it back what a
-- rollout has put on the host; a systemd unit of the host may run it after strongSwan has started.
return {
  api = 1,
  name = "reload",
  kind = "playbook",
  summary = "Load again what restarted IPsec daemons have lost: connections and secrets",
  needs = { "ipsec.write" },
  params = {
    cluster = { type = "cluster", doc = "whose hosts; the site's only one when left out" },
    host = { type = "host", optional = true, doc = "only this one" },
  },

  run = function(ctx, p)
    local hosts = connections.with_charon(p.cluster:with("ipsec", p.host and { p.host } or nil))
    ctx:act("load what is missing", hosts, function(host)
      local outcome = assert(host.ipsec:reload())
      ctx:say("%s: %d connections and %d secrets loaded", host.name, outcome.connections, outcome.secrets)
      local first = outcome.skipped[1]
      if first then
        error { kind = "conflict", subject = host.name, message = ("%d could not be loaded; %s: %s"):format(
          #outcome.skipped, first.name, first.reason) }
      end
    end)
  end,
}
