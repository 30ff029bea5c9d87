local kernel_state = require "kernel_state"

return {
  api = 1,
  name = "rollback",
  kind = "playbook",
  summary = "Put back what a run has changed, from the journal alone",
  needs = { "journal.rollback" },
  params = {
    run = { type = "run", default = "last", doc = "which run" },
    force = { type = "boolean", default = false, doc = "also where a host no longer has what the run wrote" },
  },

  run = function(ctx, p)
    local plan = assert(ctx.journal:rollback_plan(p.run))
    ctx:say("rolling back run %d: %d to put back, %d as they were already", plan.run, plan.undo, plan.nothing)
    local summary = assert(ctx.journal:rollback(plan.run, { force = p.force }))
    ctx:say("%d put back and read back equal", summary.undone)
    local rows = kernel_state.rows(ctx, assert(ctx.journal:measures(plan.run)))
    if #rows > 0 then ctx:checks("the kernels are as before", rows) end
  end,
}
