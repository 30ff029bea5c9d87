-- outage.lua - one failover watched from a front end: the longest loss, what was in the clear, and whether the traffic
-- was steady around it; and many of them as one figure. Must never call steady what was not looked at.
local connections = require "connections"
local prediction = require "prediction"
local timeline = require "timeline"

local M = {}

local grace_us = 50 * 1000
local recovery_ms = 60000 -- how long to wait for the traffic to come back
local answers_when_settled = 10 -- one every 20 ms; a new holder may have the address a moment before it negotiates

-- An attempt may be on its way when the failover begins: for as long as answers take on this machine now.
local function in_flight_ns(report)
  local late_us = (report.latency and report.latency.p99_us or 0) + (report.jitter and report.jitter.p99_us or 0)
  return (grace_us + late_us) * 1000
end

-- A loss that began before, and one that began after the answers were back.
local function was_disturbed(report, marks)
  local before, after, grace_ns = false, false, in_flight_ns(report)
  for _, outage in ipairs(report.outages) do
    local is_real = not outage.error_us or outage.duration_us > outage.error_us -- else this machine's own stall
    before = before or is_real and outage.first_lost_ns + grace_ns < marks.begun_ns
    after = after or is_real and outage.first_lost_ns > marks.settled_ns
  end
  return before, after
end

-- No loss at all is an outage of less than one interval.
local function figures_of(report, wire, marks)
  local longest = report.longest
  local is_disturbed_before, is_disturbed_after = was_disturbed(report, marks)
  local first_answered_ns = longest and longest.first_answered_ns
  return {
    outage_us = longest and longest.duration_us or 0,
    error_us = longest and longest.error_us or report.interval_us,
    is_open = longest and longest.is_open or false,
    after_takeover_us = first_answered_ns and marks.takeover_ns
      and math.max(0, (first_answered_ns - marks.takeover_ns) // 1000) or nil,
    is_steady_before = not is_disturbed_before,
    is_steady_after = not is_disturbed_after,
    lost = report.lost,
    sent = report.sent,
    latency_p50_us = report.latency and report.latency.p50_us,
    jitter_p99_us = report.jitter and report.jitter.p99_us,
    clear_packets = wire.clear_total,
    capture_lost = wire.lost,
  }
end

local function answers(host, p, port)
  local answer = host.probe:once { target = p.cluster.virtual_ip, port = port, timeout_ms = 200 }
  return answer ~= nil and answer.answered
end

-- Watches while fn(marks) makes the failover happen; fn may set marks.takeover_ns. `p`: { policy, cluster, front_end,
-- port, interval_us, steady_ms }. Gives the figures, with the timeline; nil in a plan. Needs "probe", "wire",
-- "ipsec.read" and "vip.read".
function M.watch(ctx, p, fn)
  local probe, capture, ears, figures
  ctx:act("measure from " .. p.front_end.name, { p.front_end }, function(host)
    probe = assert(host.probe:start { target = p.cluster.virtual_ip, port = p.port, interval_us = p.interval_us,
      timeout_ms = 900 })
    capture = assert(host.wire:start { address = p.cluster.virtual_ip, ports = connections.ports(p.policy),
      trace = true })
    ears = timeline.listen(p)
    ctx:sleep_ms(p.steady_ms)
  end)
  local marks = { begun_ns = ctx.now_ns() }
  fn(marks)
  ctx:act("watch the traffic settle", { p.front_end }, function(host)
    local in_a_row = 0
    ctx:wait_until(recovery_ms, function()
      in_a_row = answers(host, p, p.port) and in_a_row + 1 or 0
      return in_a_row == answers_when_settled
    end)
    marks.settled_ns = ctx.now_ns()
    ctx:sleep_ms(p.steady_ms)
    local report = assert(host.probe:stop(probe, { samples = timeline.span(marks) }))
    local wire = assert(host.wire:stop(capture))
    figures = figures_of(report, wire, marks)
    figures.timeline = timeline.of(p, ears, report, wire, marks)
  end)
  return figures
end

-- ---- many ----

local function sum(list, field)
  local total = 0
  for _, each in ipairs(list) do total = total + each[field] end
  return total
end

-- Whether the field is true for all.
local function is_all(list, field)
  local is = true
  for _, each in ipairs(list) do is = is and each[field] end
  return is
end

function M.median(list)
  local sorted = { table.unpack(list) }
  table.sort(sorted)
  local middle = #sorted // 2
  return #sorted % 2 == 1 and sorted[middle + 1] or (sorted[middle] + sorted[middle + 1]) // 2
end

local function column(list, field)
  local values = {}
  for _, each in ipairs(list) do values[#values + 1] = each[field] end
  return values
end

-- Of several that are as long, the first.
local function longest_of(list)
  local longest = list[1]
  for _, each in ipairs(list) do
    if each.outage_us > longest.outage_us then longest = each end
  end
  return longest
end

-- Appends to the figures of earlier repetitions. Only the longest outage keeps what happened in it.
function M.add(list, figures)
  list[#list + 1] = figures
  local longest = longest_of(list)
  for _, each in ipairs(list) do
    if each ~= longest then timeline.forget_details(each.timeline) end
  end
end

-- The figures of all repetitions as one: those of the longest outage, with the greatest bound of all as its error, and
-- the median beside it. `expected` may be nil.
function M.of_all(list, budget_ms, expected)
  local worst, bound_us = longest_of(list), 0
  for _, each in ipairs(list) do
    bound_us = math.max(bound_us, each.outage_us + each.error_us)
  end
  local figures = { budget_ms = budget_ms, expected = expected, repetitions = #list }
  for key, value in pairs(worst) do figures[key] = value end
  figures.error_us = bound_us - worst.outage_us
  for _, field in ipairs { "lost", "sent", "clear_packets", "capture_lost" } do figures[field] = sum(list, field) end
  for _, field in ipairs { "is_steady_before", "is_steady_after" } do figures[field] = is_all(list, field) end
  figures.outages_us = column(list, "outage_us")
  if #list > 1 then timeline.set_medians(figures.timeline, column(list, "timeline"), M.median) end
  figures.median_us = M.median(figures.outages_us)
  local after = column(list, "after_takeover_us")
  if #after > 0 then figures.median_after_takeover_us = M.median(after) end
  local worst_ms = worst.outage_us / 1000
  local words = #list == 1 and ("outage %.1f ms"):format(worst_ms)
    or ("median %.1f ms, worst of %d %.1f ms"):format(figures.median_us / 1000, #list, worst_ms)
  figures.summary = ("%s +- %.1f%s (%d of %d attempts lost), %d clear packets%s"):format(words, figures.error_us / 1000,
    expected and ", predicted " .. prediction.total(expected) or "", figures.lost, figures.sent, figures.clear_packets,
    budget_ms and (", budget %d ms"):format(budget_ms) or "")
  return figures
end

return M
