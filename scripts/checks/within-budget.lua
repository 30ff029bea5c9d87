-- Compares the measures of this run with their budgets. One without a budget is unknown, and so is none at all.
return {
  api = 1,
  name = "within-budget",
  kind = "check",
  summary = "Every measured outage, its error included, stays inside the site's budget",
  params = {
    figures = { type = "table", doc = "the run's measures: name -> { outage_us, error_us, budget_ms, ... }" },
  },

  run = function(_, p)
    local worst_us, compared, without = 0, 0, nil
    for name, figures in pairs(p.figures) do
      if not figures.budget_ms then
        without = name
      else
        compared = compared + 1
        local outage_us = figures.outage_us + figures.error_us
        worst_us = math.max(worst_us, outage_us)
        if outage_us > figures.budget_ms * 1000 then
          return "fail", { summary = ("%s: up to %.1f ms, the budget is %d ms"):format(name, outage_us / 1000,
            figures.budget_ms) }
        end
      end
    end
    if without then return "unknown", { reason = "the site's budgets name no limit for " .. without } end
    if compared == 0 then return "unknown", { reason = "the site's budgets name no limit for what was measured" } end
    return "pass", { summary = ("worst case %.1f ms"):format(worst_us / 1000) }
  end,
}
