-- rehearsal.lua - the site that a rehearsal runs on: the operator's, with every host in the lab instead of where it is.
-- Trusted: a pure function of a site document. Must never leave in it a way to a real host.

-- 10.9.0.1 as a number; nil for what is no IPv4 address.
local function number_of(address)
  local number, count = 0, 0
  for byte in (tostring(address):match("^%d+%.%d+%.%d+%.%d+$") or ""):gmatch("%d+") do
    number, count = number << 8 | math.tointeger(tonumber(byte)), count + 1
  end
  return count == 4 and number or nil
end

local function address_of(number)
  return ("%d.%d.%d.%d"):format(number >> 24 & 255, number >> 16 & 255, number >> 8 & 255, number & 255)
end

-- The lab has one link: its subnet is the smallest that has all addresses, and at least as large as the usual one.
local function prefix_length(numbers)
  local length = 24
  for _, number in ipairs(numbers) do
    while length > 8 and number >> (32 - length) ~= numbers[1] >> (32 - length) do length = length - 1 end
  end
  return length
end

local function copy(from)
  local to = {}
  for key, value in pairs(from) do to[key] = value end
  return to
end

local function lab_ipsec(ipsec, dir, name)
  local moved = copy(ipsec)
  moved.vici, moved.conf_dir = dir .. "/charon.vici", dir .. "/conf.d"
  moved.charon_conf = dir .. "/strongswan.d/staffetta.conf"
  moved.allow_tunnel = true
  moved.start = { "sh", "-c", ("STAFFETTA_LAB=%s STRONGSWAN_CONF=%s/strongswan.conf setsid --fork "
    .. "/usr/sbin/charon-systemd >>%s/charon.out 2>&1"):format(name, dir, dir) }
  return moved
end

-- A hive of its own for each root; one that lies in the site's folder is used as it is, for the folder is a copy.
local function lab_registry(registry, dir)
  local moved, roots = {}, {}
  for root in pairs(registry) do roots[#roots + 1] = root end
  table.sort(roots)
  for i, root in ipairs(roots) do
    local store = registry[root]
    local is_own = type(store) == "string" and not store:find("^/") and not store:find("^%l+:")
    moved[root] = is_own and store or ("%s/hive-%d"):format(dir, i)
  end
  return moved
end

local function lab_host(host_name, host, name, run)
  local moved, dir = copy(host), run .. "/" .. host_name
  moved.transport, moved.ssh, moved.undo_dir = nil, nil, nil
  if moved.ipsec and moved.ipsec.driver == "windows" then moved.ipsec = nil end
  if moved.ipsec then moved.ipsec = lab_ipsec(moved.ipsec, dir, name) end
  if moved.registry then moved.registry = lab_registry(moved.registry, dir) end
  if moved.role == "node" then
    moved.vip = copy(moved.vip or {})
    moved.vip.resource, moved.vip.group = nil, nil -- of managers that the lab has not
    moved.vip.track_file = dir .. "/keepalived.track"
  end
  if host.ipsec and not moved.ipsec or not host.address or host.windows then
    moved.netns = nil -- no Windows runs here: such a host is its registry and nothing else
  else
    moved.interface = moved.interface or "eth0"
    moved.netns = ("stf-%s-%s"):format(name, host_name)
  end
  return moved
end

-- Somebody without an SA has to try the protected ports: where the site names nobody, the lab has somebody.
local function add_witness(hosts, taken, name)
  for _, host in pairs(hosts) do
    if host.role == "witness" and host.netns then return end
  end
  local number = taken[1]
  local is_taken = {}
  for _, each in ipairs(taken) do is_taken[each] = true end
  repeat number = (number & ~255) + (number & 255) % 254 + 1 until not is_taken[number]
  hosts["rehearsal-witness"] = { role = "witness", address = address_of(number), interface = "eth0",
    netns = ("stf-%s-witness"):format(name) }
end

-- A value as Lua text: tables, strings, numbers and booleans, keys sorted.
local function write(value, indent)
  if type(value) ~= "table" then return type(value) == "string" and ("%q"):format(value) or tostring(value) end
  local keys, lines = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    lines[#lines + 1] = ("%s  [%s] = %s,\n"):format(indent, type(key) == "string" and ("%q"):format(key) or key,
      write(value[key], indent .. "  "))
  end
  return "{\n" .. table.concat(lines) .. indent .. "}"
end

-- { site = document, name = the lab's, servers = "real" | "responder" }
-- -> { text = of site.lua, notes = what is not as on the site }
return function(input)
  local site, name = input.site, input.name
  local run = "/run/staffetta-lab/" .. name
  local moved = copy(site)
  moved.name, moved.hosts, moved.clusters, moved.confirm_within_ms = name, {}, {}, nil
  local taken, notes = {}, {}
  for host_name, host in pairs(site.hosts) do
    moved.hosts[host_name] = lab_host(host_name, host, name, run)
    if host.windows then notes[#notes + 1] = host_name .. ": no Windows runs in a lab, so it is its registry only" end
    taken[#taken + 1] = number_of(host.address)
  end
  for cluster_name, cluster in pairs(site.clusters) do
    local there = copy(cluster)
    there.interface = there.interface or "eth0"
    there.secret = ("%s/%s.psk"):format(run, cluster_name)
    if there.manager and there.manager ~= "keepalived" and there.manager ~= "address" then
      notes[#notes + 1] = ("%s: the lab has no %s, so Staffetta moves its address itself"):format(cluster_name,
        there.manager)
      there.manager = "address"
    end
    moved.clusters[cluster_name] = there
    taken[#taken + 1] = number_of(cluster.virtual_ip)
  end
  if #taken == 0 then
    error({ kind = "invalid_data", op = "rehearse", subject = site.name,
      message = "the site has no host with an IPv4 address, so there is nothing that a lab could stand for" }, 0)
  end
  add_witness(moved.hosts, taken, name)
  moved.lab = copy(site.lab or {})
  moved.lab.servers = moved.lab.servers or input.servers
  moved.lab.subnet_prefix_length = math.min(moved.lab.subnet_prefix_length or 24, prefix_length(taken))
  table.sort(notes)
  return { text = "return " .. write(moved, "") .. "\n", notes = notes }
end
