-- The bundled libraries are pure Lua: here they run under plain lua5.4, on small made-up clusters, without the program.
local lu = require "luaunit"

local source = assert(os.getenv("STAFFETTA_SOURCE"), "STAFFETTA_SOURCE must name the source tree")
package.path = source .. "/scripts/lib/?.lua;" .. package.path
local connections = require "connections"
local tuning = require "failover_tuning"

local TestLib = {}

-- A bundled policy with what it extends, as the runtime puts it together.
local function policy_of(name)
  local script = dofile(("%s/scripts/policies/%s.lua"):format(source, name))
  local policy = script.extends and policy_of(script.extends) or {}
  for key, value in pairs(script.policy) do policy[key] = value end
  policy.name = name
  return policy
end

local function host_of(name, role, fields)
  local host = { name = name, role = role }
  for key, value in pairs(fields) do host[key] = value end
  host.has = fields
  return host
end

-- Two front ends with IPsec, one Windows front end without, two nodes, a domain controller with IPsec and one without.
local function new_cluster()
  local ipsec = { vici = "x" }
  local cluster = { name = "mail", virtual_ip = "10.9.0.100", ipsec_id = "mail", interface = "eth0",
    secret = "mail.psk",
    front_ends = {
      host_of("fe1", "front_end", { address = "10.9.0.1", interface = "lan0", ipsec = { id = "front-1" } }),
      host_of("FE.two", "front_end", { address = "10.9.0.2", ipsec = ipsec }),
      host_of("win", "front_end", { windows = "2003", registry = {} }),
    },
    nodes = {
      host_of("node-a", "node", { address = "10.9.0.11", ipsec = ipsec }),
      host_of("node-b", "node", { address = "10.9.0.12", ipsec = ipsec }),
    },
    domain_controllers = {
      host_of("dc1", "domain_controller", { address = "10.9.0.31", ipsec = ipsec }),
      host_of("dc2", "domain_controller", { address = "10.9.0.32" }),
    },
  }
  function cluster.with(_, binding, list)
    local found = {}
    for _, host in ipairs(list) do
      if host.has[binding] then found[#found + 1] = host end
    end
    return found
  end
  return cluster
end

local function names_of(list)
  local names = {}
  for i, each in ipairs(list) do names[i] = each.name end
  return names
end

function TestLib:setUp()
  self.cluster = new_cluster()
  self.front_end, self.front_end_2 = self.cluster.front_ends[1], self.cluster.front_ends[2]
  self.node, self.controller = self.cluster.nodes[1], self.cluster.domain_controllers[1]
end

function TestLib:test_a_front_end_has_one_connection_to_the_virtual_ip()
  local policy = policy_of("mail-passwords")
  local list = connections.of(policy, self.cluster, self.front_end, "permit")
  lu.assertEquals(list, { { name = "staffetta-mail-passwords-mail", peer = "mail", document = {
    version = 2, side = "client", initiate = "on_demand", action = "permit", mode = "transport",
    local_address = "10.9.0.1", local_id = "front-1", remote_address = "10.9.0.100", remote_id = "mail",
    traffic = { { protocol = "tcp", ports = { 110, 143 } } },
    ike_proposals = { "aes128gcm16-prfsha256-x25519" }, esp_proposals = { "aes128gcm16" }, dpd_delay_ms = 1000,
  } } })
end

function TestLib:test_a_node_answers_each_front_end_from_the_virtual_ip()
  local policy = policy_of("mail-all")
  local list = connections.of(policy, self.cluster, self.node, "require")
  lu.assertEquals(names_of(list), { "staffetta-mail-all-fe1", "staffetta-mail-all-fe-two" })
  for i, front_end in ipairs { self.front_end, self.front_end_2 } do
    local document = list[i].document
    lu.assertEquals({ document.side, document.initiate, document.action }, { "server", "never", "require" })
    lu.assertEquals({ document.local_address, document.local_id }, { "10.9.0.100", "mail" })
    lu.assertEquals({ document.remote_address, document.remote_id },
      { front_end.address, connections.identity(front_end) })
    lu.assertEquals(document.traffic, { { protocol = "tcp", ports = { 80, 110, 143 } } })
  end
  lu.assertEquals(connections.of(policy, self.cluster, self.cluster.nodes[2], "require"), list)
end

-- The two ends of each connection say the same of each other.
function TestLib:test_both_ends_agree()
  local policy = policy_of("everything")
  local ends = {}
  for _, host in ipairs(connections.speakers(policy, self.cluster)) do
    for _, each in ipairs(connections.of(policy, self.cluster, host, "require")) do
      local d = each.document
      local key = ("%s=%s>%s=%s"):format(d.local_address, d.local_id, d.remote_address, d.remote_id)
      lu.assertTrue(ends[key] == nil or ends[key] == d.side, key)
      ends[key] = d.side
    end
  end
  local count = 0
  for key, side in pairs(ends) do
    local here, there = key:match("^(.*)>(.*)$")
    lu.assertEquals(ends[there .. ">" .. here], side == "client" and "server" or "client", key)
    count = count + 1
  end
  lu.assertEquals(count, 12) -- 2 front ends to the virtual IP; 2 front ends and 2 nodes to dc1; each from both ends
end

function TestLib:test_domain_controllers_are_in_it_where_the_policy_says_so()
  local mail, everything = policy_of("mail-passwords"), policy_of("everything")
  lu.assertEquals(names_of(connections.speakers(mail, self.cluster)), { "fe1", "FE.two", "node-a", "node-b" })
  lu.assertEquals(names_of(connections.speakers(everything, self.cluster)),
    { "fe1", "FE.two", "node-a", "node-b", "dc1" })
  lu.assertEquals(names_of(connections.of(everything, self.cluster, self.front_end, "require")),
    { "staffetta-everything-mail", "staffetta-everything-dc1" })
  lu.assertEquals(names_of(connections.of(everything, self.cluster, self.node, "require")),
    { "staffetta-everything-fe1", "staffetta-everything-fe-two", "staffetta-everything-dc1" })
  local list = connections.of(everything, self.cluster, self.controller, "require")
  lu.assertEquals(names_of(list), { "staffetta-everything-fe1", "staffetta-everything-fe-two",
    "staffetta-everything-node-a", "staffetta-everything-node-b" })
  for _, each in ipairs(list) do
    lu.assertEquals({ each.document.side, each.document.local_address, each.document.traffic },
      { "server", "10.9.0.31", { { protocol = "any" } } })
  end
  -- towards a domain controller a node speaks for itself, not for the virtual IP
  lu.assertEquals(connections.of(everything, self.cluster, self.node, "require")[3].document.local_address, "10.9.0.11")
end

function TestLib:test_owners_of_the_secret()
  local name, secret = connections.secret(policy_of("mail-all"), self.cluster)
  lu.assertEquals(name, "staffetta-secret-mail")
  lu.assertEquals(secret, { file = "mail.psk", owners = { "FE.two", "front-1", "mail" } })
  name, secret = connections.secret(policy_of("everything"), self.cluster)
  lu.assertEquals(name, "staffetta-secret-mail")
  lu.assertEquals(secret.owners, { "FE.two", "dc1", "front-1", "mail", "node-a", "node-b" })
end

function TestLib:test_the_guard_has_the_policys_ports()
  local name, guard = connections.guard(policy_of("mail-passwords"), self.cluster, self.front_end, "kernel")
  lu.assertEquals(name, "staffetta-mail-passwords-mail")
  lu.assertEquals(guard, { side = "client", engine = "kernel", address = "10.9.0.100", interface = "lan0",
    traffic = { { protocol = "tcp", ports = { 110, 143 } } } })
  guard = select(2, connections.guard(policy_of("mail-passwords"), self.cluster, self.node, "userland"))
  lu.assertEquals({ guard.side, guard.engine, guard.interface }, { "server", "userland", "eth0" })
end

function TestLib:test_the_guard_of_any_protocol_is_tcp_and_udp_whole()
  local policy = policy_of("everything")
  local whole = { { protocol = "tcp" }, { protocol = "udp" } }
  local _, guard = connections.guard(policy, self.cluster, self.node, "kernel")
  lu.assertEquals(guard.traffic, whole)
  policy.traffic = { { protocol = "tcp", ports = { 25 } }, { protocol = "any" } }
  _, guard = connections.guard(policy, self.cluster, self.node, "kernel")
  lu.assertEquals(guard.traffic, whole)
end

function TestLib:test_the_library_leaves_site_and_policy_alone()
  local policy = policy_of("everything")
  for _, host in ipairs(connections.speakers(policy, self.cluster)) do
    connections.of(policy, self.cluster, host, "require")
    connections.guard(policy, self.cluster, host, "kernel")
    connections.secret(policy, self.cluster)
  end
  lu.assertEquals(policy, policy_of("everything"))
  self.cluster.with = nil
  local untouched = new_cluster()
  untouched.with = nil
  lu.assertEquals(self.cluster, untouched)
end

function TestLib:test_installed_children_of_one_connection()
  local sas = {
    { connection = "a", children = { { state = "INSTALLED", spi_in = "1" }, { state = "REKEYING", spi_in = "2" } } },
    { connection = "b", children = { { state = "INSTALLED", spi_in = "3" } } },
    { connection = "a", children = { { state = "INSTALLED", spi_in = "4" } } },
    { connection = "a" },
  }
  local found = {}
  for i, child in ipairs(connections.installed(sas, "a")) do found[i] = child.spi_in end
  lu.assertEquals(found, { "1", "4" })
  lu.assertEquals(connections.installed(sas, "c"), {})
end

function TestLib:test_ports_to_ask()
  lu.assertEquals(connections.ports(policy_of("mail-passwords")), { 110, 143 })
  lu.assertEquals(connections.ports(policy_of("mail-all")), { 80, 110, 143 })
  lu.assertEquals(connections.ports(policy_of("everything")), { 80, 110, 143 })
  lu.assertEquals(connections.ports { traffic = {} }, {})
end

-- Places and values as the sources name them (Microsoft KB 821839 and KB 980915).
function TestLib:test_the_tuning_depends_on_the_windows_version()
  local services = [[HKLM\SYSTEM\CurrentControlSet\Services]]
  local function place(version)
    local words = {}
    for i, value in ipairs(tuning.values_for(version)) do
      words[i] = ("%s\\%s %s %d"):format(value.key, value.name, value.type, value.value)
      lu.assertStrMatches(value.source, "KB %d+")
    end
    return words
  end
  lu.assertEquals(place("2003"), { services .. [[\PolicyAgent\Oakley\NLBSFlags dword 1]] })
  lu.assertEquals(place("2008"), { services .. [[\IKEEXT\Parameters\NlbsIdleTime dword 60]] })
  lu.assertEquals(place("2008r2"), place("2008"))
  for _, version in ipairs { "2000", "2012", "2022", "none" } do lu.assertEquals(place(version), {}) end
  lu.assertEquals(tuning.values_for(nil), {})
end

return TestLib
