local tuning = require "failover_tuning"

return {
  api = 1,
  name = "tuning-set",
  kind = "check",
  summary = "The failover tuning for this Windows version stands in the registry",
  needs = { "registry.read" },

  run = function(ctx)
    local host = ctx.host
    local wanted = tuning.values_for(host.windows)
    if #wanted == 0 then
      return "pass", { summary = ("no tuning is known for Windows %s"):format(host.windows) }
    end
    for _, value in ipairs(wanted) do
      local found, err = host.registry:get(value.key, value.name)
      if err then return "unknown", { reason = tostring(err) } end
      if not found or found.type ~= value.type or found.value ~= value.value then
        return "fail", { summary = ("%s is %s, expected %s %s (%s)"):format(value.name,
          found and ("%s %s"):format(found.type, tostring(found.value)) or "absent", value.type, tostring(value.value),
          value.source) }
      end
    end
    return "pass", { summary = ("%s = %s; value set, its effect can not be observed from here"):format(
      wanted[1].name, tostring(wanted[1].value)) }
  end,
}
