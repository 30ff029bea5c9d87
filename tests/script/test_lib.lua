-- The bundled libraries are pure Lua: here they run under plain lua5.4, on small made-up clusters, without the program.
local cjson = require "cjson"
local lu = require "luaunit"
local support = require "support"

local source = assert(os.getenv("STAFFETTA_SOURCE"), "STAFFETTA_SOURCE must name the source tree")
local program = assert(os.getenv("STAFFETTA"), "STAFFETTA must name the program")
package.path = source .. "/scripts/lib/?.lua;" .. package.path
local connections = require "connections"
local differences = require "differences"
local takeover = require "takeover"
local tuning = require "failover_tuning"

local TestLib = {}

-- A bundled policy in its normal form, as the program gives it to scripts.
local function policy_of(name)
  local description = cjson.decode(support.shell("%s scripts show %s --output json", program, "policy/" .. name))
  description.policy.name = name
  return description.policy
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

-- What every bundled policy leaves alone: IKE, SSH, RDP and WinRM.
local exempt = { { protocol = "tcp", ports = { 22, 3389, "5985-5986" } }, { protocol = "udp", ports = { 500, 4500 } } }

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
    traffic = { { protocol = "tcp", ports = { 110, 143 } } }, exempt = exempt,
    ike_proposals = { "aes128gcm16-prfsha256-x25519", "aes128-sha256-ecp256-modp2048" },
    esp_proposals = { "aes128gcm16", "aes128-sha256" }, ike_rekey_ms = 14400000, esp_rekey_ms = 3600000,
    esp_rekey_bytes = 0, dpd_delay_ms = 1000, dpd_action = "trap",
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
  -- 2 front ends to the virtual IP, to 2 nodes and to dc1; 2 nodes to dc1; each from both ends
  lu.assertEquals(count, 2 * (2 + 4 + 2 + 2))
end

function TestLib:test_domain_controllers_are_in_it_where_the_policy_says_so()
  local mail, everything = policy_of("mail-passwords"), policy_of("everything")
  lu.assertEquals(names_of(connections.speakers(mail, self.cluster)), { "fe1", "FE.two", "node-a", "node-b" })
  lu.assertEquals(names_of(connections.speakers(everything, self.cluster)),
    { "fe1", "FE.two", "node-a", "node-b", "dc1" })
  lu.assertEquals(names_of(connections.of(everything, self.cluster, self.front_end, "require")),
    { "staffetta-everything-mail", "staffetta-everything-node-a", "staffetta-everything-node-b",
      "staffetta-everything-dc1" })
  lu.assertEquals(names_of(connections.of(everything, self.cluster, self.node, "require")),
    { "staffetta-everything-fe1", "staffetta-everything-fe-two", "staffetta-everything-fe1-own",
      "staffetta-everything-fe-two-own", "staffetta-everything-dc1" })
  local list = connections.of(everything, self.cluster, self.controller, "require")
  lu.assertEquals(names_of(list), { "staffetta-everything-fe1", "staffetta-everything-fe-two",
    "staffetta-everything-node-a", "staffetta-everything-node-b" })
  for _, each in ipairs(list) do
    lu.assertEquals({ each.document.side, each.document.local_address, each.document.traffic },
      { "server", "10.9.0.31", { { protocol = "any" } } })
  end
  -- towards a domain controller a node speaks for itself, not for the virtual IP
  local addresses = {}
  for i, each in ipairs(connections.of(everything, self.cluster, self.node, "require")) do
    addresses[i] = each.document.local_address
  end
  lu.assertEquals(addresses, { "10.9.0.100", "10.9.0.100", "10.9.0.11", "10.9.0.11", "10.9.0.11" })
end

-- FACTS.md 1.4: what the third policy must cover, and what no policy may.
function TestLib:test_everything_covers_the_named_services_and_leaves_management_alone()
  local policy = policy_of("everything")
  lu.assertEquals(policy.traffic, { { protocol = "any" } })
  lu.assertEquals(policy.exempt, exempt)
  local pairs_of = {}
  for i, pair in ipairs(policy.between) do pairs_of[i] = pair.from .. " " .. pair.to end
  lu.assertEquals(pairs_of, { "front_ends virtual_ip", "front_ends nodes", "front_ends domain_controllers",
    "nodes domain_controllers" })
  local function is_exempt(protocol, port)
    for _, entry in ipairs(policy.exempt) do
      for _, range in ipairs(entry.protocol == protocol and entry.ports or {}) do
        local low, high = tostring(range):match("^(%d+)%-(%d+)$")
        low, high = tonumber(low or range), tonumber(high or range)
        if port >= low and port <= high then return true end
      end
    end
    return false
  end
  for _, service in ipairs { { "tcp", 389 }, { "udp", 389 }, { "tcp", 3268 }, { "tcp", 135 }, { "tcp", 88 },
    { "udp", 88 }, { "tcp", 1025 }, { "tcp", 5000 }, { "tcp", 49152 }, { "tcp", 65535 } } do
    lu.assertFalse(is_exempt(service[1], service[2]), service[1] .. service[2])
  end
  for _, name in ipairs { "mail-passwords", "mail-all", "everything" } do
    lu.assertEquals(policy_of(name).exempt, exempt)
  end
end

function TestLib:test_a_peer_that_is_not_of_the_site()
  local policy = policy_of("mail-passwords")
  policy.between = { { from = "nodes", to = "192.0.2.7" } }
  lu.assertEquals(names_of(connections.speakers(policy, self.cluster)), { "node-a", "node-b" })
  local list = connections.of(policy, self.cluster, self.node, "require")
  lu.assertEquals(names_of(list), { "staffetta-mail-passwords-192-0-2-7" })
  lu.assertEquals({ list[1].document.remote_address, list[1].document.remote_id, list[1].document.local_address,
    list[1].document.side }, { "192.0.2.7", "192.0.2.7", "10.9.0.11", "client" })
  lu.assertEquals(connections.of(policy, self.cluster, self.front_end, "require"), {})
  local guard = connections.guards(policy, self.cluster, self.node, "kernel")[1].state
  lu.assertEquals({ guard.side, guard.address, guard.peer }, { "client", "192.0.2.7", "10.9.0.11" })
end

function TestLib:test_weak_proposals_only_for_the_peers_named()
  local policy = policy_of("mail-passwords")
  policy.ike_proposals = { "aes128gcm16-prfsha256-x25519", "3des-sha1-prfsha1-modp1024" }
  policy.esp_proposals = { "aes128gcm16", "3des-sha1" }
  policy.allow_weak = { { algorithm = "3des", peers = { "fe1" } }, { algorithm = "modp1024", peers = { "fe1" } },
    { algorithm = "sha1", peers = { "FE.two", "fe1" } } }
  local on_node = connections.of(policy, self.cluster, self.node, "require")
  lu.assertEquals(on_node[1].document.esp_proposals, { "aes128gcm16", "3des-sha1" })
  lu.assertEquals(on_node[1].document.ike_proposals, policy.ike_proposals)
  lu.assertEquals(on_node[2].document.esp_proposals, { "aes128gcm16" })
  lu.assertEquals(on_node[2].document.ike_proposals, { "aes128gcm16-prfsha256-x25519" })
  lu.assertEquals(connections.of(policy, self.cluster, self.front_end, "require")[1].document.esp_proposals,
    { "aes128gcm16", "3des-sha1" })
  lu.assertEquals(connections.of(policy, self.cluster, self.front_end_2, "require")[1].document.esp_proposals,
    { "aes128gcm16" })
end

-- A Windows front end in place of FE.two, driven by its own tools.
function TestLib:windows_front_end(fields)
  local ipsec = { driver = "windows" }
  for key, value in pairs(fields or {}) do ipsec[key] = value end
  local host = host_of("win2", "front_end", { windows = "2003", address = "10.9.0.2", ipsec = ipsec })
  self.cluster.front_ends[2] = host
  return host
end

function TestLib:test_a_windows_host_has_one_document_for_all_that_it_carries()
  local policy, win = policy_of("everything"), self:windows_front_end { tool = "ipsec_static" }
  local list = connections.of(policy, self.cluster, win, "permit")
  lu.assertEquals(names_of(list), { "staffetta-everything" })
  local document = list[1].document
  lu.assertEquals({ document.generation, document.tool, document.host, document.ike_version, document.secret_file },
    { "2003", "ipsec_static", "win2", 1, "mail.psk" })
  lu.assertEquals({ document.policy.action, document.policy.traffic }, { "permit", policy.traffic })
  lu.assertEquals(#document.pairs, 4) -- the virtual IP, two nodes, dc1
  lu.assertEquals(document.pairs[1],
    { local_address = "10.9.0.2", remote_address = "10.9.0.100", side = "client", peer = "mail" })
  lu.assertEquals(connections.secrets(policy, self.cluster, win), {})
  lu.assertEquals(connections.guards(policy, self.cluster, win, "windows"), {})
  lu.assertEquals(names_of(connections.with_charon(self.cluster.front_ends)), { "fe1", "win" })
  lu.assertEquals(names_of(connections.askers(self.cluster)), { "fe1" })
  win.netns = "stf-test"
  lu.assertEquals(names_of(connections.askers(self.cluster)), { "fe1", "win2" })
end

function TestLib:test_a_windows_peer_is_met_in_ikev1_by_addresses()
  self:windows_front_end()
  local policy = policy_of("mail-passwords")
  local list = connections.of(policy, self.cluster, self.node, "require")
  local usual, to_windows = list[1].document, list[2].document
  lu.assertEquals({ usual.version, usual.local_id, usual.remote_id }, { 2, "mail", "front-1" })
  lu.assertEquals({ to_windows.version, to_windows.local_id, to_windows.remote_id }, { 1, "10.9.0.100", "10.9.0.2" })
  lu.assertEquals(to_windows.ike_proposals, policy.ike_proposals) -- what IKEv1 can not do the driver leaves out
  lu.assertEquals(to_windows.esp_proposals, policy.esp_proposals)
  lu.assertEquals(connections.secrets(policy, self.cluster, self.node)[1].secret.owners,
    { "10.9.0.100", "10.9.0.2", "front-1", "mail" })
end

function TestLib:test_the_site_says_which_ike_a_peer_has()
  local policy = policy_of("mail-passwords")
  self:windows_front_end { ike_version = 2 }
  lu.assertEquals(connections.of(policy, self.cluster, self.node, "require")[2].document.version, 2)
  self.cluster.nodes[2].has.ipsec = { vici = "x", ike_version = 1 } -- what one node lacks, the virtual IP has not
  lu.assertEquals(connections.of(policy, self.cluster, self.node, "require")[1].document.version, 1)
end

function TestLib:test_certificates_are_each_identitys_own()
  local policy = policy_of("everything")
  policy.auth = { method = "certificate", certificate = "certs/{id}.pem", key = "keys/{id}.key", ca = "ca.pem" }
  local list = connections.of(policy, self.cluster, self.node, "require")
  lu.assertEquals(list[1].document.auth, { method = "certificate", certificate = "certs/mail.pem", ca = "ca.pem" })
  lu.assertEquals(list[3].document.auth.certificate, "certs/node-a.pem")
  lu.assertEquals(connections.secrets(policy, self.cluster, self.node), {
    { name = "staffetta-key-mail", secret = { kind = "private_key", file = "keys/mail.key" } },
    { name = "staffetta-key-node-a", secret = { kind = "private_key", file = "keys/node-a.key" } },
  })
  policy.auth = { method = "kerberos" }
  lu.assertEquals(connections.of(policy, self.cluster, self.node, "require")[1].document.auth, { method = "kerberos" })
  lu.assertEquals(connections.secrets(policy, self.cluster, self.node), {})
end

function TestLib:test_a_policy_that_only_passes_or_drops_has_no_secret()
  local policy = policy_of("mail-passwords")
  lu.assertFalse(connections.is_bare(policy))
  policy.action = "drop"
  lu.assertTrue(connections.is_bare(policy))
  lu.assertEquals(connections.secrets(policy, self.cluster, self.node), {})
  lu.assertEquals(connections.of(policy, self.cluster, self.node, policy.action)[1].document.action, "drop")
end

function TestLib:test_owners_of_the_secret()
  local list = connections.secrets(policy_of("mail-all"), self.cluster, self.node)
  lu.assertEquals(list, { { name = "staffetta-secret-mail",
    secret = { file = "mail.psk", owners = { "FE.two", "front-1", "mail" } } } })
  list = connections.secrets(policy_of("everything"), self.cluster, self.front_end)
  lu.assertEquals(list, { { name = "staffetta-secret-mail",
    secret = { file = "mail.psk", owners = { "FE.two", "dc1", "front-1", "mail", "node-a", "node-b" } } } })
end

function TestLib:test_the_guard_has_the_policys_ports()
  local list = connections.guards(policy_of("mail-passwords"), self.cluster, self.front_end, "kernel")
  lu.assertEquals(list, { { name = "staffetta-mail-passwords-mail", state = {
    side = "client", engine = "kernel", address = "10.9.0.100", interface = "lan0",
    traffic = { { protocol = "tcp", ports = { 110, 143 } } }, exempt = exempt } } })
  local guard = connections.guards(policy_of("mail-passwords"), self.cluster, self.node, "userland")[1].state
  lu.assertEquals({ guard.side, guard.engine, guard.interface }, { "server", "userland", "eth0" })
end

function TestLib:test_the_guard_of_any_protocol_is_tcp_udp_and_ping_whole()
  for _, each in ipairs(connections.guards(policy_of("everything"), self.cluster, self.node, "kernel")) do
    lu.assertEquals(each.state.traffic, { { protocol = "tcp" }, { protocol = "udp" }, { protocol = "icmp" } })
    lu.assertEquals(each.state.exempt, exempt)
  end
end

-- "staffetta-everything-dc1-own": "client 10.9.0.1 -> 10.9.0.31", by name.
local function guarded_pairs(self, host)
  local found = {}
  for _, each in ipairs(connections.guards(policy_of("everything"), self.cluster, host, "kernel")) do
    local state = each.state
    found[each.name] = ("%s %s -> %s"):format(state.side, state.peer or "anybody", state.address)
  end
  return found
end

-- Front ends, nodes and domain controllers, each with each: LDAP, the global catalog, Kerberos, RPC and its dynamic
-- ports are in it, for the guards are of all ports. dc2 has no IPsec.
function TestLib:test_everything_is_guarded_between_each_two()
  lu.assertEquals(guarded_pairs(self, self.front_end), {
    ["staffetta-everything-mail"] = "client anybody -> 10.9.0.100",
    ["staffetta-everything-node-a-own"] = "client 10.9.0.1 -> 10.9.0.11",
    ["staffetta-everything-node-b-own"] = "client 10.9.0.1 -> 10.9.0.12",
    ["staffetta-everything-dc1-own"] = "client 10.9.0.1 -> 10.9.0.31",
  })
  lu.assertEquals(guarded_pairs(self, self.node), {
    ["staffetta-everything-mail"] = "server anybody -> 10.9.0.100",
    ["staffetta-everything-fe1-own"] = "server 10.9.0.1 -> 10.9.0.11",
    ["staffetta-everything-fe-two-own"] = "server 10.9.0.2 -> 10.9.0.11",
    ["staffetta-everything-dc1-own"] = "client 10.9.0.11 -> 10.9.0.31",
  })
  lu.assertEquals(guarded_pairs(self, self.controller), {
    ["staffetta-everything-fe1-own"] = "server 10.9.0.1 -> 10.9.0.31",
    ["staffetta-everything-fe-two-own"] = "server 10.9.0.2 -> 10.9.0.31",
    ["staffetta-everything-node-a-own"] = "server 10.9.0.11 -> 10.9.0.31",
    ["staffetta-everything-node-b-own"] = "server 10.9.0.12 -> 10.9.0.31",
  })
end

function TestLib:test_no_guard_where_clear_text_is_allowed()
  local policy = policy_of("everything")
  policy.clear_text = "allow"
  lu.assertEquals(connections.guards(policy, self.cluster, self.node, "kernel"), {})
end

function TestLib:test_the_library_leaves_site_and_policy_alone()
  local policy = policy_of("everything")
  for _, host in ipairs(connections.speakers(policy, self.cluster)) do
    connections.of(policy, self.cluster, host, "require")
    connections.guards(policy, self.cluster, host, "kernel")
    connections.secrets(policy, self.cluster, host)
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
  lu.assertEquals(connections.ports { asks = {} }, {})
end

-- Places and values as the sources name them (Microsoft KB 821839 and KB 980915).
-- What a move makes each host do, in order: "node-a releases", "node-b initiates NAME", ...
local function moves_of(policy, cluster, from, to)
  local moves = {}
  local function note(...) moves[#moves + 1] = table.concat({ ... }, " ") end
  local function each_of(_, _, hosts, fn)
    for _, host in ipairs(hosts) do
      host.vip = { take = function() note(host.name, "takes") return {} end,
        release = function() note(host.name, "releases") return {} end }
      host.ipsec = {
        terminate = function(_, options)
          lu.assertTrue(options.force)
          note(host.name, "ends", options.connection)
          return {}
        end,
        initiate = function(_, options) note(host.name, "initiates", options.connection) return {} end,
      }
      fn(host)
    end
  end
  takeover.move({ step = each_of, act = each_of }, { policy = policy, cluster = cluster }, from, to)
  return moves
end

function TestLib:test_a_move_has_one_initiator_and_touches_what_moves()
  local policy, node_a, node_b = policy_of("everything"), self.cluster.nodes[1], self.cluster.nodes[2]
  local first, second = "staffetta-everything-fe1", "staffetta-everything-fe-two"
  local taken_over = { "node-b takes", "node-b ends " .. first, "node-b initiates " .. first, "node-b ends " .. second,
    "node-b initiates " .. second }
  lu.assertEquals(moves_of(policy, self.cluster, nil, node_b), taken_over) -- after a crash
  local in_order = { "node-a releases", table.unpack(taken_over) }
  in_order[#in_order + 1] = "node-a ends " .. first
  in_order[#in_order + 1] = "node-a ends " .. second
  lu.assertEquals(moves_of(policy, self.cluster, node_a, node_b), in_order)

  policy.failover.initiator = "front_end"
  local address = "staffetta-everything-mail"
  lu.assertEquals(moves_of(policy, self.cluster, node_a, node_b), { "node-a releases", "node-b takes",
    "node-b ends " .. first, "node-b ends " .. second, "fe1 ends " .. address, "fe1 initiates " .. address,
    "FE.two ends " .. address, "FE.two initiates " .. address, "node-a ends " .. first, "node-a ends " .. second })
end

function TestLib:test_the_tuning_depends_on_the_windows_version()
  local services = [[HKLM\SYSTEM\CurrentControlSet\Services]]
  local function places(list)
    local words = {}
    for i, value in ipairs(list) do
      words[i] = ("%s\\%s %s %s"):format(value.key, value.name, value.type or "-", value.value or "-")
      lu.assertStrMatches(value.source, "KB %d+")
      for _, field in ipairs { "unit", "default", "effect", "service" } do lu.assertIsString(value[field]) end
    end
    return words
  end
  local nlbs_flags = services .. [[\PolicyAgent\Oakley\NLBSFlags dword 1]]
  lu.assertEquals(places(tuning.values_for("2003")), { nlbs_flags })
  lu.assertEquals(places(tuning.entries_for("2003")), { nlbs_flags, services .. [[\IPSec\NlbsIdleTime - -]],
    services .. [[\PolicyAgent\Oakley\NlbsIdle - -]] })
  lu.assertEquals(places(tuning.entries_for("2008")), { services .. [[\IKEEXT\Parameters\NlbsIdleTime - -]],
    services .. [[\IKEEXT\Parameters\NlbsQMRetransmitDuration - -]] })
  lu.assertEquals(tuning.entries_for("2008r2"), tuning.entries_for("2008"))
  for _, version in ipairs { "2000", "2008", "2008r2", "2012", "2012r2", "2016", "2019", "2022", "none" } do
    lu.assertEquals(tuning.values_for(version), {}, version)
  end
  lu.assertEquals(tuning.entries_for("2000"), {})
  lu.assertEquals(tuning.entries_for("2012"), {})
  lu.assertEquals(tuning.entries_for(nil), {})
end

function TestLib:test_differences_in_words()
  lu.assertNil(differences.words(nil))
  lu.assertEquals(differences.words("mode", "transport", "tunnel"), "mode is tunnel, expected transport")
  lu.assertEquals(differences.words("auth", { method = "certificate", ca = "x" }),
    "auth is nothing, expected {ca = x, method = certificate}")
  lu.assertEquals(differences.words("traffic", { { protocol = "tcp", ports = { 110, 143 } } }, {}),
    "traffic is {}, expected {{ports = {110, 143}, protocol = tcp}}")
end

return TestLib
