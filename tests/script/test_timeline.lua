-- Timelines of failovers: how events become phases (pure Lua, on events made by hand), and what `staffetta timeline`
-- makes of what a run has measured.
local lu = require "luaunit"
local support = require "support"

local source = assert(os.getenv("STAFFETTA_SOURCE"), "STAFFETTA_SOURCE must name the source tree")
package.path = source .. "/scripts/lib/?.lua;" .. package.path
local timeline = require "timeline"

local TestTimeline = {}

local ms = 1000000 -- nanoseconds
local begun_ns = 1000 * ms

-- ---- phases ----

local function event(at_ms, host, name, more)
  local each = { at_ns = begun_ns + at_ms * ms // 1, host = host, source = "test", event = name }
  for key, value in pairs(more or {}) do each[key] = value end
  return each
end

local function init(at_ms)
  return event(at_ms, "fe1", "ike-message", { exchange = "IKE_SA_INIT", is_response = false })
end

-- A planned move in the order that KB 821839 tells.
local function whole_move()
  return { event(2, "node-a", "address-removed"), event(3, "node-a", "ike-down"), init(4),
    event(5, "node-b", "address-added"), event(9, "fe1", "child-up") }
end

-- A probe every millisecond with answers after 0.2 ms; those that leave from `first` to `last` are lost.
local function report_of(first, last, error_us)
  local report = { interval_us = 1000, latency = { max_us = 200 }, outages = {},
    samples = { every = 1, answered_ns = {}, latency_us = {}, lost_ns = {} } }
  for at_ms = -20, 40 do
    local at_ns = begun_ns + at_ms * ms + ms // 2
    if first and at_ns >= begun_ns + first * ms and at_ns <= begun_ns + last * ms then
      table.insert(report.samples.lost_ns, at_ns)
    else
      table.insert(report.samples.answered_ns, at_ns)
      table.insert(report.samples.latency_us, 200)
    end
  end
  if first then
    local back_ns = begun_ns + last // 1 * ms + ms // 2
    report.outages[1] = { duration_us = (last - first) * 1000 // 1, error_us = error_us or 1500,
      last_answered_ns = begun_ns + first * ms - ms // 2, first_answered_ns = back_ns,
      first_answer_ns = back_ns + 200000 }
  end
  return report
end

local function reduce(events, report)
  return timeline.reduce({ events = events, gaps = {} }, report, begun_ns, "fe1")
end

-- "name at+duration", "name at" after the first answer, "name -" for what was not seen.
local function lines_of(reduced)
  local lines = {}
  for i, phase in ipairs(reduced.phases) do
    lines[i] = phase.name .. " " .. (not phase.seen and "-" or phase.duration_us
      and ("%d+%d"):format(phase.at_us, phase.duration_us) or tostring(phase.at_us))
  end
  return lines
end

function TestTimeline:test_a_whole_move()
  local reduced = reduce(whole_move(), report_of(2, 11))
  lu.assertEquals(lines_of(reduced), { "address_removed 0+0", "sas_deleted 1000+1000", "negotiation_begins 2000+1000",
    "address_on_new_node 3000+1000", "sas_up 7000+4000", "first_answer 9700+2700" })
  lu.assertEquals(reduced.sum_us, 9700)
  lu.assertTrue(reduced.agrees)
  lu.assertStrContains(reduced.summary, "they agree")
  lu.assertEquals(reduced.phases[3].event, "IKE_SA_INIT")
  lu.assertEquals(reduced.phases[1].host, "node-a")
end

function TestTimeline:test_durations_add_up_in_any_order()
  local events = { event(1, "node-b", "address-added"), event(1.5, "node-a", "address-removed"), init(4),
    event(6, "fe1", "ike-down"), event(7, "fe1", "child-up"), event(30, "node-a", "ike-down") }
  local reduced = reduce(events, report_of(1, 9))
  lu.assertEquals(lines_of(reduced), { "address_on_new_node 0+0", "address_removed 500+500",
    "negotiation_begins 3000+2500", "sas_deleted 5000+2000", "sas_up 6000+1000", "first_answer 8700+2700" })
  local sum = 0
  for _, phase in ipairs(reduced.phases) do sum = sum + phase.duration_us end
  lu.assertEquals(sum, reduced.sum_us)
end

function TestTimeline:test_what_was_not_seen_is_told_so()
  local all = whole_move()
  for missing = 1, #all do
    local events = whole_move()
    table.remove(events, missing)
    local unseen = 0
    for _, phase in ipairs(reduce(events, report_of(2, 11)).phases) do
      if not phase.seen then
        unseen = unseen + 1
        lu.assertNil(phase.at_us)
        lu.assertNil(phase.duration_us)
      end
    end
    lu.assertEquals(unseen, 1, all[missing].event)
  end
  local reduced = reduce({}, report_of(2, 11))
  lu.assertEquals(#reduced.phases, 6)
  lu.assertNil(reduced.sum_us)
  lu.assertFalse(reduced.agrees)
  lu.assertStrContains(reduced.summary, "no sum")
end

function TestTimeline:test_a_sum_that_is_not_the_outage_is_told()
  local events = whole_move()
  table.remove(events, 1)
  table.remove(events, 1)
  local reduced = reduce(events, report_of(2, 11)) -- it begins with the negotiation, two milliseconds late
  lu.assertEquals(reduced.sum_us, 7700)
  lu.assertTrue(reduced.agrees)
  reduced = reduce(events, report_of(2, 11, 1000))
  lu.assertFalse(reduced.agrees)
  lu.assertStrContains(reduced.summary, "DISAGREE")
end

function TestTimeline:test_what_was_before_is_no_phase()
  local events = whole_move()
  table.insert(events, 1, event(-5, "fe1", "child-up"))
  table.insert(events, 1, event(-6, "fe1", "ike-down"))
  table.insert(events, 1, init(-7))
  lu.assertEquals(lines_of(reduce(events, report_of(2, 11))), lines_of(reduce(whole_move(), report_of(2, 11))))
end

-- An SA of another negotiation, an answer to one, a soft rekey: none of them is what it looks like.
function TestTimeline:test_look_alikes()
  local events = { event(2, "node-a", "address-removed"), event(2.1, "fe1", "child-up"),
    event(2.2, "fe1", "ike-message", { exchange = "IKE_SA_INIT", is_response = true }),
    event(2.3, "fe1", "ike-message", { exchange = "INFORMATIONAL", is_response = false }),
    event(2.4, "fe1", "child-rekey"), init(4), event(9, "fe1", "child-up") }
  lu.assertEquals(lines_of(reduce(events, report_of(2, 11))), { "address_removed 0+0", "negotiation_begins 2000+2000",
    "sas_up 7000+5000", "first_answer 9700+2700", "sas_deleted -", "address_on_new_node -" })
end

function TestTimeline:test_no_loss_ends_with_the_first_answer_to_what_was_sent_afterwards()
  local events = { event(2.6, "node-a", "address-removed"), event(2.7, "node-b", "address-added"), init(2.8),
    event(3.1, "fe1", "ike-down"), event(3.2, "fe1", "child-up"), event(20, "node-a", "ike-down") }
  local reduced = reduce(events, report_of())
  lu.assertEquals(lines_of(reduced)[6], "first_answer 1100+500")
  lu.assertEquals({ reduced.outage_us, reduced.error_us, reduced.agrees }, { 0, 1200, true })
end

function TestTimeline:test_an_outage_that_has_not_ended()
  local report = report_of(2, 50)
  local outage = report.outages[1]
  outage.first_answered_ns, outage.first_answer_ns, outage.error_us = nil, nil, nil
  local reduced = reduce(whole_move(), report)
  lu.assertEquals(lines_of(reduced)[6], "first_answer -")
  lu.assertNil(reduced.sum_us)
  lu.assertFalse(reduced.agrees)
end

-- Traffic passes when both ends have the SA: of the node that got the address, not of another one.
function TestTimeline:test_sas_are_up_when_the_second_end_has_them()
  local events = whole_move()
  table.insert(events, event(10, "node-b", "sa-new"))
  table.insert(events, event(10.5, "node-b", "child-up"))
  table.insert(events, event(12, "node-a", "child-up"))
  local reduced = reduce(events, report_of(2, 11))
  lu.assertEquals(lines_of(reduced)[5], "sas_up 8000+5000")
  lu.assertEquals({ reduced.phases[5].host, reduced.phases[5].event }, { "node-b", "sa-new" })
end

function TestTimeline:test_an_end_that_tells_after_the_first_answer_tells_late()
  local first_end, second_end = event(9, "fe1", "child-up"), event(14, "node-b", "child-up")
  for _, ends in ipairs { { first_end, second_end }, { second_end, first_end } } do
    local events = whole_move()
    events[5] = ends[1]
    events[6] = ends[2]
    table.sort(events, function(a, b) return a.at_ns < b.at_ns end)
    lu.assertEquals(lines_of(reduce(events, report_of(2, 11)))[5], "sas_up 7000+4000")
  end
  local events = whole_move() -- both late: the earlier one stands, after the outage
  events[5] = event(15, "fe1", "child-up")
  events[6] = event(14, "node-b", "child-up")
  table.sort(events, function(a, b) return a.at_ns < b.at_ns end)
  lu.assertEquals(lines_of(reduce(events, report_of(2, 11)))[6], "sas_up 12000")
end

-- A stall of the machine before the move is not the move's outage.
function TestTimeline:test_an_outage_that_was_over_before()
  local report = report_of(2, 11)
  table.insert(report.outages, 1, { duration_us = 90000, error_us = 10, last_answered_ns = begun_ns - 95 * ms,
    first_answered_ns = begun_ns - 5 * ms })
  local reduced = reduce(whole_move(), report)
  lu.assertEquals({ reduced.outage_us, reduced.sum_us, reduced.agrees }, { 9000, 9700, true })
end

function TestTimeline:test_a_crash_begins_with_the_loss_of_the_holder()
  local events = { event(2, "node-a", "daemon-ended"), event(2.5, "node-a", "link-down"),
    event(5, "node-b", "address-added"), init(6), event(8, "fe1", "ike-down"), event(8.5, "fe1", "child-up") }
  lu.assertEquals(lines_of(reduce(events, report_of(2, 11)))[1], "holder_lost 0+0")
end

function TestTimeline:test_the_medians_of_repetitions()
  local outage = require "outage"
  local list = {}
  for i, last in ipairs { 11, 14, 12, 14, 14 } do
    local events = whole_move()
    if i == 3 then table.remove(events, 4) end -- one has not seen the address on the new node
    local reduced = reduce(events, report_of(2, last))
    reduced.events, reduced.wire = events, {}
    outage.add(list, { outage_us = last * 1000, error_us = 0, timeline = reduced, lost = 1, sent = 9, clear_packets = 0,
      capture_lost = 0, is_steady_before = true, is_steady_after = true })
  end
  local kept = {}
  for i, each in ipairs(list) do kept[i] = each.timeline.wire ~= nil end
  lu.assertEquals(kept, { false, true, false, false, false })
  local medians = {}
  for _, phase in ipairs(outage.of_all(list).timeline.phases) do medians[phase.name] = phase.median_us end
  lu.assertEquals(medians, { address_removed = 0, sas_deleted = 1000, negotiation_begins = 1000,
    address_on_new_node = 1000, sas_up = 4000, first_answer = 5700 })
end

-- ---- listening ----

-- A host whose watches tell what is given: { charon = watched, kernel = watched, address = watched }.
local function fake_host(name, role, told, transport)
  local function watch(what)
    return function()
      if told[what].fails then return nil, { message = told[what].fails } end
      return what
    end
  end
  local function stop(_, what) return told[what] end
  local fields = { ipsec = { id = name }, transport = transport }
  return { name = name, role = role, address = "10.9.0.1", interface = "eth0", has = fields,
    ipsec = { watch = watch("charon"), watch_stop = stop, kernel_watch = watch("kernel"), kernel_watch_stop = stop },
    vip = { watch = watch("address"), watch_stop = stop } }
end

local function watched(events, more)
  local each = { events = events, dropped = 0 }
  for key, value in pairs(more or {}) do each[key] = value end
  return each
end

local function fake_site(front_end, nodes)
  local cluster = { name = "mail", virtual_ip = "10.9.0.100", ipsec_id = "mail", front_ends = { front_end },
    nodes = nodes, with = function(_, _, list) return list end }
  local policy = { name = "p", between = { { from = "front_ends", to = "virtual_ip" } }, traffic = {}, exempt = {},
    auth = { method = "psk" }, ike_proposals = {}, esp_proposals = {}, allow_weak = {} }
  return { front_end = front_end, cluster = cluster, policy = policy }
end

-- "at host source event", and what was not heard.
local function heard(p, ike)
  local told = timeline.heard(p, timeline.listen(p), { ike = ike or {} })
  local lines = {}
  for i, each in ipairs(told.events) do
    lines[i] = ("%d %s %s %s"):format(each.at_ns, each.host, each.source, each.exchange or each.event)
  end
  return lines, told.gaps
end

function TestTimeline:test_only_what_is_about_the_virtual_ip_is_heard()
  local to, from = { destination = "10.9.0.100", source = "10.9.0.1" }, { source = "10.9.0.100" }
  local larval = { destination = "10.9.0.100", is_larval = true }
  local front_end = fake_host("fe1", "front_end", {
    charon = watched { { at_ns = 9, event = "ike-updown", connection = "staffetta-p-mail", is_up = false },
      { at_ns = 10, event = "child-updown", connection = "staffetta-p-mail", child = "c", is_up = true },
      { at_ns = 11, event = "child-rekey", connection = "staffetta-p-mail", is_up = true },
      { at_ns = 12, event = "ike-updown", connection = "somebody-else", is_up = true } },
    kernel = watched { { at_ns = 3, event = "acquire", source = "10.9.0.1", destination = "10.9.0.100" },
      { at_ns = 4, event = "sa-new", sa = larval }, { at_ns = 5, event = "sa-new", sa = to },
      { at_ns = 6, event = "sa-delete", sa = from }, { at_ns = 7, event = "sa-expire", is_hard = false, sa = to },
      { at_ns = 8, event = "sa-expire", is_hard = true, sa = to }, { at_ns = 8, event = "policy-new", policy = {} },
      { at_ns = 8, event = "sa-new", sa = { source = "10.9.0.1", destination = "10.9.0.11" } } } })
  local node = fake_host("node-a", "node", { charon = watched {}, kernel = watched {},
    address = watched { { at_ns = 1, event = "address-removed", address = "10.9.0.100", interface = "eth0" },
      { at_ns = 2, event = "address-removed", address = "10.9.0.11", interface = "eth0" },
      { at_ns = 2, event = "link-down", interface = "eth0" },
      { at_ns = 2, event = "link-down", interface = "eth1" } } })
  local lines, gaps = heard(fake_site(front_end, { node }),
    { { at_ns = 4, exchange = "IKE_AUTH", direction = "to", is_response = false } })
  lu.assertEquals(lines, { "1 node-a address address-removed", "2 node-a address link-down", "3 fe1 kernel acquire",
    "4 fe1 wire IKE_AUTH", "5 fe1 kernel sa-new", "6 fe1 kernel sa-delete", "8 fe1 kernel sa-expire",
    "9 fe1 charon ike-down", "10 fe1 charon child-up", "11 fe1 charon child-rekey" })
  lu.assertEquals(gaps, {})
end

-- A drill goes on with what can be heard, and the timeline names the rest.
function TestTimeline:test_gaps()
  local front_end = fake_host("fe1", "front_end", { charon = { fails = "no daemon" }, kernel = watched({}, {
    overruns = 1 }) })
  local dead = fake_host("node-a", "node", { charon = watched({}, { ended_early = "closed", ended_ns = 7 }),
    kernel = watched({}, { ended_early = "the namespace is gone" }), address = watched({}, { dropped = 3 }) })
  local lines, gaps = heard(fake_site(front_end, { dead, fake_host("node-b", "node", {}, "openssh") }))
  lu.assertEquals(lines, { "7 node-a charon daemon-ended" })
  local reasons = {}
  for i, gap in ipairs(gaps) do reasons[i] = ("%s %s: %s"):format(gap.host, gap.source, gap.reason) end
  lu.assertEquals(reasons, { "fe1 charon: no daemon", "node-b all: its events have another machine's clock",
    "fe1 kernel: more events than could be kept", "node-a charon: the daemon ended",
    "node-a kernel: the namespace is gone", "node-a address: more events than could be kept" })
end

-- ---- what is kept ----

function TestTimeline:test_a_timeline_is_bounded()
  local many = { { at_ns = begun_ns + 2 * ms, event = "address-removed", address = "10.9.0.100" } }
  for i = 1, 1000 do
    many[#many + 1] = { at_ns = begun_ns + 2 * ms + i, event = i % 2 == 0 and "link-up" or "link-down",
      interface = "eth0" }
  end
  local node = fake_host("node-a", "node", { charon = watched {}, kernel = watched {}, address = watched(many) })
  local p = fake_site(fake_host("fe1", "front_end", { charon = watched {}, kernel = watched {} }), { node })
  local trace = { bucket_us = 1000, at_ns = {}, protected = {}, clear = {}, ike = {} }
  for i = 0, 4999 do
    trace.at_ns[i + 1], trace.protected[i + 1], trace.clear[i + 1] = begun_ns + i * ms, 2, i == 17 and 1 or 0
  end
  local report = report_of(2, 3900)
  local whole = timeline.of(p, timeline.listen(p), report, { trace = trace, lost = 0 }, { begun_ns = begun_ns })
  lu.assertEquals({ #whole.events, whole.events_left_out }, { 400, 601 })
  lu.assertTrue(#whole.wire.at_us <= 1000 and #whole.wire.at_us > 500, #whole.wire.at_us)
  local protected, clear = 0, 0
  for i in ipairs(whole.wire.at_us) do
    protected, clear = protected + whole.wire.protected[i], clear + whole.wire.clear[i]
  end
  local in_window = 0
  for _, at_ns in ipairs(trace.at_ns) do
    if at_ns >= whole.zero_ns + whole.from_us * 1000 and at_ns <= whole.zero_ns + whole.to_us * 1000 then
      in_window = in_window + 1
    end
  end
  lu.assertEquals({ protected, clear }, { 2 * in_window, 1 })
  lu.assertEquals(#whole.probe.lost_us, #report.samples.lost_ns)
end

-- ---- the command ----

function TestTimeline:setUp()
  self.place = support.new_place()
  self.place:site_of("h1")
end

function TestTimeline:tearDown()
  self.place:close()
end

-- A run that has measured `figures`, the text of a Lua table.
function TestTimeline:measured(figures)
  self.place:playbook("measures", "", ("ctx:measure('planned_move', %s)"):format(figures))
  local answer = self.place:staffetta("run", "measures")
  lu.assertEquals(answer.code, 0, answer.err)
  return answer.out
end

-- Text that would be markup, had it not been escaped.
local hostile = [==[{ summary = "sum", timeline = { summary = "<script>alert(1)</script> & \"so\" \1 on",
  from_us = -5000, to_us = 20000, zero_ns = 1, sum_us = 9700,
  gaps = { { host = "]]>", source = "x", reason = "<gap>" } },
  phases = { { name = "address_removed", seen = true, at_us = 0, duration_us = 0, host = "<a&b>", source = "<s>",
      event = "e\"" },
    { name = "first_answer", seen = true, at_us = 9700, duration_us = 9700, host = "fe1", source = "probe",
      event = "answered" }, { name = "sas_up", seen = false } },
  events = { { at_us = 0, host = "<a&b>", source = "address", event = "address-removed" },
    { at_us = 3, host = "fe1", source = "wire", event = "ike-message", exchange = "<IKE>", is_response = true },
    { at_us = 5000, host = "h", source = "charon", event = "<unheard-of>" } },
  probe = { every = 1, interval_us = 1000, answered_us = { -100, 9500 }, latency_us = { 200, 250000 },
    lost_us = { 10 } },
  wire = { bucket_us = 1000, lost = 0, at_us = { 0, 10000 }, protected = { 3, 4 }, clear = { 0, 1 } } } }]==]

function TestTimeline:test_the_picture_is_well_formed_and_escaped()
  self:measured(hostile)
  local path = self.place.dir .. "/picture.svg"
  local answer = self.place:staffetta("timeline", "--svg", path)
  lu.assertEquals({ answer.code, answer.out }, { 0, "" }, answer.err)
  support.shell("xmllint --noout --nonet %s", path)
  local svg = self.place:read("picture.svg")
  lu.assertStrContains(svg, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;so&quot;")
  lu.assertStrContains(svg, "&lt;a&amp;b&gt;")
  local rest = svg:gsub('xmlns="http://www.w3.org/2000/svg"', "")
  for _, forbidden in ipairs { "<script", "href", "url%(", "http", "<image", "<foreignObject", " on%w+=" } do
    lu.assertNil(rest:find(forbidden), forbidden)
  end
end

function TestTimeline:test_the_table_stands_in_the_run_and_in_the_journal()
  local run = self:measured(hostile)
  local answer = self.place:staffetta("timeline", "1")
  lu.assertEquals(answer.code, 0, answer.err)
  for _, text in ipairs { run, answer.out } do
    lu.assertStrContains(text, "      9.7      9.7  first answer             fe1        probe: answered")
    lu.assertStrContains(text, "        -        -  SAs up                   not seen")
    lu.assertStrContains(text, "not heard to the end: x of ]]>: <gap>")
  end
  local document = self.place:json("timeline")
  lu.assertEquals({ document.doc.run, #document.doc.cases, document.doc.cases[1].case }, { 1, 1, "planned_move" })
  lu.assertEquals(document.doc.cases[1].timeline.sum_us, 9700)
end

-- As a picture of nothing would be worse than none.
function TestTimeline:test_an_empty_timeline_is_drawn_and_none_is_an_error()
  self:measured("{ summary = 'x', timeline = {} }")
  local path = self.place.dir .. "/picture.svg"
  lu.assertEquals(self.place:staffetta("timeline", "--svg", path).code, 0)
  support.shell("xmllint --noout --nonet %s", path)
  self:measured("{ summary = 'x' }")
  local answer = self.place:staffetta("timeline")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "run 2 has no timeline")
  answer = self.place:staffetta("timeline", "1", "--svg", self.place.dir .. "/no/such/folder.svg")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "No such file or directory")
end

return TestTimeline
