local connections = require "connections"

-- What the daemon or its file has instead is a difference, and told as one; only what could not be asked is unknown.
local differences = { conflict = true, invalid_data = true }

local function not_as_wanted(err)
  if differences[err.kind] then return "fail", { summary = tostring(err) } end
  return "unknown", { reason = tostring(err) }
end

return {
  api = 1,
  name = "policy-in-place",
  kind = "check",
  summary = "Connections, secrets and guard stand on the host exactly as the policy says",
  needs = { "ipsec.read" },
  params = {
    policy = { type = "policy", doc = "what should stand" },
    cluster = { type = "cluster", doc = "the cluster" },
  },

  run = function(ctx, p)
    local host = ctx.host
    for _, wanted in ipairs(connections.of(p.policy, p.cluster, host, p.policy.action)) do
      local found, err = host.ipsec:get(wanted.name)
      if err then return not_as_wanted(err) end
      if not found then return "fail", { summary = ("connection %s is missing"):format(wanted.name) } end
      if found.loaded == false then
        return "fail", { summary = ("the host does not have %s as it was put there"):format(wanted.name) }
      end
      local field = ctx.differs(wanted.document, found)
      if field then
        return "fail", { summary = ("connection %s has another %s than the policy"):format(wanted.name, field) }
      end
    end
    for _, wanted in ipairs(connections.secrets(p.policy, p.cluster, host)) do
      local secret, err = host.ipsec:get_secret(wanted.name)
      if err then return not_as_wanted(err) end
      if not secret or secret.loaded == false then
        return "fail", { summary = ("the daemon does not have the secret %s"):format(wanted.name) }
      end
    end
    local engine, err = host.ipsec:capabilities()
    if not engine then return "unknown", { reason = tostring(err) } end
    for _, wanted in ipairs(connections.guards(p.policy, p.cluster, host, engine.engine)) do
      local guard, guard_err = host.ipsec:get_guard(wanted.name)
      if guard_err then return not_as_wanted(guard_err) end
      if not guard then return "fail", { summary = ("guard %s is missing"):format(wanted.name) } end
      local field = ctx.differs(wanted.state, guard)
      if field then
        return "fail", { summary = ("guard %s has another %s than the policy"):format(wanted.name, field) }
      end
    end
    return "pass", { summary = ("connections, secrets and guards as the policy says, %s ESP"):format(engine.engine) }
  end,
}
