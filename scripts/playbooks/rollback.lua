local kernel_state = require "kernel_state"

-- "3,5" as { 3, 5 }.
local function numbers(text)
  local list = {}
  for word in text:gmatch("[^,]+") do
    list[#list + 1] = math.tointeger(tonumber(word)) or error(("items: '%s' is no item's number"):format(word), 0)
  end
  return list
end

return {
  api = 1,
  name = "rollback",
  kind = "playbook",
  summary = "Put back what a run has changed, from the journal alone",
  needs = { "journal.rollback" },
  params = {
    run = { type = "run", default = "last", doc = "which run" },
    host = { type = "string", optional = true, doc = "only what it has changed on this host" },
    force = { type = "boolean", default = false, doc = "also where a host no longer has what the run wrote" },
    items = { type = "string", optional = true, doc = "the same for these items only: numbers with commas" },
  },

  run = function(ctx, p)
    local plan = assert(ctx.journal:rollback_plan(p.run, { host = p.host }))
    ctx:say("rolling back run %d: %d to put back, %d as they were already", plan.run, plan.undo, plan.nothing)
    if ctx.is_planning then return end
    local force = p.items and numbers(p.items) or p.force
    local summary = assert(ctx.journal:rollback(plan.run, { host = p.host, force = force }))
    ctx:say("%d put back and read back equal", summary.undone)
    if p.host then return end
    local rows = kernel_state.rows(ctx, assert(ctx.journal:measures(plan.run)))
    if #rows > 0 then ctx:checks("the kernels are as before", rows) end
  end,
}
