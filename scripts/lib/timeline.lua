-- timeline.lua - what happened around one failover, on one clock: what daemons, kernels, addresses and the wire told,
-- beside the probe's samples, and the phases of KB 821839 in it. Must never invent a phase: "not seen" is an answer.
local connections = require "connections"

local M = {}

local events_max, buckets_max = 400, 1000
local before_ns, after_ns = 100 * 1000000, 300 * 1000000 -- of the samples around the failover
local margin_ns = 20 * 1000000 -- of the picture, at least

-- ---- listening ----

-- Whose events are on this machine's clock: what an agent elsewhere tells is on another one.
local function is_here(host)
  return not host.has.transport
end

local function listen(listeners, gaps, host, source, watch, err)
  if watch then
    listeners[#listeners + 1] = { host = host, source = source, watch = watch }
  else
    gaps[#gaps + 1] = { host = host.name, source = source, reason = err.message }
  end
end

-- Begins to listen on the front end and the nodes; needs "ipsec.read" and "vip.read". What can not be listened to is a
-- gap in the timeline, and no failure.
function M.listen(p)
  local ears = { listeners = {}, gaps = {} }
  for _, host in ipairs { p.front_end, table.unpack(p.cluster.nodes) } do
    if not is_here(host) then
      table.insert(ears.gaps, { host = host.name, source = "all", reason = "its events have another machine's clock" })
    else
      if host.has.ipsec and not connections.is_windows(host) then
        listen(ears.listeners, ears.gaps, host, "charon", host.ipsec:watch())
        listen(ears.listeners, ears.gaps, host, "kernel", host.ipsec:kernel_watch())
      end
      if host ~= p.front_end then listen(ears.listeners, ears.gaps, host, "address", host.vip:watch()) end
    end
  end
  return ears
end

-- ---- events ----

local function set_of(list)
  local set = {}
  for _, each in ipairs(list) do set[each] = true end
  return set
end

-- What each source tells about the virtual IP, in the timeline's words: { event, ... } or nil.
local readers = {}

function readers.charon(event, p, host)
  local names = set_of(connections.of_virtual_ip(p.policy, p.cluster, host))
  if not names[event.connection] then return nil end
  local of, what = event.event:match("^(%a+)-(%a+)$")
  return { event = what == "updown" and of .. (event.is_up and "-up" or "-down") or event.event }
end

function readers.kernel(event, p)
  local sa = event.sa or event
  local is_ours = sa.source == p.cluster.virtual_ip or sa.destination == p.cluster.virtual_ip
  if event.event == "sa-flush" or event.event == "overrun" then return { event = event.event } end
  if not is_ours or event.event == "sa-expire" and not event.is_hard then return nil end
  if event.event == "acquire" then return { event = "acquire" } end
  if not event.sa or event.sa.is_larval then return nil end
  return { event = event.event, spi = sa.spi, direction = sa.destination == p.cluster.virtual_ip and "to" or "from" }
end

function readers.address(event, p, host)
  if event.address and event.address ~= p.cluster.virtual_ip then return nil end
  if not event.address and event.interface ~= (host.interface or p.cluster.interface) then return nil end
  return { event = event.event }
end

local function add_events(timeline, p, listener, watched)
  for _, told in ipairs(watched.events) do
    local event = readers[listener.source](told, p, listener.host)
    if event then
      event.at_ns, event.host, event.source = told.at_ns, listener.host.name, listener.source
      table.insert(timeline.events, event)
    end
  end
  if watched.ended_ns then
    table.insert(timeline.events, { at_ns = watched.ended_ns, host = listener.host.name, source = listener.source,
      event = "daemon-ended" })
  end
  local reason = watched.ended_ns and "the daemon ended" or watched.ended_early
    or (watched.dropped > 0 or (watched.overruns or 0) > 0) and "more events than could be kept"
  if reason then
    table.insert(timeline.gaps, { host = listener.host.name, source = listener.source, reason = reason })
  end
end

local function add_ike(timeline, p, trace)
  for _, message in ipairs(trace.ike) do
    table.insert(timeline.events, { at_ns = message.at_ns, host = p.front_end.name, source = "wire",
      event = "ike-message", exchange = message.exchange, direction = message.direction,
      is_response = message.is_response })
  end
end

local stop = {
  charon = function(host, watch) return host.ipsec:watch_stop(watch) end,
  kernel = function(host, watch) return host.ipsec:kernel_watch_stop(watch) end,
  address = function(host, watch) return host.vip:watch_stop(watch) end,
}

-- Ends the listening; gives { events, gaps }, the events in the order of their times.
function M.heard(p, ears, trace)
  local timeline = { events = {}, gaps = ears.gaps }
  for _, listener in ipairs(ears.listeners) do
    local watched, err = stop[listener.source](listener.host, listener.watch)
    if watched then
      add_events(timeline, p, listener, watched)
    else
      table.insert(timeline.gaps, { host = listener.host.name, source = listener.source, reason = err.message })
    end
  end
  add_ike(timeline, p, trace)
  table.sort(timeline.events, function(a, b)
    if a.at_ns ~= b.at_ns then return a.at_ns < b.at_ns end
    return a.host .. a.source .. a.event < b.host .. b.source .. b.event
  end)
  return timeline
end

-- ---- phases ----

local negotiations = set_of { "IKE_SA_INIT", "CREATE_CHILD_SA", "main mode", "aggressive mode", "quick mode" }
local downs = set_of { "ike-down", "child-down", "sa-delete", "sa-flush", "sa-expire" }
local ups = set_of { "child-up", "sa-new" }

local function first_of(events, is_it)
  for _, event in ipairs(events) do
    if is_it(event) then return event end
  end
end

-- The first new SA of each of the two ends, as far as they have told; after the negotiation began, where that was seen.
local function ends_up(events, begun, front_end)
  local negotiation, holder = begun.negotiation_begins, begun.address_on_new_node
  local list = {}
  for _, is_end in ipairs { function(host) return host == front_end end,
    function(host) return host ~= front_end and (not holder or host == holder.host) end } do
    list[#list + 1] = first_of(events, function(event)
      return ups[event.event] and is_end(event.host) and (not negotiation or event.at_ns >= negotiation.at_ns)
    end)
  end
  return list
end

-- The SA of the end that had it later. The answer proves that both had: what was told after it was told late, and then
-- the other end counts.
local function last_end_up(events, begun, front_end, answer_ns)
  local in_time, late
  for _, up in ipairs(ends_up(events, begun, front_end)) do
    if answer_ns and up.at_ns > answer_ns then
      if not late or up.at_ns < late.at_ns then late = up end
    elseif not in_time or up.at_ns > in_time.at_ns then
      in_time = up
    end
  end
  return in_time or late
end

-- In the order in which KB 821839 tells them: what a phase begins with, or a function that finds it. `begun` has the
-- phases that were found before.
local phases = {
  { name = "holder_lost", is_optional = true, begins = function(event)
    return event.event == "daemon-ended" or event.event == "link-down"
  end },
  { name = "address_removed", begins = function(event) return event.event == "address-removed" end },
  { name = "sas_deleted", begins = function(event) return downs[event.event] end },
  { name = "negotiation_begins", begins = function(event)
    return event.event == "acquire" or negotiations[event.exchange] and not event.is_response
  end },
  { name = "address_on_new_node", begins = function(event) return event.event == "address-added" end },
  { name = "sas_up", find = last_end_up },
}

-- The longest outage that was not over before the failover began; nil when nothing was lost.
local function outage_of(report, first_ns)
  local longest
  for _, outage in ipairs(report.outages) do
    local is_over = outage.first_answered_ns and outage.first_answered_ns < first_ns
    if not is_over and (not longest or outage.duration_us > longest.duration_us) then longest = outage end
  end
  return longest
end

-- The first answer after the outage; without a loss the one to the first attempt after all that had to happen.
local function first_answer(report, outage, begun)
  if outage then return outage.first_answer_ns end
  local last_ns
  for name, event in pairs(begun) do
    if name ~= "sas_deleted" then last_ns = math.max(last_ns or 0, event.at_ns) end
  end
  for i, sent_ns in ipairs(last_ns and report.samples.answered_ns or {}) do
    if sent_ns >= last_ns then return sent_ns + report.samples.latency_us[i] * 1000 end
  end
end

-- The phases that begin with an event: a list of them, and name -> event.
local function find(events, front_end, answer_ns)
  local begun, found = {}, {}
  for _, phase in ipairs(phases) do
    local event
    if phase.find then
      event = phase.find(events, begun, front_end, answer_ns)
    else
      event = first_of(events, phase.begins)
    end
    begun[phase.name] = event
    if event then
      table.insert(found, { name = phase.name, seen = true, at_ns = event.at_ns, host = event.host,
        source = event.source, event = event.exchange or event.event })
    elseif not phase.is_optional then
      table.insert(found, { name = phase.name, seen = false })
    end
  end
  return found, begun
end

local function since(events, begun_ns)
  local list = {}
  for _, event in ipairs(events) do
    if event.at_ns >= begun_ns then list[#list + 1] = event end
  end
  return list
end

-- By time; the first answer after what was at the same time, then what was not seen, in its own order.
local function in_order(found)
  local order = {}
  for i, phase in ipairs(found) do order[phase] = i end
  table.sort(found, function(a, b)
    if a.seen ~= b.seen then return a.seen end
    if a.seen and a.at_ns ~= b.at_ns then return a.at_ns < b.at_ns end
    return order[a] < order[b]
  end)
  return found
end

-- How long the probe says that it was, and how far it may be off. Without a loss it was shorter than from one answered
-- attempt to the answer of the next one.
local function length_of(outage, report)
  if outage then return outage.duration_us, outage.error_us end
  return 0, report.interval_us * report.samples.every + (report.latency and report.latency.max_us or 0)
end

local function compare(timeline)
  local measured = ("%.1f ms"):format(timeline.outage_us / 1000)
  if timeline.error_us then measured = ("%s +- %.1f"):format(measured, timeline.error_us / 1000) end
  if not timeline.sum_us then
    timeline.agrees = false
    return ("no sum: the timeline lacks its beginning or its end; the probe measured %s"):format(measured)
  end
  timeline.agrees = timeline.error_us ~= nil and math.abs(timeline.sum_us - timeline.outage_us) <= timeline.error_us
  return ("the sum is %.1f ms; the probe measured %s: %s"):format(timeline.sum_us / 1000, measured,
    timeline.agrees and "they agree" or "they DISAGREE, so something is missing or late here")
end

-- Sets timeline.phases and what follows from them. Each phase has the time since the one before it; what came after
-- the first answer has none, for it cost nothing. Pure. `report` is the probe's, with samples.
function M.reduce(timeline, report, begun_ns, front_end)
  local events = since(timeline.events, begun_ns)
  local outage = outage_of(report, events[1] and events[1].at_ns or begun_ns)
  local found, begun = find(events, front_end, outage and outage.first_answer_ns)
  local answer_ns = first_answer(report, outage, begun)
  table.insert(found, answer_ns and { name = "first_answer", seen = true, at_ns = answer_ns, host = front_end,
    source = "probe", event = "answered" } or { name = "first_answer", seen = false })
  timeline.phases = in_order(found)
  timeline.outage_us, timeline.error_us = length_of(outage, report)
  local first = timeline.phases[1]
  timeline.zero_ns = first.seen and first.at_ns or begun_ns
  local last_ns = timeline.zero_ns
  for _, phase in ipairs(timeline.phases) do
    if phase.seen then
      phase.at_us = (phase.at_ns - timeline.zero_ns) // 1000
      if not answer_ns or phase.at_ns <= answer_ns then
        phase.duration_us = phase.at_us - (last_ns - timeline.zero_ns) // 1000
        last_ns = phase.at_ns
      end
      phase.at_ns = nil
    end
  end
  if answer_ns and first.name ~= "first_answer" then timeline.sum_us = (answer_ns - timeline.zero_ns) // 1000 end
  timeline.summary = compare(timeline)
  return timeline
end

-- ---- what is kept ----

-- From before the last good answer to after the last phase.
local function window_of(timeline, report)
  local to_ns = timeline.zero_ns
  for _, phase in ipairs(timeline.phases) do
    if phase.seen then to_ns = math.max(to_ns, timeline.zero_ns + phase.at_us * 1000) end
  end
  local pad_ns = math.max(margin_ns, 4000 * report.interval_us, (to_ns - timeline.zero_ns) // 6)
  return timeline.zero_ns - pad_ns, to_ns + pad_ns
end

local function keep_events(timeline, from_ns, to_ns)
  local kept, left_out = {}, 0
  for _, event in ipairs(timeline.events) do
    if event.at_ns >= from_ns and event.at_ns <= to_ns then
      if #kept < events_max then
        event.at_us, event.at_ns = (event.at_ns - timeline.zero_ns) // 1000, nil
        kept[#kept + 1] = event
      else
        left_out = left_out + 1
      end
    end
  end
  timeline.events, timeline.events_left_out = kept, left_out
end

local function keep_samples(timeline, report, from_ns, to_ns)
  local samples = report.samples
  local kept = { every = samples.every, interval_us = report.interval_us,
    answered_us = {}, latency_us = {}, lost_us = {} }
  for i, at_ns in ipairs(samples.answered_ns) do
    if at_ns >= from_ns and at_ns <= to_ns then
      table.insert(kept.answered_us, (at_ns - timeline.zero_ns) // 1000)
      table.insert(kept.latency_us, samples.latency_us[i])
    end
  end
  for _, at_ns in ipairs(samples.lost_ns) do
    if at_ns >= from_ns and at_ns <= to_ns then table.insert(kept.lost_us, (at_ns - timeline.zero_ns) // 1000) end
  end
  timeline.probe = kept
end

-- Buckets of the capture, as many of them as one as it takes to stay below the limit.
local function keep_buckets(timeline, wire, from_ns, to_ns)
  local trace = wire.trace
  local bucket_us = trace.bucket_us * ((to_ns - from_ns) // (trace.bucket_us * 1000 * buckets_max) + 1)
  local kept = { bucket_us = bucket_us, lost = wire.lost, at_us = {}, protected = {}, clear = {} }
  for i, at_ns in ipairs(trace.at_ns) do
    if at_ns >= from_ns and at_ns <= to_ns then
      local at_us, last = (at_ns - timeline.zero_ns) // 1000 // bucket_us * bucket_us, #kept.at_us
      if kept.at_us[last] ~= at_us then
        last = last + 1
        kept.at_us[last], kept.protected[last], kept.clear[last] = at_us, 0, 0
      end
      kept.protected[last] = kept.protected[last] + trace.protected[i]
      kept.clear[last] = kept.clear[last] + trace.clear[i]
    end
  end
  timeline.wire = kept
end

-- Leaves only the phases of a timeline of which there are many.
function M.forget_details(timeline)
  timeline.events, timeline.probe, timeline.wire = nil, nil, nil
end

-- Sets the phases' median_us: of what they lasted in all of `list`, where they did.
function M.set_medians(timeline, list, median)
  for _, phase in ipairs(timeline.phases) do
    local durations = {}
    for _, each in ipairs(list) do
      for _, other in ipairs(each.phases) do
        if other.name == phase.name then durations[#durations + 1] = other.duration_us end
      end
    end
    if #durations > 0 then phase.median_us = median(durations) end
  end
end

-- Which samples probe:stop has to give.
function M.span(marks)
  return { from_ns = marks.begun_ns - before_ns, to_ns = marks.settled_ns + after_ns }
end

-- The whole timeline, bounded in size: of what was heard, of the probe's report and of the capture's.
function M.of(p, ears, report, wire, marks)
  local timeline = M.reduce(M.heard(p, ears, wire.trace), report, marks.begun_ns, p.front_end.name)
  local from_ns, to_ns = window_of(timeline, report)
  timeline.from_us, timeline.to_us = (from_ns - timeline.zero_ns) // 1000, (to_ns - timeline.zero_ns) // 1000
  keep_events(timeline, from_ns, to_ns)
  keep_samples(timeline, report, from_ns, to_ns)
  keep_buckets(timeline, wire, from_ns, to_ns)
  return timeline
end

return M
