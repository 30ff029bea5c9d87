-- connections.lua - turns a policy into what each host of a cluster has to carry: connections, secrets, a guard.
-- Pure: reads the site and a policy in its normal form, returns tables, touches no host.
local M = {}

-- "staffetta-mail-passwords-fe1": the prefix marks what is ours; nothing else is ever touched. site.lua's names differ
-- in more than case and punctuation.
local function name_of(policy, peer)
  local name = ("staffetta-%s-%s"):format(policy.name, peer):lower():gsub("[^a-z0-9%-]", "-")
  return name
end

-- Whether a host is driven by Windows' own tools, as site.lua says.
function M.is_windows(host)
  return host.has.ipsec ~= nil and host.has.ipsec.driver == "windows"
end

-- Windows calls itself by its address (ID_IPV4_ADDR), as it has no name to give with a pre-shared key.
function M.identity(host)
  return host.has.ipsec.id or M.is_windows(host) and host.address or host.name
end

-- Those of `hosts` that have a charon.
function M.with_charon(hosts)
  local list = {}
  for _, host in ipairs(hosts) do
    if not M.is_windows(host) then list[#list + 1] = host end
  end
  return list
end

-- The front ends, or those of `hosts`, from which checks can ask: nothing of ours runs on a Windows host, unless a
-- namespace stands for it.
function M.askers(cluster, hosts)
  local list = {}
  for _, host in ipairs(cluster:with("ipsec", hosts or cluster.front_ends)) do
    if not M.is_windows(host) or host.netns then list[#list + 1] = host end
  end
  return list
end

-- ---- who talks to whom ----

-- An end of a connection: { name, address, id, carriers }. Carriers are the hosts that have it.
local function own_end(host)
  return { name = host.name, address = host.address, id = M.identity(host), carriers = { host } }
end

-- The ends that a word of the policy's `between` stands for: a group of the cluster, or an address of somebody else.
local function ends_of(word, cluster)
  if word == "virtual_ip" then
    return { { name = cluster.name, address = cluster.virtual_ip, id = cluster.ipsec_id,
      carriers = cluster:with("ipsec", cluster.nodes) } }
  end
  local hosts = cluster[word]
  if type(hosts) ~= "table" then return { { name = word, address = word, id = word, carriers = {} } } end
  local ends = {}
  for i, host in ipairs(cluster:with("ipsec", hosts)) do ends[i] = own_end(host) end
  return ends
end

local function carries(host, each)
  for _, carrier in ipairs(each.carriers) do
    if carrier.name == host.name then return true end
  end
  return false
end

-- Calls fn(from, to) for each two ends that the policy is about.
local function each_pair(policy, cluster, fn)
  for _, pair in ipairs(policy.between) do
    for _, from in ipairs(ends_of(pair.from, cluster)) do
      for _, to in ipairs(ends_of(pair.to, cluster)) do fn(from, to) end
    end
  end
end

-- The hosts of the cluster that carry something of this policy: front ends, nodes, domain controllers.
function M.speakers(policy, cluster)
  local is_in = {}
  each_pair(policy, cluster, function(from, to)
    for _, each in ipairs { from, to } do
      for _, carrier in ipairs(each.carriers) do is_in[carrier.name] = true end
    end
  end)
  local list = {}
  for _, group in ipairs { cluster.front_ends, cluster.nodes, cluster.domain_controllers } do
    for _, host in ipairs(group) do
      if is_in[host.name] then list[#list + 1] = host end
    end
  end
  return list
end

-- ---- connections ----

-- Whether allow_weak has the algorithm that the word stands for ("prfmd5" is md5), but for neither of the two ends.
local function is_too_weak(word, policy, from, to)
  for _, entry in ipairs(policy.allow_weak) do
    if entry.algorithm == word:gsub("^prf", "") then
      for _, peer in ipairs(entry.peers) do
        if peer == from.name or peer == to.name then return false end
      end
      return true
    end
  end
  return false
end

-- The version of IKE that all hosts of both ends have: 2, but 1 where one says so or has only that.
local function ike_version(from, to)
  local version = 2
  for _, each in ipairs { from, to } do
    for _, carrier in ipairs(each.carriers) do
      version = math.min(version, carrier.has.ipsec.ike_version or M.is_windows(carrier) and 1 or 2)
    end
  end
  return version
end

-- The proposals but for those with an algorithm that these two ends may not use.
local function proposals_for(proposals, policy, from, to)
  local list = {}
  for _, proposal in ipairs(proposals) do
    local is_good = true
    for word in proposal:gmatch("[^-]+") do
      is_good = is_good and not is_too_weak(word, policy, from, to)
    end
    if is_good then list[#list + 1] = proposal end
  end
  return list
end

local function file_of(pattern, identity)
  local path = pattern:gsub("{id}", (identity:gsub("%%", "%%%%")))
  return path
end

local function auth_of(policy, from)
  local auth = policy.auth
  if auth.method == "psk" then return nil end
  if auth.method ~= "certificate" then return { method = auth.method } end
  return { method = auth.method, certificate = file_of(auth.certificate, from.id), ca = auth.ca }
end

-- `from` is the end of the host that gets the connection.
local function document(policy, action, side, from, to)
  local version = ike_version(from, to)
  local is_by_address = version == 1 and policy.auth.method == "psk"
  return {
    version = version,
    local_address = from.address,
    remote_address = to.address,
    local_id = is_by_address and from.address or from.id,
    remote_id = is_by_address and to.address or to.id,
    side = side,
    traffic = policy.traffic,
    exempt = policy.exempt,
    mode = policy.mode,
    action = action,
    initiate = side == "client" and "on_demand" or "never",
    auth = auth_of(policy, from),
    ike_proposals = proposals_for(policy.ike_proposals, policy, from, to),
    esp_proposals = proposals_for(policy.esp_proposals, policy, from, to),
    ike_rekey_ms = policy.ike_rekey_ms,
    esp_rekey_ms = policy.esp_rekey_ms,
    esp_rekey_bytes = policy.esp_rekey_bytes,
    dpd_delay_ms = policy.dpd_delay_ms,
    dpd_action = policy.dpd_action,
  }
end

-- All that a Windows host carries of a policy is one document (windows_render.h): netsh ipsec can assign one policy.
local function of_windows(policy, cluster, host, action)
  local wanted, pairs_, site = {}, {}, host.has.ipsec
  for _, field in ipairs { "traffic", "exempt", "mode", "auth", "ike_proposals", "esp_proposals", "allow_weak",
    "ike_rekey_ms", "esp_rekey_ms", "esp_rekey_bytes" } do
    wanted[field] = policy[field]
  end
  wanted.action = action
  local function add(side, from, to)
    pairs_[#pairs_ + 1] = { local_address = from.address, remote_address = to.address, side = side, peer = to.name }
  end
  each_pair(policy, cluster, function(from, to)
    if carries(host, from) then add("client", from, to) end
    if carries(host, to) then add("server", to, from) end
  end)
  if #pairs_ == 0 then return {} end
  return { { name = ("staffetta-%s"):format(policy.name), document = {
    generation = host.windows, tool = site.tool, host = host.name, policy = wanted, pairs = pairs_,
    ike_version = site.ike_version or 1, ca_name = site.ca_name,
    secret_file = policy.auth.method == "psk" and (site.secret_file or cluster.secret) or nil,
  } } }
end

-- The connections of `host`, a list of { name, peer, document }. A node has those of the virtual IP whether it holds
-- that address now or not; where it has one from its own address to the same peer too, that one's name ends in "-own".
function M.of(policy, cluster, host, action)
  if M.is_windows(host) then return of_windows(policy, cluster, host, action) end
  local list, is_taken = {}, {}
  local function add(side, from, to)
    local name = name_of(policy, to.name)
    while is_taken[name] do name = name .. "-own" end
    is_taken[name] = true
    list[#list + 1] = { name = name, peer = to.name, document = document(policy, action, side, from, to) }
  end
  each_pair(policy, cluster, function(from, to)
    if carries(host, from) then add("client", from, to) end
    if carries(host, to) then add("server", to, from) end
  end)
  return list
end

-- The names of those that end at the virtual IP. Those of the host's own address do not move.
function M.of_virtual_ip(policy, cluster, host)
  local names = {}
  for _, connection in ipairs(M.of(policy, cluster, host, "require")) do
    local ends = connection.document
    if ends.local_address == cluster.virtual_ip or ends.remote_address == cluster.virtual_ip then
      names[#names + 1] = connection.name
    end
  end
  return names
end

-- Whether the policy only passes or drops: no SA, and so no secret, belongs to it.
function M.is_bare(policy)
  return policy.action == "pass" or policy.action == "drop"
end

-- What the policy says about a host's whole charon and kernel, as host.ipsec:set_timers takes it.
function M.timers(policy)
  local failover = policy.failover
  return {
    retransmit_timeout_ms = failover.retransmit_timeout_ms,
    retransmit_base = failover.retransmit_base,
    retransmit_tries = failover.retransmit_tries,
    acquire_expires_ms = failover.acquire_expires_ms,
  }
end

-- ---- secrets ----

-- What `host` needs to prove who it is, a list of { name, secret }: references to files, never what is in them. A
-- pre-shared key is the cluster's, the same for all members; a private key is that of each identity the host has.
-- IKEv1's main mode finds a pre-shared key by address only (RFC 2409, 5.4). Windows reads its key itself.
function M.secrets(policy, cluster, host)
  local owners, keys, list = {}, {}, {}
  if M.is_windows(host) then return list end
  each_pair(policy, cluster, function(from, to)
    for _, each in ipairs { from, to } do
      owners[each.id] = true
      if ike_version(from, to) == 1 then owners[each.address] = true end
      if carries(host, each) then keys[each.id] = true end
    end
  end)
  local function sorted(set)
    local names = {}
    for name in pairs(set) do names[#names + 1] = name end
    table.sort(names)
    return names
  end
  if M.is_bare(policy) then return list end
  if policy.auth.method == "psk" then
    list[1] = { name = name_of({ name = "secret" }, cluster.name),
      secret = { file = cluster.secret, owners = sorted(owners) } }
  elseif policy.auth.method == "certificate" then
    for i, id in ipairs(sorted(keys)) do
      list[i] = { name = name_of({ name = "key" }, id), secret = { kind = "private_key",
        file = file_of(policy.auth.key, id) } }
    end
  end
  return list
end

-- ---- the guard ----

-- A guard knows ports, so where a policy protects any protocol it guards TCP, UDP and ping whole.
local function guarded_traffic(policy)
  if policy.traffic[1].protocol ~= "any" then return policy.traffic end
  return { { protocol = "tcp" }, { protocol = "udp" }, { protocol = "icmp" } }
end

-- The guards of `host`, a list of { name, state }: what the policy protects passes under IPsec or not at all. One is
-- for the virtual IP, against anybody; one for each other pair of ends, between those two alone, for a domain
-- controller has clients that the policy is not about. `engine` is "kernel" or "userland". None where the policy allows
-- clear text.
function M.guards(policy, cluster, host, engine)
  local list, is_taken = {}, {}
  if engine == "windows" or policy.clear_text ~= "refuse" then return list end -- Windows' own rules refuse it
  local function add(side, name, address, peer)
    if is_taken[name] then return end
    is_taken[name] = true
    list[#list + 1] = { name = name, state = {
      side = side,
      engine = engine,
      address = address,
      peer = peer,
      interface = host.interface or cluster.interface,
      traffic = guarded_traffic(policy),
      exempt = policy.exempt,
    } }
  end
  each_pair(policy, cluster, function(from, to)
    local is_server = carries(host, to)
    if not is_server and not carries(host, from) then return end
    local side = is_server and "server" or "client"
    if to.address == cluster.virtual_ip then
      add(side, name_of(policy, cluster.name), to.address)
    else
      add(side, name_of(policy, (is_server and from or to).name) .. "-own", to.address, from.address)
    end
  end)
  return list
end

-- ---- what stands ----

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
  for _, ask in ipairs(policy.asks) do ports[#ports + 1] = ask.port end
  return ports
end

return M
