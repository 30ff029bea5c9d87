-- prometheus.lua - the figures of a run for the textfile collector of Prometheus' node_exporter, in base units.
-- SPDX-License-Identifier: MIT
local need = ...
local escape = need "escape"
local facts = need "facts"

-- Endings of our figures' names, and what they are in Prometheus' units.
local units = { { "_us$", "_seconds", 1e-6 }, { "_ms$", "_seconds", 1e-3 }, { "_ns$", "_seconds", 1e-9 } }

local function in_base_unit(name, value)
  for _, unit in ipairs(units) do
    if name:find(unit[1]) then return (name:gsub(unit[1], unit[2])), value * unit[3] end
  end
  return name, value
end

local function new_page(common)
  local page = { families = {}, by_name = {} }

  -- One sample; `labels` is a list of { name, value }, put after the common ones.
  function page.add(name, help, value, labels)
    local family = page.by_name[name]
    if not family then
      family = { ("# HELP %s %s\n# TYPE %s gauge\n"):format(name, help, name) }
      page.by_name[name] = family
      table.insert(page.families, family)
    end
    local words = {}
    for _, list in ipairs { common, labels or {} } do
      for _, label in ipairs(list) do words[#words + 1] = ('%s="%s"'):format(label[1], escape.label(label[2])) end
    end
    table.insert(family, ("%s{%s} %.15g\n"):format(name, table.concat(words, ","), value))
  end

  function page.text()
    local parts = {}
    for i, family in ipairs(page.families) do parts[i] = table.concat(family) end
    return table.concat(parts)
  end

  return page
end

local function add_measure(page, measure)
  local names = {}
  for name in pairs(measure.figures) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = measure.figures[name]
    if type(value) == "boolean" then value = value and 1 or 0 end
    if type(value) == "number" then
      local metric, converted = in_base_unit(name, value)
      page.add("staffetta_measure_" .. metric:gsub("[^%w_]", "_"), "A figure that the run has measured", converted,
        { { "measure", measure.name } })
    end
  end
end

return function(report)
  local run, outcome = report.run, report.outcome or {}
  local page = new_page { { "site", run.site_name }, { "playbook", run.playbook } }
  page.add("staffetta_run", "Number of the run in the journal", run.run)
  page.add("staffetta_run_started_timestamp_seconds", "When the run began", run.started_unix_ms / 1000)
  if run.ended_unix_ms then
    page.add("staffetta_run_ended_timestamp_seconds", "When the run ended", run.ended_unix_ms / 1000)
  end
  local duration_ms = facts.duration_ms(report)
  if duration_ms then page.add("staffetta_run_duration_seconds", "How long the run took", duration_ms / 1000) end
  page.add("staffetta_run_success", "1: it ended well and is proved where it was looked at",
    facts.verdict(report).tone == "good" and 1 or 0)
  page.add("staffetta_run_changes", "Changes that the run has made", #report.changes)
  local checks, hosts = facts.check_counts(report), outcome.counts or {}
  for _, name in ipairs(facts.verdicts) do
    page.add("staffetta_run_checks", "Checks of the run, by verdict", checks[name], { { "verdict", name } })
  end
  for _, name in ipairs(facts.outcomes) do
    page.add("staffetta_run_hosts", "Hosts of the site, by outcome", hosts[name] or 0, { { "outcome", name } })
  end
  for _, measure in ipairs(report.measures) do add_measure(page, measure) end
  return page.text()
end
