local connections = require "connections"

return {
  api = 1,
  name = "sa-installed",
  kind = "check",
  summary = "An SA for every connection of the host is established, with its child installed",
  needs = { "ipsec.read" },
  params = {
    policy = { type = "policy", doc = "the policy that stands" },
    cluster = { type = "cluster", doc = "the cluster" },
  },

  run = function(ctx, p)
    local sas, err = ctx.host.ipsec:sas()
    if not sas then return "unknown", { reason = tostring(err) } end
    local spis = {}
    for _, wanted in ipairs(connections.of(p.policy, p.cluster, ctx.host, "require")) do
      local children = connections.installed(sas, wanted.name)
      if #children == 0 then
        return "fail", { summary = ("no installed SA for %s"):format(wanted.name), sas = sas }
      end
      for _, child in ipairs(children) do spis[#spis + 1] = ("%s/%s"):format(child.spi_in, child.spi_out) end
    end
    return "pass", { summary = "installed, SPIs " .. table.concat(spis, " "), spis = spis }
  end,
}
