-- markdown.lua - a run in Markdown, for tickets and chats: the verdict, figures, hosts, checks, changes, the way back.
-- SPDX-License-Identifier: MIT
local need = ...
local escape = need "escape"
local facts = need "facts"
local sys = need "sys"

-- A table: heads, then rows of the same length; every cell is text.
local function table_of(heads, rows)
  local lines = { "| " .. table.concat(heads, " | ") .. " |", ("| --- "):rep(#heads) .. "|" }
  for _, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do cells[i] = escape.markdown(tostring(cell)) end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

local function section(parts, title, heads, rows)
  if #rows == 0 then return end
  table.insert(parts, "## " .. title)
  table.insert(parts, table_of(heads, rows))
end

local function mapped(list, fn)
  local rows = {}
  for i, each in ipairs(list) do rows[i] = fn(each) end
  return rows
end

return function(report, state_dir)
  local run, verdict, err = report.run, facts.verdict(report), (report.outcome or {}).error
  local parts = {
    ("# Run %d: %s on %s"):format(run.run, escape.markdown(run.playbook), escape.markdown(run.site_name)),
    ("**%s**: %s."):format(escape.markdown(verdict.title), escape.markdown(verdict.text)),
  }
  if err then table.insert(parts, "> " .. escape.markdown(err.message)) end
  table.insert(parts, ("By %s, %s, %s, Staffetta %s."):format(escape.markdown(run.operator),
    sys.time(run.started_unix_ms), facts.duration(facts.duration_ms(report)), escape.markdown(run.program_version)))
  section(parts, "Figures", { "measure", "figures" }, mapped(report.measures, function(measure)
    return { measure.name, facts.summary(measure.figures) }
  end))
  section(parts, "Hosts", { "host", "outcome", "changes", "reason" }, mapped(facts.hosts(report), function(host)
    return { host.name, facts.words(host.outcome), host.changes, host.reason or "" }
  end))
  section(parts, "Checks", { "verdict", "host", "check", "evidence" }, mapped(report.checks, function(check)
    return { check.verdict, check.host or "", check.name, facts.summary(check.evidence) }
  end))
  section(parts, "Changes", { "host", "what", "before", "after", "state" }, mapped(report.changes, function(change)
    local words = change.describe
    return { change.host, words.what, facts.cut(words.before), facts.cut(words.after), change.state }
  end))
  local back = facts.way_back(report, state_dir)
  table.insert(parts, "## The way back")
  table.insert(parts, escape.markdown(back.text))
  -- Indented, not fenced: no name can end the block.
  local lines = mapped(back.commands, function(each)
    return ("    # %s\n    %s"):format((each[1]:gsub("%c", " ")), (each[2]:gsub("\n", "\n    ")))
  end)
  if #lines > 0 then table.insert(parts, table.concat(lines, "\n")) end
  return table.concat(parts, "\n\n") .. "\n"
end
