-- The example site: two mail servers that share a virtual IP, and the front ends that talk to them. `staffetta lab up`
-- builds its hosts on one machine. Copy the folder, and describe your own hosts in it.
--
-- A site is one table. Addresses are IPv4; a relative path starts in the site's folder.

-- ---------------------------------------------------------------------------------------------------------------------
-- What the tables below have in common
-- ---------------------------------------------------------------------------------------------------------------------

local name = "example"

-- Everything that the lab makes while it is up lies here, and goes with it.
local run = "/run/staffetta-lab/" .. name

-- A host of the lab. Real hosts have no `netns`: that is the network namespace which stands for the host here.
local function host(host_name, role, address)
  return { role = role, address = address, interface = "eth0", netns = "stf-" .. name .. "-" .. host_name }
end

-- The same with a strongSwan daemon: where its VICI socket is, and where it keeps connections over a restart.
local function ipsec_host(host_name, role, address)
  local described, dir = host(host_name, role, address), run .. "/" .. host_name
  described.ipsec = {
    id = host_name, -- what it calls itself towards its peers
    vici = run .. "/" .. host_name .. "/charon.vici",
    conf_dir = run .. "/" .. host_name .. "/conf.d",
    -- A file for the policy's timers, which the daemon's strongswan.conf includes; on Debian
    -- "/etc/strongswan.d/staffetta.conf". Without it charon keeps its own: a dead peer is tried for 165 s.
    charon_conf = run .. "/" .. host_name .. "/strongswan.d/staffetta.conf",
    -- Policies ask for transport mode. A kernel without ESP leaves only tunnel mode in userland, as in some labs and
    -- containers: true accepts that. Leave it out on real hosts.
    allow_tunnel = true,
    -- How its daemon is started, for drills that end it: { "systemctl", "start", "strongswan" } on a real host.
    start = { "sh", "-c", ("STAFFETTA_LAB=%s STRONGSWAN_CONF=%s/strongswan.conf setsid --fork "
      .. "/usr/sbin/charon-systemd >>%s/charon.out 2>&1"):format(name, dir, dir) },
  }
  return described
end

-- A node, which also says where keepalived looks for a change of its priority (track_file in keepalived.conf), for
-- clusters whose manager is "keepalived".
local function node(host_name, address)
  local described = ipsec_host(host_name, "node", address)
  described.vip = { track_file = run .. "/" .. host_name .. "/keepalived.track" }
  return described
end

-- ---------------------------------------------------------------------------------------------------------------------
-- The site
-- ---------------------------------------------------------------------------------------------------------------------

return {
  api = 1,
  name = name,

  hosts = {
    ["fe1"] = ipsec_host("fe1", "front_end", "10.9.0.1"),
    ["node-a"] = node("node-a", "10.9.0.11"),
    ["node-b"] = node("node-b", "10.9.0.12"),

    -- Has no IPsec, and so must not get through to the protected ports: checks try it from here.
    ["witness"] = host("witness", "witness", "10.9.0.50"),

    -- A Windows Server 2003 front end. Here it is the hive of its registry and nothing else.
    ["win-fe1"] = {
      role = "front_end",
      windows = "2003",
      registry = { ["HKLM\\SYSTEM"] = run .. "/win-fe1/SYSTEM" },
    },
  },

  clusters = {
    mail = {
      virtual_ip = "10.9.0.100",
      prefix_length = 32,
      interface = "eth0",              -- where the nodes carry the virtual IP
      nodes = { "node-a", "node-b" },  -- the first one holds it when the lab comes up
      front_ends = { "fe1", "win-fe1" },
      manager = "address",             -- who moves it: Staffetta itself, by the address; or "keepalived", "pacemaker"
      ipsec_id = "mail",               -- what the holder calls itself, whichever node it is
      secret = run .. "/mail.psk",     -- the pre-shared key, one line; the lab makes one
    },
  },

  -- The longest outages that the site accepts, as a client sees them.
  budgets = {
    planned_move_ms = 6000, -- 3 to 6 s is what Windows Server 2003 needed
    failback_ms = 6000,
    crash_ms = 10000,
    restart_ms = 10000,
    flap_ms = 10000,
  },

  lab = {
    servers = "real", -- Dovecot on 110 and 143, nginx on 80; "responder": a small server for many thousand connections
    subnet_prefix_length = 24,
  },
}
