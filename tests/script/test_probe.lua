-- `staffetta probe` on loopback: what it measures, how it ends, what it prints where.
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local TestProbe = {}

function TestProbe:setUp()
  self.place = support.new_place()
end

function TestProbe:tearDown()
  self.place:close()
end

local function probe(...)
  local answer = support.command { "probe", "--output", "json", ... }
  local ok, doc = pcall(cjson.decode, answer.out)
  answer.reports = ok and doc.reports or nil
  return answer
end

local function lines(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do list[#list + 1] = line end
  return list
end

function TestProbe:test_icmp_of_both_families()
  local answer = probe("127.0.0.1", "::1", "--count", "50", "--interval", "2ms")
  lu.assertEquals({ answer.code, answer.err }, { 0, "" })
  lu.assertEquals(#answer.reports, 2)
  for i, target in ipairs { "127.0.0.1", "::1" } do
    local report = answer.reports[i]
    lu.assertEquals({ report.target, report.method, report.port }, { target, "icmp", cjson.null })
    lu.assertEquals(report.sent + report.shed, 50)
    lu.assertEquals(report.answered, report.sent)
    lu.assertEquals(report.interval_us, 2000)
  end
end

function TestProbe:test_names_are_looked_up_once()
  local answer = probe("localhost", "--count", "5")
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertEquals(answer.reports[1].target, "localhost")
  answer = probe("no-such-host.invalid", "--count", "5")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "cannot look up 'no-such-host.invalid'")
end

function TestProbe:test_duration_is_a_number_of_places()
  local report = probe("127.0.0.1", "--duration", "0.1s", "--interval", "10ms").reports[1]
  lu.assertEquals(report.sent + report.shed, 10)
  lu.assertEquals(report.last_tick_ns - report.first_tick_ns, 90000000)
end

function TestProbe:test_nobody_listens()
  local answer = probe("127.0.0.1", "--port", "1", "--count", "10")
  lu.assertEquals(answer.code, 3)
  local report = answer.reports[1]
  lu.assertEquals({ report.method, report.answered, report.failures.refused }, { "tcp", 0, report.sent })
  lu.assertTrue(report.longest.is_open and report.longest.is_open_at_start)
end

function TestProbe:test_for_a_person()
  local answer = support.command { "probe", "127.0.0.1", "--count", "20" }
  lu.assertEquals({ answer.code, answer.err }, { 0, "" })
  lu.assertStrContains(answer.out, "127.0.0.1, icmp every 1.000 ms\n")
  lu.assertStrMatches(answer.out, ".*\n  sent %d+, answered %d+, lost 0.*")
  lu.assertStrMatches(answer.out, ".*\n  jitter +p50 [%d.]+  p90 [%d.]+  p99 [%d.]+  max [%d.]+ ms.*")
  lu.assertNotStrContains(answer.out, "\27")
  answer = support.command { "probe", "127.0.0.1", "--port", "1", "--interval", "50ms", "--count", "5" }
  lu.assertStrMatches(answer.out, ".*\n  outage +at 0.000 s: [%d.]+ ms at least, not over, %d+ lost .*")
end

-- Every sample, in the order of the schedule; both forms hold the same.
function TestProbe:test_raw_samples()
  local csv, ndjson = self.place.dir .. "/raw.csv", self.place.dir .. "/raw.ndjson"
  local report = probe("127.0.0.1", "--count", "20", "--raw", csv).reports[1]
  local rows = lines(self.place:read("raw.csv"))
  lu.assertEquals(#rows, report.sent + 1)
  lu.assertEquals(rows[1],
    "target,intended_ns,woken_late_ns,sent_early_ns,sent_late_ns,latency_ns,outcome,sent_clock,answer_clock")
  local previous = 0
  for i = 2, #rows do
    local target, intended, early, late, latency, outcome =
      rows[i]:match("^([%d.]+),(%d+),%d+,(%d+),(%d+),(%d+),(%l+),%l+,%l+$")
    lu.assertEquals({ target, outcome }, { "127.0.0.1", "answered" })
    lu.assertTrue(tonumber(intended) > previous)
    lu.assertTrue(tonumber(early) <= tonumber(late) and tonumber(early) <= tonumber(latency))
    previous = tonumber(intended)
  end

  report = probe("127.0.0.1", "--count", "20", "--raw", ndjson).reports[1]
  rows = lines(self.place:read("raw.ndjson"))
  lu.assertEquals(#rows, report.sent)
  local sample = cjson.decode(rows[1])
  lu.assertEquals({ sample.target, sample.outcome }, { "127.0.0.1", "answered" })
  lu.assertEquals((sample.intended_ns - report.first_tick_ns) % 1000000, 0)

  local answer = probe("127.0.0.1", "--count", "5", "--raw", self.place.dir .. "/none/raw.csv")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "cannot open the file")
  answer = probe("127.0.0.1", "--count", "50", "--raw", "/dev/full")
  lu.assertEquals(answer.code, 1)
  lu.assertStrContains(answer.err, "cannot write the samples")
end

function TestProbe:test_an_interrupt_ends_with_the_report()
  for _, signal in ipairs { "INT", "TERM" } do
    local out = support.shell("timeout -s %s 0.5 %s probe 127.0.0.1 --output json; echo $?", signal,
      os.getenv("STAFFETTA"))
    local doc, code = out:match("^(.*)\n(%d+)\n*$")
    lu.assertEquals(code, "124", signal) -- of timeout: it has sent the signal
    lu.assertTrue(cjson.decode(doc).reports[1].answered > 20)
  end
end

function TestProbe:test_the_live_line_is_for_terminals()
  local out = support.shell("script -qec '%s probe 127.0.0.1 --duration 500ms' /dev/null", os.getenv("STAFFETTA"))
  lu.assertStrMatches(out, ".*\r\27%[Ksent %d+  answered %d+  lost 0  shed %d+  last answer after [%d.]+ ms.*")
  lu.assertStrContains(out, "\r\27[K127.0.0.1, icmp")
end

function TestProbe:test_wrong_usage()
  for _, case in ipairs {
    { {}, "the target is missing" },
    { { "::1", "--interval", "100us" }, "--interval has a wrong value\n  where     staffetta probe\n"
      .. "  expected  200us to 10s\n  found     100us\n" },
    { { "::1", "--interval", "1" }, "--interval has" },
    { { "::1", "--give-up", "11min" }, "expected  1ms to 10min" },
    { { "::1", "--timeout", "1s" }, "expected  1ms to 900ms" },
    { { "::1", "--port", "0" }, "expected  1 to 65535" },
    { { "::1", "--count", "x" }, "--count has" },
    { { "::1", "--duration", "5" }, "expected  a time" },
    { { "::1", "--count", "5", "--duration", "5s" }, "exclude each other" },
    { { "::1", "--status", "99" }, "--status has" },
    { { "::1", "--output", "xml" }, "expected  human or json" },
    { { "::1", "--bogus" }, "remedy    staffetta probe --help" },
  } do
    local answer = support.command { "probe", table.unpack(case[1]) }
    lu.assertEquals({ answer.code, answer.out }, { 64, "" }, answer.err)
    lu.assertStrContains(answer.err, case[2])
  end
  for _, case in ipairs {
    { { "::1", "--method", "smtp" }, "method 'smtp' is unknown" },
    { { "::1", "--method", "tcp" }, "method 'tcp' needs --port" },
    { { "::1", "--method", "icmp", "--port", "7" }, "method 'icmp' has no port" },
    { { "::1", "--method", "pop3", "--path", "/" }, "of method 'http' only" },
    { { "::1", "--method", "session", "--port", "1" }, "method 'session' needs 'send'" },
    { { "::1", "--method", "session", "--port", "1", "--send", "q", "--expect", "a" }, "could not be made" },
  } do
    local answer = support.command { "probe", table.unpack(case[1]) }
    lu.assertEquals({ answer.code, answer.out }, { 1, "" })
    lu.assertStrContains(answer.err, case[2])
  end
end

return TestProbe
