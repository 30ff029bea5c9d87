return {
  api = 1,
  name = "brighten",
  kind = "playbook",
  summary = "Set every lamp to a level, through a binding of the embedding program",
  needs = { "lamps.read", "lamps.write" },
  params = {
    level = { type = "integer", min = 0, max = 10, doc = "how bright" },
    fails = { type = "boolean", default = false, doc = "raise an error after the change" },
  },

  run = function(ctx, p)
    ctx:step("set the level", ctx.site.hosts("node"), function(host)
      local sum = assert(host.lamps:sum { numbers = { p.level, 1 } })
      assert(sum.sum == p.level + 1)
      assert(host.lamps:change("lamps.level", { lamp = "main" }, { level = p.level }))
      local now = assert(host.lamps:read("lamps.level", { lamp = "main" }))
      assert(now.level == p.level, "a read sees what is planned, or what was written")
    end)
    if p.fails then error("as asked") end
  end,
}
