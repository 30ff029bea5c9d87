-- A script as it was written for the first API: everything that scripts of then could rely on.
local greeting = require "greeting"

return {
  api = 1,
  name = "visit",
  kind = "playbook",
  summary = "Write into the registries of all hosts, look, and tell",
  needs = { "registry.read", "registry.write", "system.read", "system.run" },
  params = {
    policy = { type = "policy", default = "imap-only", doc = "a policy of the site" },
    cluster = { type = "cluster", doc = "the site's only one when left out" },
    host = { type = "host", optional = true, doc = "one host" },
    times = { type = "integer", default = 2, min = 1, max = 9, doc = "how often" },
    is_loud = { type = "boolean", default = false, doc = "say more" },
    manner = { type = "choice", choices = { "kind", "curt" }, default = "kind", doc = "how" },
    tail = { type = "string", default = "", doc = "what stands at the end" },
    fails = { type = "boolean", default = false, doc = "fail at the gate" },
  },

  run = function(ctx, p)
    assert(p.policy.traffic[1].ports[1] == 143 and p.policy.name == "imap-only")
    assert(p.cluster.name == "mail" and p.cluster.virtual_ip == "10.9.0.100" and #p.cluster.nodes == 2)
    assert(p.host == nil and p.times == 2 and p.is_loud == false and p.manner == "kind")
    assert(#ctx.site.hosts() == 3 and #ctx.site.hosts("node") == 2 and ctx.site.host("win-a").windows == "2003")
    assert(ctx.site.budgets.crash_ms == 10000)
    assert(ctx.differs({ a = { b = 1 } }, { a = { b = 2 } }) == "a.b" and not ctx.differs({ 1 }, { 1 }))

    local function text_for(host) return greeting.of(host.name) .. p.tail end

    ctx:step("visit", ctx.site.hosts(), function(host)
      local registry = host.registry
      assert(registry:get("HKLM\\SYSTEM\\Visit", "Last") == nil)
      local outcome = assert(registry:set("HKLM\\SYSTEM\\Visit", "Last", "sz", text_for(host)))
      assert(outcome.changed)
      assert(registry:set("HKLM\\SYSTEM\\Visit", "Times", "dword", p.times))
      assert(registry:set("HKLM\\SYSTEM\\Visit", "All", "multi_sz", { "one", "two" }))
      assert(registry:delete("HKLM\\SYSTEM\\Visit", "All").changed)
      assert(registry:list("HKLM\\SYSTEM"))
      local value, err = registry:get("HKLM\\SOFTWARE\\Other", "x")
      assert(value == nil and err.kind and tostring(err) == err.message)
    end, { serial = { 1, "100%" }, retries = 1, deadline_ms = 60000, max_fail = 0 })

    ctx:act("look around", ctx.site.hosts(), function(host)
      assert(#host.system:facts().hostname > 0)
      local results = ctx:together {
        function() return host.system:run { argv = { "echo", "-n", "here" } }.output end,
        function() ctx:sleep_ms(1) return "slept" end,
      }
      assert(results[1] == "here" and results[2] == "slept")
    end)

    local ok, err = pcall(ctx.step, ctx, "a step may fail", { ctx.site.host("win-b") }, function()
      error { kind = "timeout", message = "on purpose" }
    end)
    assert(not ok and err.kind == "step_failed" and err.subject == "win-b")

    assert(ctx:wait_until(1000, function() return true end))
    ctx:say("%d hosts visited", #ctx.site.hosts())
    ctx:measure("visits", { count = #ctx.site.hosts(), duration_ms = 1, summary = "three visits" })
    assert(ctx:measured().visits.count == 3 and ctx.now_ns() > 0)

    local rows = {}
    for _, host in ipairs(ctx.site.hosts()) do
      rows[#rows + 1] = { check = "says", host = host, params = { text = text_for(host) } }
    end
    local verdict, results = ctx:checks("what it says", rows)
    assert(verdict == "pass" and #results == 3 or verdict == "unknown" and #results == 0) -- the latter in a plan
    ctx:gate("all is well", {
      { check = "says", hosts = { ctx.site.host("win-a") },
        params = { text = p.fails and "something else" or text_for(ctx.site.host("win-a")) } },
    })
  end,
}
