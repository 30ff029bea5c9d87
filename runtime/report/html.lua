-- html.lua - a run as one page that needs nothing else: no script, no network, its only style is its own.
-- SPDX-License-Identifier: MIT
local need = ...
local facts = need "facts"
local figure = need "figure"
local markup = need "markup"
local sys = need "sys"
local h = markup.h

-- ---- parts ----

local tones = { pass = "good", fail = "bad", unknown = "unsure", done = "good", failed = "bad", unreachable = "bad",
  rolled_back = "unsure", undone = "unsure", intent = "unsure" }
local signs = { good = "✓", bad = "✗", unsure = "?" }
local own_signs = { rolled_back = "↺", undone = "↺" }

-- A verdict, an outcome or a state: told by a word and a sign, coloured besides.
local function tag(name)
  local tone = tones[name]
  if not tone then return h.span { class = "muted", facts.words(name) } end
  return h.span { class = "tag " .. tone, ["data-sign"] = own_signs[name] or signs[tone], facts.words(name) }
end

-- What is wider than the page scrolls by itself, with the keyboard too.
local function scroll(name, inside)
  return h.div { class = "scroll", role = "region", tabindex = 0, ["aria-label"] = name, inside }
end

local function head_row(heads)
  local cells = {}
  for i, head in ipairs(heads) do
    cells[i] = h.th { scope = "col", class = head:find("^#") and "number", (head:gsub("^#", "")) }
  end
  return h.thead { h.tr { cells } }
end

-- `heads` of numbers begin with '#'.
local function table_of(caption, heads, rows)
  return scroll(caption, h.table { h.caption { caption }, head_row(heads), h.tbody { rows } })
end

local function mapped(list, fn)
  local rows = {}
  for i, each in ipairs(list) do rows[i] = fn(each, i) end
  return rows
end

local function section(id, title, inside)
  return { id = id, title = title, h.section { id = id, ["aria-labelledby"] = id .. "-head",
    h.h2 { id = id .. "-head", title }, inside } }
end

local function details(title, text)
  return h.details { h.summary { title }, h.pre { text } }
end

-- ---- the head of the page ----

local function params_text(params)
  local words = {}
  for name, value in pairs(params or {}) do
    words[#words + 1] = ("%s=%s"):format(name, type(value) == "string" and value or sys.json(value))
  end
  table.sort(words)
  return #words > 0 and table.concat(words, ", ")
end

local function key_facts(report)
  local run, counts = report.run, (report.outcome or {}).counts
  local hosts = {}
  for _, name in ipairs(facts.outcomes) do
    if counts and (counts[name] or 0) > 0 then hosts[#hosts + 1] = ("%d %s"):format(counts[name], facts.words(name)) end
  end
  local entries = {
    { "Began", sys.time(run.started_unix_ms) }, { "Took", facts.duration(facts.duration_ms(report)) },
    { "By", run.operator }, { "Hosts", #hosts > 0 and table.concat(hosts, ", ") or #report.hosts },
    { "Changes", #report.changes }, { "Checks", #report.checks }, { "Parameters", params_text(run.params) },
  }
  return h.dl { class = "facts", mapped(entries, function(entry)
    return entry[2] and h.div { h.dt { entry[1] }, h.dd { entry[2] } }
  end) }
end

local function header(report, sections)
  local run, verdict, err = report.run, facts.verdict(report), (report.outcome or {}).error
  return h.header {
    h.p { class = "eyebrow", ("Staffetta · run %d"):format(run.run) },
    h.h1 { ("%s on site %s"):format((run.playbook:gsub("^%l", string.upper)), run.site_name) },
    h.div { class = "verdict " .. verdict.tone,
      h.strong { signs[verdict.tone], " ", verdict.title }, (verdict.text:gsub("^%l", string.upper)), ".",
      err and h.p { class = "error mono", err.message } },
    key_facts(report),
    h.nav { ["aria-label"] = "Parts of this report", h.ul { mapped(sections, function(each)
      return h.li { h.a { href = "#" .. each.id, each.title } }
    end) } },
  }
end

-- ---- sections ----

-- The signs of the legend are drawn as in the picture.
local function legend(entries)
  return h.figcaption { class = "legend", mapped(entries, function(entry)
    return h.span { h.svg { viewBox = "0 0 16 16", ["aria-hidden"] = "true", entry[1] }, entry[2] }
  end) }
end

local course_legend = {
  { h.rect { class = "change", x = 4.5, y = 4.5, width = 7, height = 7 }, "change" },
  { h.line { class = "action", x1 = 8, y1 = 3, x2 = 8, y2 = 13 }, "action" },
  { h.circle { class = "pass", cx = 8, cy = 8, r = 4.5 }, "check passed" },
  { h.path { class = "fail", d = "M3 3l10 10m0 -10l-10 10" }, "check failed" },
  { h.circle { class = "unknown", cx = 8, cy = 8, r = 4 }, "could not look" },
  { h.rect { class = "span", x = 0, y = 2, width = 16, height = 12, rx = 3 }, "measured all the time" },
}

local outage_legend = {
  { h.circle { class = "outage", cx = 8, cy = 8, r = 5.5 }, "longest outage" },
  { h.circle { class = "single", cx = 8, cy = 8, r = 4 }, "each repetition" },
  { h.line { class = "whisker", x1 = 0, y1 = 8, x2 = 16, y2 = 8 }, "its error" },
  { h.rect { class = "expected", x = 0, y = 2, width = 16, height = 12, rx = 3 }, "predicted" },
  { h.line { class = "budget", x1 = 8, y1 = 0, x2 = 8, y2 = 16 }, "budget" },
}

local function ms(value_us)
  return value_us and ("%.1f"):format(value_us / 1000) or "–"
end

-- One failover: its phases on one clock, the host and the source that told of each.
local function phases_of(measure)
  local timeline = measure.figures.timeline
  return table_of(("%s: %s"):format(facts.words(measure.name), timeline.summary or ""),
    { "Phase", "#At ms", "#Took ms", "Host", "Seen by" }, mapped(timeline.phases or {}, function(phase)
      return h.tr { h.th { scope = "row", (facts.words(phase.name):gsub("^sas", "SAs")) },
        h.td { class = "number", ms(phase.at_us) }, h.td { class = "number", ms(phase.duration_us) },
        h.td { class = "host", phase.host or "–" },
        h.td { phase.seen and ("%s: %s"):format(phase.source, phase.event) or "not seen" } }
    end))
end

-- `drawn` is the picture of all of them.
local function failovers(report, drawn)
  local timed = {}
  for _, measure in ipairs(report.measures) do
    if type(measure.figures.timeline) == "table" then timed[#timed + 1] = measure end
  end
  return #timed > 0 and section("failovers", "The failovers, phase by phase", {
    h.figure { class = "timeline", scroll("Timelines of the failovers", markup.ready(drawn)) },
    mapped(timed, phases_of),
  })
end

local function course(report)
  local drawn = figure.course(report)
  return drawn and section("course", "What happened", h.figure { scroll("What happened when", drawn),
    legend(course_legend) })
end

local function outage_table(measures)
  local heads = { "Measure", "#Outage ms", "#± ms", "#Median ms", "#Times", "#Predicted ms", "#Budget ms", "#Lost",
    "#In the clear" }
  return table_of("Outages: the longest one, with the greatest error", heads, mapped(measures, function(measure)
    local figures, cells = measure.figures, {}
    local expected = type(figures.expected) == "table" and figures.expected
    local values = { ms(figures.outage_us), ms(figures.error_us), ms(figures.median_us), figures.repetitions or 1,
      expected and ("%s to %s"):format(expected.min_ms, expected.max_ms) or "–", figures.budget_ms or "–",
      figures.sent and ("%d of %d"):format(figures.lost, figures.sent) or "–", figures.clear_packets or "–" }
    for i, value in ipairs(values) do cells[i] = h.td { class = "number", value } end
    return h.tr { h.th { scope = "row", facts.words(measure.name) }, cells }
  end))
end

local function figures(report)
  if #report.measures == 0 then return nil end
  local outages, others = {}, {}
  for _, measure in ipairs(report.measures) do
    table.insert(type(measure.figures.outage_us) == "number" and outages or others, measure)
  end
  return section("figures", "Figures", {
    #outages > 0 and h.figure { scroll("How long the outages were", figure.outages(report)), legend(outage_legend) },
    #outages > 0 and outage_table(outages),
    #others > 0 and table_of("Other figures", { "Measure", "Figures" }, mapped(others, function(measure)
      return h.tr { h.th { scope = "row", measure.name },
        h.td { class = "wide", facts.cut(facts.summary(measure.figures)) } }
    end)),
  })
end

local function filter(hosts)
  local used, choices = {}, { { "all", "all" } }
  for _, host in ipairs(hosts) do used[host.outcome] = (used[host.outcome] or 0) + 1 end
  for _, name in ipairs { "failed", "unreachable", "rolled_back", "done", "unchanged", "skipped", "unknown" } do
    if used[name] then choices[#choices + 1] = { name, ("%s (%d)"):format(facts.words(name), used[name]) } end
  end
  if #choices <= 2 then return false end
  return h.fieldset { h.legend { "Show" }, mapped(choices, function(choice)
    return h.label { h.input { type = "radio", name = "only", id = "only-" .. choice[1],
      checked = choice[1] == "all" and "checked" }, choice[2] }
  end) }
end

local function hosts(report)
  local list = facts.hosts(report)
  return #list > 0 and section("hosts", "Hosts", { filter(list),
    table_of("Every host of the site, and how the run ended there",
      { "Host", "Outcome", "Role", "Address", "#Changes", "#Checks", "Reason" }, mapped(list, function(host)
        return h.tr { class = host.outcome, h.th { scope = "row", host.name }, h.td { tag(host.outcome) },
          h.td { facts.words(host.role or "–") }, h.td { class = "mono", host.address or "–" },
          h.td { class = "number", host.changes }, h.td { class = "number", host.checks },
          h.td { class = "wide", host.reason or (host.outcome == "failed" and host.step) or "" } }
      end)) })
end

local function check_row(check)
  return h.tr { h.td { tag(check.verdict) }, h.th { scope = "row", check.name },
    h.td { class = "host", check.host or "–" }, h.td { class = "wide", facts.cut(facts.summary(check.evidence)),
      check.evidence and details("evidence", facts.cut(sys.json(check.evidence))) } }
end

local function checks(report)
  local groups = facts.grouped(report.checks, "step")
  return #groups > 0 and section("checks", "Checks", mapped(groups, function(group)
    return table_of(group.name, { "Verdict", "Check", "Host", "What it saw" }, mapped(group.rows, check_row))
  end))
end

local function change_row(change)
  local words = change.describe
  return h.tr { h.td { class = "number", change.seq },
    h.td { class = "value", h.span { class = "muted", change.resource }, h.br {}, facts.cut(words.what) },
    h.td { class = "value before", facts.cut(words.before) },
    h.td { class = "value", facts.cut(words.after) },
    h.td { tag(change.state), change.error and h.div { change.error } }, h.td { change.step } }
end

local function changes(report)
  local groups = facts.grouped(report.changes, "host")
  table.sort(groups, function(one, other) return one.name < other.name end)
  return #groups > 0 and section("changes", "Before and after", mapped(groups, function(group)
    return { h.h3 { group.name }, table_of(("%s on %s, in their order"):format(facts.count(#group.rows, "change"),
      group.name), { "#Nr", "What", "Before", "After", "State", "Step" }, mapped(group.rows, change_row)) }
  end))
end

local function way_back(report, state_dir)
  local back = facts.way_back(report, state_dir)
  return section("back", "The way back", { h.p { back.text },
    #back.commands > 0 and h.dl { class = "commands", mapped(back.commands, function(each)
      return { h.dt { each[1] }, h.dd { h.pre { each[2] } } }
    end) } })
end

local function scripts(report)
  return #report.scripts > 0 and section("scripts", "Scripts", table_of("Each script that took part, by its text",
    { "Kind", "Name", "From", "SHA-256" }, mapped(report.scripts, function(script)
      return h.tr { h.td { script.kind }, h.th { scope = "row", script.name }, h.td { class = "value", script.origin },
        h.td { class = "value mono", script.sha256 } }
    end)))
end

-- ---- the page ----

local base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- Of a number that is written in hex.
local function base64_of(hex)
  local bits = hex:gsub("%x", function(digit)
    local value, text = tonumber(digit, 16), ""
    for place = 3, 0, -1 do text = text .. (value >> place & 1) end
    return text
  end)
  bits = bits .. ("0"):rep(-#bits % 6)
  local text = bits:gsub("%d%d%d%d%d%d", function(six)
    local at = tonumber(six, 2) + 1
    return base64:sub(at, at)
  end)
  return text .. ("="):rep(-#text % 4)
end

-- The style sheets of the page, ours and that of the picture, are the only thing that it may use.
local function content_policy(css, timeline)
  local words = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src"
  for _, text in ipairs { css, timeline and timeline:match("<style>(.-)</style>") } do
    words = ("%s 'sha256-%s'"):format(words, base64_of(sys.sha256(text)))
  end
  return words
end

return function(report, state_dir, timeline)
  local css = sys.style()
  local sections = {}
  for _, each in ipairs { course(report) or false, figures(report) or false, failovers(report, timeline),
    hosts(report), checks(report), changes(report), way_back(report, state_dir), scripts(report) } do
    if each then sections[#sections + 1] = each end
  end
  local run = report.run
  local page = h.html { lang = "en",
    h.head {
      h.meta { charset = "utf-8" },
      h.meta { ["http-equiv"] = "Content-Security-Policy", content = content_policy(css, timeline) },
      h.meta { name = "viewport", content = "width=device-width, initial-scale=1" },
      h.meta { name = "color-scheme", content = "light dark" },
      h.title { ("Run %d: %s on %s, %s"):format(run.run, run.playbook, run.site_name, facts.words(run.state)) },
      h.style { markup.ready(css) },
    },
    h.body {
      h.a { class = "skip", href = "#report", "Skip to the report" },
      header(report, sections),
      h.main { id = "report", mapped(sections, function(each) return each[1] end) },
      h.footer { ("Made by Staffetta from the journal alone; run %d was made by Staffetta %s."):format(run.run,
        run.program_version) },
    },
  }
  return "<!DOCTYPE html>\n" .. markup.text(page) .. "\n"
end
