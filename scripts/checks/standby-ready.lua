local connections = require "connections"

-- The first SA of one of these connections; nil when there is none, and an error when nobody could say.
local function stale_sa(node, is_ours)
  local sas, err = node.ipsec:sas()
  for _, sa in ipairs(sas or {}) do
    if is_ours[sa.connection] then return sa end
  end
  return nil, err
end

-- With policy-in-place: a node that can take the virtual IP over. A standby that only looks ready is what operators met
-- (libreswan issue 1181: policies in place, and no negotiation possible).
return {
  api = 1,
  name = "standby-ready",
  kind = "check",
  summary = "The node could take the virtual IP: daemon and link are up, and nothing stale is in the way",
  needs = { "ipsec.read", "vip.read" },
  params = {
    policy = { type = "policy", doc = "the policy that stands" },
    cluster = { type = "cluster", doc = "the cluster" },
    settle_ms = { type = "integer", default = 5000, min = 0, max = 60000,
      doc = "how long dead-peer detection may take to end a stale SA" },
  },

  run = function(ctx, p)
    local node, cluster = ctx.host, p.cluster
    local holds, err = node.vip:holds(cluster.virtual_ip)
    if holds == nil then return "unknown", { reason = tostring(err) } end
    if holds then return "fail", { summary = "it holds the virtual IP already" } end
    local link, link_err = node.vip:link()
    if not link then return "unknown", { reason = tostring(link_err) } end
    if not link.is_up then return "fail", { summary = "its interface is down" } end
    local daemon, daemon_err = node.ipsec:daemon()
    if not daemon then return "unknown", { reason = tostring(daemon_err) } end
    if not daemon.is_running then return "fail", { summary = "its IPsec daemon does not answer" } end
    local is_ours = {}
    for _, name in ipairs(connections.of_virtual_ip(p.policy, cluster, node)) do is_ours[name] = true end
    local stale, sas_err
    ctx:wait_until(p.settle_ms, function()
      stale, sas_err = stale_sa(node, is_ours)
      return not stale
    end)
    if sas_err then return "unknown", { reason = tostring(sas_err) } end
    if stale then
      return "fail", { summary = ("%s has a stale SA (%s); `swanctl --terminate --force --ike %s` ends it"):format(
        stale.connection, stale.state, stale.connection) }
    end
    return "pass", { summary = "daemon and link up, no stale SA" }
  end,
}
