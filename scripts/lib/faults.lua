-- faults.lua - what a drill does to a node on purpose: crash, restarted daemon, link flap; and the node's way back.
-- Every fault is a change, so that an interrupted drill is put back. Must never harm a node that nothing could restore.
local connections = require "connections"

local M = {}

-- The daemon of the node as it is to be; what it negotiates again once it runs and holds the address.
local function daemon(p, node, is_running, signal)
  local renew = p.policy.failover.initiator == "new_holder"
    and connections.of_virtual_ip(p.policy, p.cluster, node) or nil
  assert(node.ipsec:set_daemon { is_running = is_running, signal = signal, renew = renew })
end

-- The daemon is killed and the link goes down: nobody hears a last word. Gives the link as it was. The link goes last,
-- so that an undo brings it back first: the daemon negotiates as soon as it runs.
function M.crash(ctx, p, node)
  local link
  ctx:step(node.name .. " crashes", { node }, function()
    link = assert(node.vip:link())
    daemon(p, node, false, "KILL")
    assert(node.vip:set_link({ is_up = false }))
  end)
  return link
end

-- The daemon first: a cluster manager may take the address back as soon as the link is up.
function M.come_back(ctx, p, node, link)
  ctx:step(node.name .. " comes back", { node }, function()
    daemon(p, node, true, "KILL")
    assert(node.vip:set_link(link))
  end)
end

-- Ended in order, with a last word to the peers, and started again.
function M.restart(ctx, p, node)
  ctx:step(("the daemon of %s is restarted"):format(node.name), { node }, function()
    daemon(p, node, false, "TERM")
    daemon(p, node, true, "TERM")
  end)
end

function M.flap(ctx, p, node)
  ctx:step(("the link of %s flaps"):format(node.name), { node }, function()
    local link = assert(node.vip:link())
    assert(node.vip:set_link({ is_up = false }))
    ctx:sleep_ms(p.flap_ms)
    assert(node.vip:set_link(link))
  end)
end

return M
