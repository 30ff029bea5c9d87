-- connections.lua - turns a policy into what each host of a cluster has to carry: connections, a secret, a guard.
-- Pure: reads the site, returns tables, touches no host.
local M = {}

-- "staffetta-mail-passwords-fe1": the prefix marks what is ours; nothing else is ever touched.
local function name_of(policy, peer)
  return ("staffetta-%s-%s"):format(policy.name, peer):lower():gsub("[^a-z0-9%-]", "-")
end

function M.identity(host)
  return host.has.ipsec.id or host.name
end

local function document(policy, action, side, from, to)
  return {
    version = 2,
    local_address = from.address,
    remote_address = to.address,
    local_id = from.id,
    remote_id = to.id,
    side = side,
    traffic = policy.traffic,
    mode = policy.mode,
    action = action,
    initiate = side == "client" and "on_demand" or "never",
    ike_proposals = policy.ike_proposals,
    esp_proposals = policy.esp_proposals,
    dpd_delay_ms = policy.dpd_delay_ms,
  }
end

local function own_end(host)
  return { address = host.address, id = M.identity(host) }
end

local function domain_controllers(policy, cluster)
  return policy.includes_domain_controllers and cluster:with("ipsec", cluster.domain_controllers) or {}
end

-- The hosts of the cluster that carry something of this policy.
function M.speakers(policy, cluster)
  local list = {}
  for _, group in ipairs { cluster.front_ends, cluster.nodes, domain_controllers(policy, cluster) } do
    for _, host in ipairs(cluster:with("ipsec", group)) do list[#list + 1] = host end
  end
  return list
end

-- The connections of `host`, a list of { name, peer, document }. A front end has one to the cluster's virtual IP; a
-- node has one to each front end, from the virtual IP, whether it holds that address now or not. Where the policy
-- includes domain controllers, both have one to each of those, from their own address.
function M.of(policy, cluster, host, action)
  local virtual = { address = cluster.virtual_ip, id = cluster.ipsec_id }
  local list = {}
  local function add(peer, side, from, to)
    list[#list + 1] = { name = name_of(policy, peer), peer = peer, document = document(policy, action, side, from, to) }
  end
  local front_ends = cluster:with("ipsec", cluster.front_ends)
  if host.role == "domain_controller" then
    for _, member in ipairs(M.speakers(policy, cluster)) do
      if member.role ~= "domain_controller" then add(member.name, "server", own_end(host), own_end(member)) end
    end
    return list
  end
  if host.role == "front_end" then
    add(cluster.name, "client", own_end(host), virtual)
  else
    for _, front_end in ipairs(front_ends) do add(front_end.name, "server", virtual, own_end(front_end)) end
  end
  for _, controller in ipairs(domain_controllers(policy, cluster)) do
    add(controller.name, "client", own_end(host), own_end(controller))
  end
  return list
end

-- The pre-shared key of the cluster, as every member carries it: a reference to its file, never the key.
function M.secret(policy, cluster)
  local owners = { cluster.ipsec_id }
  for _, host in ipairs(M.speakers(policy, cluster)) do
    if host.role ~= "node" or policy.includes_domain_controllers then owners[#owners + 1] = M.identity(host) end
  end
  table.sort(owners)
  return name_of({ name = "secret" }, cluster.name), { file = cluster.secret, owners = owners }
end

-- The guard: protected ports of the virtual IP pass under IPsec or not at all. `engine` is "kernel" or "userland".
-- Front ends and nodes have one; a domain controller never sees the virtual IP. A guard knows ports, so where a policy
-- protects any protocol it guards TCP and UDP whole.
function M.guard(policy, cluster, host, engine)
  local guarded = {}
  for _, entry in ipairs(policy.traffic) do
    if entry.protocol == "any" then
      guarded = { { protocol = "tcp" }, { protocol = "udp" } }
      break
    end
    guarded[#guarded + 1] = entry
  end
  return name_of(policy, cluster.name), {
    side = host.role == "front_end" and "client" or "server",
    engine = engine,
    address = cluster.virtual_ip,
    interface = host.interface or cluster.interface,
    traffic = guarded,
  }
end

-- The installed children of a connection, of what host.ipsec:sas() has found.
function M.installed(sas, name)
  local children = {}
  for _, sa in ipairs(sas) do
    for _, child in ipairs(sa.connection == name and sa.children or {}) do
      if child.state == "INSTALLED" then children[#children + 1] = child end
    end
  end
  return children
end

-- The TCP ports that checks and drills ask, as the policy says.
function M.ports(policy)
  local ports = {}
  for _, ask in ipairs(policy.asks or {}) do ports[#ports + 1] = ask.port end
  return ports
end

return M
