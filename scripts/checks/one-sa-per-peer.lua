local connections = require "connections"

-- Which node has how many SAs with each peer, of the connections that belong to the virtual IP:
-- peer -> { count = n, nodes = { "node-a", ... } }.
local function count_sas(p)
  local peers = {}
  for _, node in ipairs(connections.with_charon(p.cluster:with("ipsec", p.cluster.nodes))) do
    local is_ours = {}
    for _, name in ipairs(connections.of_virtual_ip(p.policy, p.cluster, node)) do is_ours[name] = true end
    local sas, err = node.ipsec:sas()
    if not sas then return nil, err end
    for _, sa in ipairs(sas) do
      if is_ours[sa.connection] then
        local peer = peers[sa.remote_address] or { count = 0, nodes = {} }
        peers[sa.remote_address] = peer
        peer.count = peer.count + 1
        peer.nodes[#peer.nodes + 1] = node.name
      end
    end
  end
  return peers
end

-- The peer with more SAs than one, as a sentence; nil when there is none.
local function crowded(peers)
  local names = {}
  for peer in pairs(peers) do names[#names + 1] = peer end
  table.sort(names)
  for _, peer in ipairs(names) do
    local found = peers[peer]
    if found.count > 1 then
      return ("%d SAs of the virtual IP with %s, on %s"):format(found.count, peer, table.concat(found.nodes, ", "))
    end
  end
end

-- After a failover two nodes may both negotiate, and fight over the peer (opnsense/core issue 3821).
return {
  api = 1,
  name = "one-sa-per-peer",
  kind = "check",
  summary = "No peer of the virtual IP has more than one SA with the cluster's nodes",
  needs = { "ipsec.read" },
  params = {
    policy = { type = "policy", doc = "the policy that stands" },
    cluster = { type = "cluster", doc = "the cluster" },
    settle_ms = { type = "integer", default = 5000, min = 0, max = 60000,
      doc = "how long a rekeying, or dead-peer detection, may leave two" },
  },

  run = function(ctx, p)
    local peers, err
    local is_settled = ctx:wait_until(p.settle_ms, function()
      peers, err = count_sas(p)
      return not peers or not crowded(peers)
    end)
    if not peers then return "unknown", { reason = tostring(err) } end
    if not is_settled then return "fail", { summary = crowded(peers), peers = peers } end
    local count = 0
    for _ in pairs(peers) do count = count + 1 end
    if count == 0 then return "unknown", { reason = "nobody has an SA with the virtual IP" } end
    return "pass", { summary = ("%d peers, each with one SA"):format(count), peers = peers }
  end,
}
