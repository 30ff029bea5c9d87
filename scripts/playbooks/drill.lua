local connections = require "connections"
local prediction = require "prediction"
local takeover = require "takeover"

-- The longest loss of one move, in words and figures, beside what was to be expected of it. No loss at all is an outage
-- of less than one interval.
local function judge(ctx, name, report, wire, budget_ms, expected)
  local longest = report.longest
  local figures = {
    outage_us = longest and longest.duration_us or 0,
    error_us = longest and longest.error_us or report.interval_us,
    is_open = longest and longest.is_open or false,
    lost = report.lost,
    sent = report.sent,
    latency_p50_us = report.latency.p50_us,
    jitter_p99_us = report.jitter.p99_us,
    budget_ms = budget_ms,
    clear_packets = wire.clear_total,
    capture_lost = wire.lost,
    expected = expected,
  }
  figures.summary = ("outage %.1f ms +- %.1f, predicted %s (%d of %d attempts lost), %d clear packets%s"):format(
    figures.outage_us / 1000, figures.error_us / 1000, prediction.total(expected), figures.lost, figures.sent,
    figures.clear_packets, budget_ms and (", budget %d ms"):format(budget_ms) or "")
  ctx:measure(name, figures)
  return figures
end

return {
  api = 1,
  name = "drill",
  kind = "playbook",
  summary = "Move the virtual IP on purpose, measure the outage, move it back",
  needs = { "ipsec.read", "ipsec.initiate", "vip.read", "vip.move", "probe", "wire" },
  params = {
    policy = { type = "policy", default = "mail-passwords", doc = "the policy that stands" },
    cluster = { type = "cluster", doc = "which virtual IP; the site's only one when left out" },
    front_end = { type = "host", optional = true,
      doc = "where to measure; the cluster's first with IPsec when left out" },
    port = { type = "integer", optional = true, min = 1, max = 65535,
      doc = "which port; the policy's first when left out" },
    interval_us = { type = "integer", default = 5000, min = 200, max = 1000000, doc = "time between two attempts" },
    steady_ms = { type = "integer", default = 1000, min = 100, max = 60000, doc = "how long to look before and after" },
    initiate_timeout_ms = { type = "integer", default = 5000, min = 100, max = 60000, doc = "limit of a negotiation" },
  },

  run = function(ctx, p)
    local cluster = p.cluster
    local front_end = p.front_end or connections.askers(cluster)[1]
    local port = p.port or connections.ports(p.policy)[1]
    local holder, others = assert(cluster:holder())
    local standby = others[1]
    local budget_ms = ctx.site.budgets.planned_move_ms

    local function measured(name, from, to)
      local probe, capture
      ctx:act("measure from " .. front_end.name, { front_end }, function(host)
        probe = assert(host.probe:start { target = cluster.virtual_ip, port = port, interval_us = p.interval_us,
          timeout_ms = 900 })
        capture = assert(host.wire:start { address = cluster.virtual_ip, ports = connections.ports(p.policy) })
        ctx:sleep_ms(p.steady_ms)
      end)
      takeover.move(ctx, p, from, to)
      ctx:act("watch the traffic settle", { front_end }, function(host)
        ctx:sleep_ms(p.steady_ms)
        local report = assert(host.probe:stop(probe))
        local wire = assert(host.wire:stop(capture))
        local expected = prediction.of(name, prediction.under(p.policy, cluster, front_end))
        local figures = judge(ctx, name, report, wire, budget_ms, expected)
        if figures.is_open then
          error { kind = "gate_fail", message = name .. ": the traffic has not come back" }
        end
      end)
    end

    measured("planned_move", holder, standby)
    measured("failback", standby, holder)
    ctx:gate("steady again, inside the budget", {
      { check = "answers-protected", hosts = { front_end }, params = { policy = p.policy, cluster = cluster } },
      { check = "within-budget", params = { figures = ctx:measured() } },
    })
  end,
}
