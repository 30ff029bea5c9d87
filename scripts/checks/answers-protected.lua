local connections = require "connections"

-- Asks every protected port through the virtual IP while a capture looks at the wire: the answer counts only if ESP
-- was seen, nothing in the clear was seen, and the capture lost nothing.
return {
  api = 1,
  name = "answers-protected",
  kind = "check",
  summary = "Every protected port answers, and its packets travel as ESP only",
  needs = { "probe", "wire" },
  params = {
    policy = { type = "policy", doc = "the policy that stands" },
    cluster = { type = "cluster", doc = "the cluster" },
    timeout_ms = { type = "integer", default = 3000, min = 10, max = 60000, doc = "how long to wait for an answer" },
  },

  run = function(ctx, p)
    local host, ports = ctx.host, connections.ports(p.policy)
    if #ports == 0 then return "unknown", { reason = "the policy does not say what to ask (field 'asks')" } end
    local capture, err = host.wire:start { address = p.cluster.virtual_ip, ports = ports }
    if not capture then return "unknown", { reason = tostring(err) } end
    local answers, silent = {}, nil
    for _, ask in ipairs(p.policy.asks) do
      local answer, why = host.probe:once { target = p.cluster.virtual_ip, port = ask.port, send = ask.send,
        expect = ask.expect, timeout_ms = p.timeout_ms }
      if not answer then
        host.wire:stop(capture)
        return "unknown", { reason = tostring(why) }
      end
      answers[tostring(ask.port)] = answer
      if not answer.answered then silent = silent or ask.port end
    end
    local wire, wire_err = host.wire:stop(capture)
    if not wire then return "unknown", { reason = tostring(wire_err) } end
    local evidence = { answers = answers, wire = wire }
    local esp = wire.esp.to + wire.esp.from + wire.esp_in_udp.to + wire.esp_in_udp.from
    evidence.summary = ("ports %s answered, %d ESP packets, %d clear, %d lost by the capture"):format(
      table.concat(ports, ", "), esp, wire.clear_total, wire.lost)
    if silent then
      evidence.summary = ("port %d did not answer: %s"):format(silent, tostring(answers[tostring(silent)].failure))
      return "fail", evidence
    end
    if wire.clear_total > 0 then return "fail", evidence end
    if wire.lost > 0 or esp == 0 then return "unknown", evidence end
    return "pass", evidence
  end,
}
