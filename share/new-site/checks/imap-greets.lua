-- A check looks, and returns pass, fail or unknown with its evidence. `staffetta docs` tells what it can use.
return {
  api = 1,
  name = "imap-greets",
  kind = "check",
  summary = "The IMAP server behind the virtual IP greets within a second",
  needs = { "probe" },
  params = {
    cluster = { type = "cluster", doc = "which virtual IP" },
  },

  run = function(ctx, p)
    local answer, err = ctx.host.probe:once { target = p.cluster.virtual_ip, port = 143, expect = "* OK",
      timeout_ms = 1000 }
    if not answer then return "unknown", { reason = tostring(err) } end
    return answer.answered and "pass" or "fail", { summary = answer.received or answer.failure }
  end,
}
