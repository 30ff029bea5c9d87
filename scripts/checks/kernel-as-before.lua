return {
  api = 1,
  name = "kernel-as-before",
  kind = "check",
  summary = "The kernel has the IPsec policies, SAs and default actions of an earlier look, and no others",
  needs = { "ipsec.read" },
  params = {
    before = { type = "table", doc = "what host.ipsec:kernel_snapshot() gave then" },
    settle_ms = { type = "integer", default = 2000, min = 0, max = 60000,
      doc = "how long a daemon may take to end SAs that were removed" },
  },

  run = function(ctx, p)
    if not ctx.host.ipsec then return "unknown", { reason = "the site has no ipsec for this host any more" } end
    if p.before.reason then return "unknown", { reason = "there was no look then: " .. p.before.reason } end
    local found, err
    ctx:wait_until(p.settle_ms, function()
      found, err = ctx.host.ipsec:kernel_compare(p.before)
      return not found or found.is_equal
    end)
    if not found then return "unknown", { reason = tostring(err) } end
    if found.is_equal then
      return "pass", { summary = ("%d policies, %d SAs, as before"):format(found.policies, found.sas) }
    end
    found.summary = ("%d missing, %d added, of policies, SAs and default actions"):format(found.missing, found.added)
    return "fail", found
  end,
}
