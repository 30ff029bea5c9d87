-- The site @NAME@: its hosts, its clusters, and how long an outage may last. `staffetta docs site_file` lists every field.
--
-- As it comes, it describes a small site that this machine can stand for: `staffetta lab up --site .` builds it. Write
-- your own hosts and addresses into it, rehearse (`staffetta rehearse --site .`), and then set `in_lab = false`.

local name = "@NAME@"

-- true: the hosts are network namespaces on this machine, built by `staffetta lab up`. false: your own, by ssh.
local in_lab = true

-- Where the lab keeps what it makes; all of it goes with the lab.
local run = "/run/staffetta-lab/" .. name

-- A host, and how it is reached: ssh with the operator's own configuration and keys, `staffetta` installed over there.
local function host(host_name, role, address)
  if in_lab then
    return { role = role, address = address, interface = "eth0", netns = "stf-" .. name .. "-" .. host_name }
  end
  return { role = role, address = address, interface = "eth0", transport = "openssh", ssh = { user = "root" } }
end

-- The same with a strongSwan daemon (charon). Its paths are those of Debian's package charon-systemd.
local function ipsec_host(host_name, role, address)
  local described, dir = host(host_name, role, address), run .. "/" .. host_name
  described.ipsec = {
    id = host_name, -- what it calls itself towards its peers
    vici = in_lab and dir .. "/charon.vici" or "/var/run/charon.vici",
    conf_dir = in_lab and dir .. "/conf.d" or "/etc/swanctl/conf.d",
    charon_conf = in_lab and dir .. "/strongswan.d/staffetta.conf" or "/etc/strongswan.d/staffetta.conf",
    allow_tunnel = in_lab or nil, -- where the lab's kernel has no ESP; never on real hosts
  }
  return described
end

return {
  api = 1,
  name = name,

  hosts = {
    -- The servers that talk to the cluster.
    ["fe1"] = ipsec_host("fe1", "front_end", "10.9.0.1"),

    -- The cluster's nodes: one of them has the virtual IP.
    ["node-a"] = ipsec_host("node-a", "node", "10.9.0.11"),
    ["node-b"] = ipsec_host("node-b", "node", "10.9.0.12"),

    -- Takes no part in the policy. Checks try from here whether anybody gets an answer in the clear.
    ["witness"] = host("witness", "witness", "10.9.0.50"),

    -- A Windows front end whose failover tuning is in its registry; `registry` may be a hive, or "remote:HOST".
    -- ["win-fe1"] = { role = "front_end", windows = "2003", registry = { ["HKLM\\SYSTEM"] = "remote:win-fe1" } },
  },

  clusters = {
    mail = {
      virtual_ip = "10.9.0.100",
      interface = "eth0",             -- where the nodes carry the virtual IP
      nodes = { "node-a", "node-b" }, -- the first one holds it when the lab comes up
      front_ends = { "fe1" },
      manager = "address",            -- who moves it: "address", Staffetta itself; or "keepalived"
      ipsec_id = "mail",              -- what the holder calls itself, whichever node it is
      secret = in_lab and run .. "/mail.psk" or "/etc/staffetta/mail.psk", -- the pre-shared key, one line
    },
  },

  -- The longest outages that the site accepts, as a client sees them: drills are held to them.
  budgets = {
    planned_move_ms = 6000,
    failback_ms = 6000,
    crash_ms = 10000,
    restart_ms = 10000,
    flap_ms = 10000,
  },

  lab = { servers = "responder" }, -- answers on 80, 110 and 143; "real": Dovecot and nginx
}
