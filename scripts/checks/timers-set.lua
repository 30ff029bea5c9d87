local connections = require "connections"
local differences = require "differences"
local prediction = require "prediction"

return {
  api = 1,
  name = "timers-set",
  kind = "check",
  summary = "The timers of the policy's failover are set in the host's charon and kernel",
  needs = { "ipsec.read" },
  params = { policy = { type = "policy", doc = "whose timers should stand" } },

  run = function(ctx, p)
    local host, wanted = ctx.host, connections.timers(p.policy)
    if not host.has.ipsec.charon_conf then
      return "pass", { summary = "the site names no ipsec.charon_conf for this host: charon's own timers hold" }
    end
    local found, err = host.ipsec:get_timers()
    if err then return "unknown", { reason = tostring(err) } end
    if not found then return "fail", { summary = "charon's own timers hold" } end
    if found.loaded == false then return "fail", { summary = "charon may not have read the timers of its file" } end
    local difference = differences.words(ctx.differs(wanted, found))
    if difference then return "fail", { summary = difference } end
    local summary = ("a dead peer is given up after %d ms; set, effect not observable from here"):format(
      prediction.retransmission_ms(wanted))
    local engine
    engine, err = host.ipsec:capabilities()
    if not engine then return "unknown", { reason = tostring(err) } end
    if engine.engine ~= "kernel" then return "pass", { summary = summary } end
    local kernel
    kernel, err = host.ipsec:get_acquire_expires()
    if not kernel then return "unknown", { reason = tostring(err) } end
    if kernel.acquire_expires_ms ~= wanted.acquire_expires_ms then
      return "fail", { summary = ("the kernel waits %d ms for an SA, expected %d"):format(kernel.acquire_expires_ms,
        wanted.acquire_expires_ms) }
    end
    return "pass", { summary = ("%s; the kernel waits %d ms for an SA"):format(summary, kernel.acquire_expires_ms) }
  end,
}
