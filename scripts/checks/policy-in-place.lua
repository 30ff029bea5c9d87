local connections = require "connections"

return {
  api = 1,
  name = "policy-in-place",
  kind = "check",
  summary = "Connections, secret and guard stand on the host exactly as the policy says",
  needs = { "ipsec.read" },
  params = {
    policy = { type = "policy", doc = "what should stand" },
    cluster = { type = "cluster", doc = "the cluster" },
  },

  run = function(ctx, p)
    local host = ctx.host
    for _, wanted in ipairs(connections.of(p.policy, p.cluster, host, "require")) do
      local found, err = host.ipsec:get(wanted.name)
      if err then return "unknown", { reason = tostring(err) } end
      if not found then return "fail", { summary = ("connection %s is missing"):format(wanted.name) } end
      if found.loaded == false then
        return "fail", { summary = ("the daemon does not have the connection %s of its file"):format(wanted.name) }
      end
      local field = ctx.differs(wanted.document, found)
      if field then
        return "fail", { summary = ("connection %s has another %s than the policy"):format(wanted.name, field) }
      end
    end
    local secret_name = connections.secret(p.policy, p.cluster)
    local secret, secret_err = host.ipsec:get_secret(secret_name)
    if secret_err then return "unknown", { reason = tostring(secret_err) } end
    if not secret or secret.loaded == false then
      return "fail", { summary = ("the daemon does not have the secret %s"):format(secret_name) }
    end
    if host.role == "domain_controller" then
      return "pass", { summary = "connections and secret as the policy says" }
    end
    local engine, err = host.ipsec:capabilities()
    if not engine then return "unknown", { reason = tostring(err) } end
    local name, wanted = connections.guard(p.policy, p.cluster, host, engine.engine)
    local guard, guard_err = host.ipsec:get_guard(name)
    if guard_err then return "unknown", { reason = tostring(guard_err) } end
    if not guard then return "fail", { summary = ("guard %s is missing"):format(name) } end
    local field = ctx.differs(wanted, guard)
    if field then return "fail", { summary = ("guard %s has another %s than the policy"):format(name, field) } end
    return "pass", { summary = ("connections, secret and guard as the policy says, %s ESP"):format(engine.engine) }
  end,
}
