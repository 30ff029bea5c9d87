-- facts.lua - what follows from a run's record, and what all forms of its report say alike: the verdict in one
-- sentence, hosts with their outcomes, checks by step, the commands that come next. SPDX-License-Identifier: MIT
local need = ...
local escape = need "escape"
local sys = need "sys"

local M = {}

M.verdicts = { "pass", "fail", "unknown" }
M.outcomes = { "done", "unchanged", "rolled_back", "failed", "unreachable", "skipped" }

-- "1 check", "2 checks".
function M.count(number, one, many)
  return ("%d %s"):format(number, number == 1 and one or many or one .. "s")
end

-- "rolled_back" as a person says it.
function M.words(name)
  return (name:gsub("_", " "))
end

-- {pass = 3, fail = 0, unknown = 0} of the checks.
function M.check_counts(report)
  local counts = { pass = 0, fail = 0, unknown = 0 }
  for _, check in ipairs(report.checks) do counts[check.verdict] = (counts[check.verdict] or 0) + 1 end
  return counts
end

local function verdict_words(report, outcome)
  if #report.checks == 0 then return "no check was made" end
  local counts, total = M.check_counts(report), #report.checks
  if counts.pass == total then return ("all %s passed"):format(M.count(total, "check")) end
  if outcome.verdict == "pass" then return ("%d of %s passed, those that failed did not count"):format(counts.pass,
    M.count(total, "check")) end
  local parts = {}
  for _, name in ipairs { "fail", "unknown" } do
    if counts[name] > 0 then
      parts[#parts + 1] = ("%d %s"):format(counts[name], name == "fail" and "failed" or "could not look")
    end
  end
  return ("of %s %s"):format(M.count(total, "check"), table.concat(parts, ", "))
end

local endings = {
  running = { "unsure", "Still running" },
  interrupted = { "bad", "Cut short", "what it has changed may stand" },
  failed = { "bad", "Failed", "what it has changed may stand" },
  rolled_back = { "bad", "Failed", "everything is put back" },
  held = { "unsure", "Held at a gate for a person to decide", "nothing is put back" },
  needs_human = { "bad", "Needs a person", "not everything could be put back" },
}

-- { tone = "good" | "bad" | "unsure", title = a word or two, text = a sentence }.
function M.verdict(report)
  local outcome = report.outcome or {}
  local state = outcome.state or report.run.state
  if state ~= "done" then
    local ending = endings[state] or { "unsure", M.words(state) }
    return { tone = ending[1], title = ending[2], text = ending[3] or "its end is not recorded yet" }
  end
  local counts = outcome.counts or {}
  local failed = (counts.failed or 0) + (counts.unreachable or 0)
  local verdict = { tone = "good", title = "Done", text = verdict_words(report, outcome) }
  if failed > 0 then
    verdict.tone = "bad"
    verdict.title, verdict.text = "Done in part", ("%s failed; %s"):format(M.count(failed, "host"), verdict.text)
  elseif #report.checks > 0 and outcome.verdict ~= "pass" then
    verdict.tone = outcome.verdict == "fail" and "bad" or "unsure"
    verdict.title = outcome.verdict == "fail" and "Done, and wrong" or "Done, not proved"
  end
  if report.run.rolled_back_by and report.run.rolled_back_by ~= report.run.run then
    verdict.text = ("%s; later rolled back by run %d"):format(verdict.text, report.run.rolled_back_by)
  end
  return verdict
end

-- Each host of the run, by name: { name, role, address, outcome, reason, step, changes, checks }.
function M.hosts(report)
  local outcomes, list, by_name = (report.outcome or {}).hosts or {}, {}, {}
  for _, host in ipairs(report.hosts) do
    local outcome = outcomes[host.name] or {}
    local row = { name = host.name, role = host.config.role, address = host.config.address, changes = 0, checks = 0,
      outcome = outcome.outcome or "unknown", reason = outcome.reason, step = outcome.step }
    list[#list + 1], by_name[host.name] = row, row
  end
  for _, list_name in ipairs { "changes", "checks" } do
    for _, each in ipairs(report[list_name]) do
      local row = by_name[each.host]
      if row then row[list_name] = row[list_name] + 1 end
    end
  end
  return list
end

-- The rows in the order they are in, under the first of each `field`: { { name, rows }, ... }.
function M.grouped(rows, field)
  local groups, by_name = {}, {}
  for _, row in ipairs(rows) do
    local name = row[field] or ""
    if not by_name[name] then
      by_name[name] = { name = name, rows = {} }
      groups[#groups + 1] = by_name[name]
    end
    table.insert(by_name[name].rows, row)
  end
  return groups
end

-- What a check saw, in one line.
function M.summary(evidence)
  if not evidence then return "" end
  return evidence.summary or evidence.reason or sys.json(evidence)
end

local limit_bytes = 4000 -- of one state: an import may have thousands of values

function M.cut(text)
  if #text <= limit_bytes then return text end
  local stop = utf8.offset(text, 0, limit_bytes) - 1
  return ("%s... (%d bytes; `staffetta report --json` has them all)"):format(text:sub(1, stop), #text)
end

function M.duration(duration_ms)
  if not duration_ms then return "unknown" end
  if duration_ms < 60000 then return ("%.3f s"):format(duration_ms / 1000) end
  return ("%d min %d s"):format(duration_ms // 60000, duration_ms % 60000 // 1000)
end

function M.duration_ms(report)
  local run = report.run
  return report.outcome and report.outcome.duration_ms or run.ended_unix_ms and run.ended_unix_ms - run.started_unix_ms
end

local function command(report, state_dir, words)
  local line = "staffetta " .. words
  if report.run.site_dir ~= "" then line = line .. " --site " .. escape.shell(report.run.site_dir) end
  if state_dir then line = line .. " --state " .. escape.shell(state_dir) end
  return line
end

-- How to go back, or on, from where the run ended: { text = "...", commands = { { "what for", "command" }, ... } }.
function M.way_back(report, state_dir)
  local run, commands, standing, hosts, seen = report.run, {}, 0, {}, {}
  for _, change in ipairs(report.changes) do
    if change.state ~= "undone" and not change.undoes then
      standing = standing + 1
      if not seen[change.host] then table.insert(hosts, change.host) end
      seen[change.host] = true
    end
  end
  local function add(what, words) table.insert(commands, { what, command(report, state_dir, words) }) end
  if run.state == "interrupted" or run.state == "held" then add("Go on with it", ("resume %d"):format(run.run)) end
  if run.rolled_back_by and run.rolled_back_by ~= run.run then
    add("Undo that", ("rollback %d"):format(run.rolled_back_by))
    return { text = ("Run %d has put back what this run had changed."):format(run.rolled_back_by), commands = commands }
  end
  if run.undoes_run then
    add("Undo this rollback", ("rollback %d"):format(run.run))
    return { text = ("This run has put back what run %d had changed."):format(run.undoes_run), commands = commands }
  end
  if standing == 0 then
    return { text = #report.changes == 0 and "This run has changed nothing." or
      "Nothing of what this run has changed stands.", commands = commands }
  end
  add("See what would be put back", ("rollback %d --plan"):format(run.run))
  add("Put everything back", ("rollback %d"):format(run.run))
  table.sort(hosts)
  for _, host in ipairs(#hosts > 1 and hosts or {}) do
    add("Put back " .. host .. " alone", ("rollback %d --host %s"):format(run.run, escape.shell(host)))
  end
  return { text = ("%s by this run stand. Where a host has something else by now, nothing is touched."):format(
    M.count(standing, "change")), commands = commands }
end

return M
