local connections = require "connections"
local differences = require "differences"

-- What the daemon or its file has instead is a difference, and told as one; only what could not be asked is unknown.
local is_difference = { conflict = true, invalid_data = true }

local function not_as_wanted(err)
  if is_difference[err.kind] then return "fail", { summary = tostring(err) } end
  return "unknown", { reason = tostring(err) }
end

-- A connection that could not be read: where its file was edited by hand, the setting is named.
local function not_readable(host, wanted, err)
  local edit = err.kind == "conflict" and host.ipsec:edit(wanted.name, wanted.document)
  if not edit then return not_as_wanted(err) end
  return "fail", { summary = ("%s: %s"):format(tostring(err), differences.words(edit.field, edit.expected, edit.found)),
    edit = edit }
end

local function check_connection(ctx, wanted)
  local host = ctx.host
  local found, err = host.ipsec:get(wanted.name)
  if err then return not_readable(host, wanted, err) end
  if not found then return "fail", { summary = ("connection %s is missing"):format(wanted.name) } end
  if found.loaded == false then
    return "fail", { summary = ("the host does not have %s as it was put there"):format(wanted.name) }
  end
  local difference = differences.words(ctx.differs(wanted.document, found))
  return difference and "fail", { summary = ("connection %s: %s"):format(wanted.name, difference) }
end

local function check_secret(ctx, wanted)
  local secret, err = ctx.host.ipsec:get_secret(wanted.name)
  if err then return not_as_wanted(err) end
  if secret and secret.loaded ~= false then return nil end
  return "fail", { summary = ("the daemon does not have the secret %s"):format(wanted.name) }
end

local function check_guard(ctx, wanted)
  local guard, err = ctx.host.ipsec:get_guard(wanted.name)
  if err then return not_as_wanted(err) end
  if not guard then return "fail", { summary = ("guard %s is missing"):format(wanted.name) } end
  if guard.ruleset then
    return "fail", { summary = ("guard %s: the %d rules and chains in its table are not those that Staffetta writes")
      :format(wanted.name, #guard.ruleset) }
  end
  local difference = differences.words(ctx.differs(wanted.state, guard))
  return difference and "fail", { summary = ("guard %s: %s"):format(wanted.name, difference) }
end

-- The verdict about the first that is not as wanted, with its evidence; nil when all are.
local function check_all(ctx, check, list)
  for _, wanted in ipairs(list) do
    local verdict, evidence = check(ctx, wanted)
    if verdict then return verdict, evidence end
  end
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
    local verdict, evidence = check_all(ctx, check_connection, connections.of(p.policy, p.cluster, host,
      p.policy.action))
    if not verdict then
      verdict, evidence = check_all(ctx, check_secret, connections.secrets(p.policy, p.cluster, host))
    end
    if verdict then return verdict, evidence end
    local engine, err = host.ipsec:capabilities()
    if not engine then return "unknown", { reason = tostring(err) } end
    verdict, evidence = check_all(ctx, check_guard, connections.guards(p.policy, p.cluster, host, engine.engine))
    if verdict then return verdict, evidence end
    return "pass", { summary = ("connections, secrets and guards as the policy says, %s ESP"):format(engine.engine) }
  end,
}
