return {
  api = 1,
  name = "says",
  kind = "check",
  summary = "A value has the text that it should have",
  needs = { "registry.read" },
  params = {
    text = { type = "string", doc = "what it should say" },
    key = { type = "string", default = "HKLM\\SYSTEM\\Visit", doc = "where it is" },
  },

  run = function(ctx, p)
    local value, err = ctx.host.registry:get(p.key, "Last")
    if err then return "unknown", { reason = tostring(err) } end
    if not value then return "unknown", "there is no value" end
    return value.value == p.text and "pass" or "fail", { summary = value.value, type = value.type }
  end,
}
