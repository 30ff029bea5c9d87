-- takeover.lua - the order in which a virtual IP goes to another node, and who negotiates then: exactly one side.
-- docs/failover.md says what each step costs when it is left out. Must never wait for the old holder: it may be gone.
local connections = require "connections"
local keepalived = require "keepalived"

local M = {}

local function forget(host, name)
  assert(host.ipsec:terminate { connection = name, force = true, timeout_ms = 500 })
end

local function forget_all(p, host)
  for _, name in ipairs(connections.of_virtual_ip(p.policy, p.cluster, host)) do forget(host, name) end
end

-- A stale IKE SA would turn the negotiation into a CREATE_CHILD_SA that nobody answers, so it goes first.
local function negotiate_all(p, host)
  for _, name in ipairs(connections.of_virtual_ip(p.policy, p.cluster, host)) do
    forget(host, name)
    assert(host.ipsec:initiate { connection = name, timeout_ms = p.initiate_timeout_ms })
  end
end

local function address_of(cluster)
  return { address = cluster.virtual_ip, prefix_length = cluster.prefix_length }
end

local function move_address(ctx, cluster, from, to)
  local address = address_of(cluster)
  local name = from and ("move %s from %s to %s"):format(cluster.virtual_ip, from.name, to.name)
    or ("%s takes %s"):format(to.name, cluster.virtual_ip)
  ctx:step(name, from and { from, to } or { to }, function(host)
    if host == to then assert(host.vip:take(address)) else assert(host.vip:release(address)) end
  end)
end

-- The cluster manager is told, by whichever node is there; the manager's name of a node may be another one than ours.
local function order_move(ctx, cluster, from, to)
  local owner = assert(to.vip:owner(cluster.virtual_ip))
  if owner.loaded == false then
    error { kind = "conflict", message = ("a constraint holds %s at %s; `crm_resource --clear` it first"):format(
      cluster.virtual_ip, owner.node) }
  end
  ctx:step(("%s moves %s from %s to %s"):format(cluster.manager, cluster.virtual_ip, from.name, to.name), { to },
    function() assert(to.vip:set_owner(to.has.vip.node or to.name, cluster.virtual_ip)) end)
end

-- `to` holds the address, and nobody has negotiated yet.
local function negotiate(ctx, p, from, to)
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

-- `p`: { policy, cluster, initiate_timeout_ms }. `from` is nil when the old holder is gone. The new holder's
-- INITIAL_CONTACT makes the front end forget the old SA at once; who negotiates is the policy's failover.initiator, or
-- keepalived's notify script. Needs "vip.move" and "ipsec.initiate".
function M.move(ctx, p, from, to)
  local manager = p.cluster.manager or "address"
  if manager == "keepalived" then
    if from then keepalived.move(ctx, p.cluster, from, to) else keepalived.await(ctx, p.cluster, nil, to) end
    return
  elseif manager == "address" then
    move_address(ctx, p.cluster, from, to)
  else
    order_move(ctx, p.cluster, from, to)
  end
  negotiate(ctx, p, from, to)
end

-- A node that was gone when the address moved must not come back with it.
function M.let_go(ctx, p, node)
  ctx:step(("%s lets go of %s"):format(node.name, p.cluster.virtual_ip), { node }, function()
    assert(node.vip:release(address_of(p.cluster)))
  end)
end

return M
