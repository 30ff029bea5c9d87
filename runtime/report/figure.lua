-- figure.lua - the two pictures of a report, as SVG: what happened when on which host, and how long the outages were
-- beside what was predicted and allowed. Colours are the style sheet's. SPDX-License-Identifier: MIT
local need = ...
local facts = need "facts"
local markup = need "markup"
local h = markup.h

local M = {}

local width, left, right = 960, 150, 24
local plot_width = width - left - right

local function picture(id, height, title, description, inside)
  return h.svg { xmlns = "http://www.w3.org/2000/svg", viewBox = ("0 0 %d %d"):format(width, height), role = "img",
    ["aria-labelledby"] = id .. "-title " .. id .. "-desc",
    h.title { id = id .. "-title", title }, h.desc { id = id .. "-desc", description }, inside }
end

local function number(value) return ("%.1f"):format(value) end

local function line(class, x1, y1, x2, y2)
  return h.line { class = class, x1 = number(x1), y1 = number(y1), x2 = number(x2), y2 = number(y2) }
end

local function label(class, x, y, text)
  return h.text { class = class, x = number(x), y = number(y), text }
end

-- Names of hosts and measures stand before their lane: as much as there is room for.
local function lane_name(y, name)
  local size = utf8.len(name)
  return label("lane", left - 14, y + 4, size <= 20 and name or name:sub(1, utf8.offset(name, 20) - 1) .. "…")
end

-- ---- what happened when ----

local lane_height, lanes_top = 34, 18

-- A step of 1, 2 or 5 times a power of ten, so that at most `most` of them make `span`.
local function round_step(span, most)
  local step = 10 ^ math.floor(math.log(math.max(span, 1) / most, 10))
  for _, factor in ipairs { 1, 2, 5, 10 } do
    if span / (step * factor) <= most then return step * factor end
  end
end

local mark = {}

function mark.change(x, y)
  return h.rect { class = "change", x = number(x - 3.5), y = number(y - 3.5), width = 7, height = 7 }
end

function mark.action(x, y) return line("action", x, y - 5, x, y + 5) end

function mark.pass(x, y) return h.circle { class = "pass", cx = number(x), cy = number(y), r = 4.5 } end

function mark.unknown(x, y) return h.circle { class = "unknown", cx = number(x), cy = number(y), r = 4 } end

function mark.fail(x, y)
  return h.path { class = "fail", d = ("M%s %sl10 10m0 -10l-10 10"):format(number(x - 5), number(y - 5)) }
end

local quiet = { ["probe.start"] = true, ["probe.stop"] = true, ["wire.start"] = true, ["wire.stop"] = true,
  measure = true }

-- Everything that has a time and a place: { host, at_unix_ms, kind, title }.
local function happenings(report)
  local list = {}
  local function add(host, at_unix_ms, kind, title)
    list[#list + 1] = { host = host or "site", at_unix_ms = at_unix_ms, kind = kind, title = title }
  end
  for _, event in ipairs(report.events) do
    local data = event.data or {}
    if not quiet[event.kind] and event.kind ~= "probe.once" and type(data.host) == "string" then
      add(data.host, event.at_unix_ms, "action", event.kind)
    end
  end
  for _, change in ipairs(report.changes) do
    add(change.host, change.at_unix_ms, "change", ("%s: %s"):format(change.step, change.describe.what))
  end
  for _, check in ipairs(report.checks) do
    add(check.host, check.at_unix_ms, mark[check.verdict] and check.verdict or "unknown",
      ("%s: %s"):format(check.name, check.verdict))
  end
  return list
end

-- From each start of a probe to its end: { host, from_unix_ms, to_unix_ms }.
local function measured_spans(report)
  local spans, open = {}, {}
  for _, event in ipairs(report.events) do
    local host = event.data and event.data.host
    if event.kind == "probe.start" and host then
      open[host] = open[host] or event.at_unix_ms
    elseif event.kind == "probe.stop" and host and open[host] then
      spans[#spans + 1] = { host = host, from_unix_ms = open[host], to_unix_ms = event.at_unix_ms }
      open[host] = nil
    end
  end
  return spans
end

local function lanes_of(report, list, spans)
  local used, names = {}, {}
  for _, each in ipairs(list) do used[each.host] = true end
  for _, each in ipairs(spans) do used[each.host] = true end
  for _, host in ipairs(report.hosts) do
    if used[host.name] then names[#names + 1] = host.name end
  end
  if used.site then names[#names + 1] = "site" end
  local y_of = {}
  for i, name in ipairs(names) do y_of[name] = lanes_top + (i - 0.5) * lane_height end
  return names, y_of
end

local function time_axis(span_ms, x_of, bottom)
  local inside, step_ms = {}, round_step(span_ms, 10)
  for at_ms = 0, span_ms, step_ms do
    local x = x_of(at_ms)
    inside[#inside + 1] = line("grid", x, lanes_top - 6, x, bottom)
    inside[#inside + 1] = label("tick", x, bottom + 18,
      step_ms < 1000 and ("%.0f ms"):format(at_ms) or ("%.0f s"):format(at_ms / 1000))
  end
  return inside
end

-- Nil when the run has nothing that could be drawn.
function M.course(report)
  local list, spans = happenings(report), measured_spans(report)
  local names, y_of = lanes_of(report, list, spans)
  if #names == 0 then return nil end
  local began, ended = report.run.started_unix_ms, report.run.ended_unix_ms or 0
  for _, each in ipairs(list) do ended = math.max(ended, each.at_unix_ms) end
  local span_ms = math.max(ended - began, 1)
  local function x_of(since_ms) return left + math.min(math.max(since_ms / span_ms, 0), 1) * plot_width end
  local bottom = lanes_top + #names * lane_height
  local inside = { time_axis(span_ms, x_of, bottom) }
  for _, name in ipairs(names) do
    inside[#inside + 1] = { lane_name(y_of[name], name), line("rule", left, y_of[name], width - right, y_of[name]) }
  end
  for _, span in ipairs(spans) do
    local from, to = x_of(span.from_unix_ms - began), x_of(span.to_unix_ms - began)
    local y = y_of[span.host]
    inside[#inside + 1] = y and h.rect { class = "span", x = number(from), y = number(y - 9), height = 18, rx = 4,
      width = number(math.max(to - from, 2)), h.title { "measured all the time" } }
  end
  for _, each in ipairs(list) do
    local x, y = x_of(each.at_unix_ms - began), y_of[each.host]
    inside[#inside + 1] = y and h.g { h.title { each.title }, mark[each.kind](x, y) }
  end
  return picture("course", bottom + 28, "What happened when, on each host", ("%s and %s on %s, in %s"):format(
    facts.count(#report.changes, "change"), facts.count(#report.checks, "check"), facts.count(#names, "lane"),
    facts.duration(span_ms)), inside)
end

-- ---- how long the outages were ----

local row_height, rows_top = 46, 14
local decade_ms_min, decade_ms_max = 1, 1000000

local function outages_of(report)
  local list = {}
  for _, measure in ipairs(report.measures) do
    if type(measure.figures.outage_us) == "number" then list[#list + 1] = measure end
  end
  return list
end

-- The powers of ten, in ms, that hold all values of the list.
local function decades(list)
  local top = 100
  for _, measure in ipairs(list) do
    local figures = measure.figures
    local most = math.max((figures.outage_us + (figures.error_us or 0)) / 1000, figures.budget_ms or 0)
    while top < most and top < decade_ms_max do top = top * 10 end
  end
  return decade_ms_min, top
end

local function decade_axis(low, top, x_of, bottom)
  local inside, at_ms = {}, low
  while at_ms <= top do
    local x = x_of(at_ms)
    inside[#inside + 1] = line("grid", x, rows_top - 6, x, bottom)
    inside[#inside + 1] = label("tick", x, bottom + 18,
      at_ms < 1000 and ("%d ms"):format(at_ms) or ("%d s"):format(at_ms // 1000))
    at_ms = at_ms * 10
  end
  return inside
end

local function outage_row(measure, y, x_of)
  local figures = measure.figures
  local outage_ms, error_ms = figures.outage_us / 1000, (figures.error_us or 0) / 1000
  local inside = { lane_name(y, facts.words(measure.name)) }
  local expected = figures.expected
  if type(expected) == "table" and expected.min_ms and expected.max_ms then
    local from, to = x_of(expected.min_ms), x_of(expected.max_ms)
    inside[#inside + 1] = h.rect { class = "expected", x = number(from), y = number(y - 13),
      width = number(math.max(to - from, 2)), height = 26, rx = 3, h.title { "predicted" } }
  end
  if figures.budget_ms then
    local x = x_of(figures.budget_ms)
    inside[#inside + 1] = h.g { h.title { ("budget %d ms"):format(figures.budget_ms) },
      line("budget", x, y - 14, x, y + 14) }
  end
  inside[#inside + 1] = line("whisker", x_of(outage_ms - error_ms), y, x_of(outage_ms + error_ms), y)
  for _, each_us in ipairs(figures.outages_us or {}) do
    inside[#inside + 1] = h.circle { class = "single", cx = number(x_of(each_us / 1000)), cy = number(y), r = 3 }
  end
  inside[#inside + 1] = h.circle { class = "outage", cx = number(x_of(outage_ms)), cy = number(y), r = 5.5,
    h.title { figures.summary or ("%.1f ms"):format(outage_ms) } }
  return inside
end

-- Nil when the run has measured no outage.
function M.outages(report)
  local list = outages_of(report)
  if #list == 0 then return nil end
  local low, top = decades(list)
  local function x_of(at_ms)
    local share = math.log(math.max(at_ms, low) / low) / math.log(top / low)
    return left + math.min(share, 1) * plot_width
  end
  local bottom = rows_top + #list * row_height
  local inside = { decade_axis(low, top, x_of, bottom) }
  for i, measure in ipairs(list) do
    inside[#inside + 1] = outage_row(measure, rows_top + (i - 0.5) * row_height, x_of)
  end
  return picture("outages", bottom + 28, "How long the outages were",
    ("%s on a logarithmic scale, with the error of each, what was predicted, and the budget; the table below has the "
      .. "numbers"):format(facts.count(#list, "outage")), inside)
end

return M
