-- takeover.lua - the order in which a virtual IP goes to another node, and who negotiates then: exactly one side.
-- docs/failover.md says what each step costs when it is left out. Must never wait for the old holder: it may be gone.
local connections = require "connections"

local M = {}

-- The names of the host's connections that end at the virtual IP. Those of its own address do not move.
local function of_virtual_ip(p, host)
  local names = {}
  for _, connection in ipairs(connections.of(p.policy, p.cluster, host, "require")) do
    local ends = connection.document
    if ends.local_address == p.cluster.virtual_ip or ends.remote_address == p.cluster.virtual_ip then
      names[#names + 1] = connection.name
    end
  end
  return names
end

local function forget(host, name)
  assert(host.ipsec:terminate { connection = name, force = true, timeout_ms = 500 })
end

local function forget_all(p, host)
  for _, name in ipairs(of_virtual_ip(p, host)) do forget(host, name) end
end

-- A stale IKE SA would turn the negotiation into a CREATE_CHILD_SA that nobody answers, so it goes first.
local function negotiate_all(p, host)
  for _, name in ipairs(of_virtual_ip(p, host)) do
    forget(host, name)
    assert(host.ipsec:initiate { connection = name, timeout_ms = p.initiate_timeout_ms })
  end
end

local function move_address(ctx, cluster, from, to)
  local address = { address = cluster.virtual_ip, prefix_length = cluster.prefix_length }
  local name = from and ("move %s from %s to %s"):format(cluster.virtual_ip, from.name, to.name)
    or ("%s takes %s"):format(to.name, cluster.virtual_ip)
  ctx:step(name, from and { from, to } or { to }, function(host)
    if host == to then assert(host.vip:take(address)) else assert(host.vip:release(address)) end
  end)
end

-- `p`: { policy, cluster, initiate_timeout_ms }. `from` is nil when the old holder is gone. The new holder's
-- INITIAL_CONTACT makes the front end forget the old SA at once; who negotiates is the policy's failover.initiator.
-- Needs "vip.move" and "ipsec.initiate".
function M.move(ctx, p, from, to)
  move_address(ctx, p.cluster, from, to)
  if p.policy.failover.initiator == "new_holder" then
    ctx:act("the new holder initiates", { to }, function(host) negotiate_all(p, host) end)
  else
    ctx:act("the new holder forgets what is stale", { to }, function(host) forget_all(p, host) end)
    ctx:act("the front ends initiate", p.cluster:with("ipsec", p.cluster.front_ends), function(host)
      negotiate_all(p, host)
    end)
  end
  if from then ctx:act("the old holder forgets", { from }, function(host) forget_all(p, host) end) end
end

return M
