local connections = require "connections"

-- A witness is a host of the site that takes no part in the policy and so has no SA. It tries the protected ports of
-- the virtual IP in the clear; a node that answered would answer anybody.
return {
  api = 1,
  name = "no-clear-text",
  kind = "check",
  summary = "A connection without an SA gets no answer in the clear",
  needs = { "probe", "wire" },
  params = {
    policy = { type = "policy", doc = "the policy that stands" },
    cluster = { type = "cluster", doc = "the cluster" },
    timeout_ms = { type = "integer", default = 500, min = 10, max = 60000, doc = "how long to wait for an answer" },
  },

  run = function(ctx, p)
    local witness = ctx.site.hosts("witness")[1]
    if not witness then
      return "unknown", { reason = "the site has no host with role 'witness', so nobody without an SA could try" }
    end
    local ports, tried = connections.ports(p.policy), {}
    if #ports == 0 then return "unknown", { reason = "the policy does not say what to ask (field 'asks')" } end
    local capture, err = witness.wire:start { address = p.cluster.virtual_ip, ports = ports }
    if not capture then return "unknown", { reason = tostring(err) } end
    for _, port in ipairs(ports) do
      local answer, why = witness.probe:once { target = p.cluster.virtual_ip, port = port, timeout_ms = p.timeout_ms }
      if not answer then
        witness.wire:stop(capture)
        return "unknown", { reason = tostring(why) }
      end
      tried[#tried + 1] = { port = port, answer = answer }
    end
    local wire, wire_err = witness.wire:stop(capture)
    if not wire then return "unknown", { reason = tostring(wire_err) } end
    local evidence = { witness = witness.name, tried = tried, wire = wire }
    local asked, answered = 0, 0
    for _, row in ipairs(wire.clear) do
      if row.direction == "to" then asked = asked + row.packets else answered = answered + row.packets end
    end
    evidence.summary = ("%s tried ports %s without an SA: %d packets sent in the clear, %d answered"):format(
      witness.name, table.concat(ports, ", "), asked, answered)
    for _, try in ipairs(tried) do
      if try.answer.answered then return "fail", evidence end
    end
    if answered > 0 then return "fail", evidence end
    if asked == 0 or wire.lost > 0 then return "unknown", evidence end
    return "pass", evidence
  end,
}
