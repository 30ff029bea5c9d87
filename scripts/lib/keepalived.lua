-- keepalived.lua - clusters whose virtual IP keepalived moves: Staffetta only says which node is to have it, and the
-- node's notify script (`staffetta takeover`) negotiates. Must never touch the address itself.
local M = {}

local preference = 50 -- more than nodes' priorities differ
local poll_ms = 2
local patience_ms = 10000

local function holds(node, cluster)
  local is_there, err = node.vip:holds(cluster.virtual_ip)
  if is_there == nil then error(err) end
  return is_there
end

-- Waits until `to` holds the address and `from` (nil: nobody to ask) does not; gives when that was seen.
function M.await(ctx, cluster, from, to)
  local seen_ns
  ctx:act(("%s has %s"):format(to.name, cluster.virtual_ip), { to }, function()
    local deadline_ns = ctx.now_ns() + patience_ms * 1000000
    repeat
      if ctx.now_ns() > deadline_ns then
        error { kind = "timeout", message = ("keepalived did not move %s to %s within %d ms"):format(
          cluster.virtual_ip, to.name, patience_ms) }
      end
      ctx:sleep_ms(poll_ms)
      local is_there = holds(to, cluster)
      if is_there then seen_ns = seen_ns or ctx.now_ns() end
    until is_there and not (from and holds(from, cluster))
  end)
  return seen_ns
end

-- The node that was preferred no longer is, or, when it was not, the other one is: so moving there and back leaves both
-- as they were. The old holder keeps the address until the new one has it.
function M.move(ctx, cluster, from, to)
  ctx:step(("prefer %s to %s"):format(to.name, from.name), { to }, function()
    if assert(from.vip:priority()).adjust > 0 then
      assert(from.vip:set_priority(0))
    else
      assert(to.vip:set_priority(preference))
    end
  end)
  M.await(ctx, cluster, from, to)
end

return M
