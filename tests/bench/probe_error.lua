-- Compares what three tools have seen of imposed outages with the truth: probe_error.lua OUTAGE_MS FOLDER, see
-- probe_error.sh. The truth has an uncertainty of its own (the time that the rule took): errors count beyond it.
local cjson = require "cjson"

local outage_ms, folder = arg[1], arg[2]

local function lines(name)
  return assert(io.open(folder .. "/" .. name)):lines()
end

-- { down = { from, to }, up = { from, to }, ahead }, in ns.
local function read_truth()
  local truths = {}
  for line in lines("truth") do
    local a, b, c, d, ahead = line:match("^(%d+) (%d+) (%d+) (%d+) (%-?%d+)$")
    truths[#truths + 1] = { down = { tonumber(a), tonumber(b) }, up = { tonumber(c), tonumber(d) },
      ahead = tonumber(ahead) }
  end
  return truths
end

-- The distance of `us` from what the truth allows: 0 inside, negative when too short.
local function error_us(truth, us)
  local min, max = (truth.up[1] - truth.down[2]) / 1000, (truth.up[2] - truth.down[1]) / 1000
  return us < min and us - min or us > max and us - max or 0
end

-- The outage of a report that lies over the truth.
local function of_report(outages, truth)
  for _, outage in ipairs(outages) do
    if outage.last_answered_ns ~= cjson.null and outage.first_answered_ns ~= cjson.null
      and outage.last_answered_ns < truth.up[1] and outage.first_answered_ns > truth.down[2] then
      return { duration_us = outage.duration_us, loss_us = outage.loss_derived_us, bound_us = outage.error_us }
    end
  end
end

-- Replies of a tool that prints "[wall clock] ... sequence ...".
local function read_replies(name, pattern)
  local replies = {}
  for line in lines(name) do
    local at, sequence = line:match(pattern)
    if at then replies[#replies + 1] = { at_ns = tonumber(at) * 1e9, sequence = tonumber(sequence) } end
  end
  table.sort(replies, function(a, b) return a.sequence < b.sequence end)
  return replies
end

-- The widest gap between two replies over the truth, and how many are missing in it.
local function of_replies(replies, truth, period_us)
  local widest
  for i = 2, #replies do
    local a, b = replies[i - 1], replies[i]
    if a.at_ns < truth.up[1] + truth.ahead and b.at_ns > truth.down[2] + truth.ahead then
      local gap_us = (b.at_ns - a.at_ns) / 1000
      if not widest or gap_us > widest.duration_us then
        widest = { duration_us = gap_us, loss_us = (b.sequence - a.sequence - 1) * period_us }
      end
    end
  end
  return widest
end

local function quantile(values, share)
  table.sort(values)
  return values[math.max(1, math.ceil(#values * share))] / 1000
end

local function worst(values)
  local found = 0
  for _, value in ipairs(values) do
    if math.abs(value) > math.abs(found) then found = value end
  end
  return found / 1000
end

local function show(tool, truths, find)
  local durations, losses, above, found = {}, {}, 0, 0
  for _, truth in ipairs(truths) do
    local seen = find(truth)
    if seen then
      found = found + 1
      durations[found], losses[found] = error_us(truth, seen.duration_us), error_us(truth, seen.loss_us)
      if seen.bound_us and math.abs(durations[found]) > seen.bound_us then above = above + 1 end
    end
  end
  if found == 0 then return print(("%-8s %-22s saw none of %d"):format(outage_ms, tool, #truths)) end
  print(("%-8s %-22s %28s %28s %12s"):format(outage_ms, ("%s (%d/%d)"):format(tool, found, #truths),
    ("p50 %+.3f worst %+.3f"):format(quantile(durations, 0.5), worst(durations)),
    ("p50 %+.3f worst %+.3f"):format(quantile(losses, 0.5), worst(losses)),
    tool:find("staffetta") and tostring(above) or "-"))
end

local truths = read_truth()
local uncertain = {}
for i, truth in ipairs(truths) do
  uncertain[i] = (truth.up[2] - truth.up[1] + truth.down[2] - truth.down[1]) / 1000
end
local reports = cjson.decode(assert(io.open(folder .. "/staffetta")):read("a")).reports
local fping = read_replies("fping", "^%[([%d.]+)%] [%d.]+ : %[(%d+)%], %d+ bytes")
local ping = read_replies("ping", "^%[([%d.]+)%] %d+ bytes from .* icmp_seq=(%d+) ")
show("staffetta probe, 1 ms", truths, function(truth) return of_report(reports[1].outages, truth) end)
show("fping -i 1 -p 1", truths, function(truth) return of_replies(fping, truth, 1000) end)
show("ping -i 0.01", truths, function(truth) return of_replies(ping, truth, 10000) end)
print(("%-8s the truth's own uncertainty: p50 %.3f, worst %.3f ms; shed %d of %d places, jitter p99 %.3f ms"):format("",
  quantile(uncertain, 0.5), worst(uncertain), reports[1].shed, reports[1].shed + reports[1].sent,
  reports[1].jitter.p99_us / 1000))
