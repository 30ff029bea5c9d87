-- junit.lua - a run as JUnit XML, for what shows tests: a suite for each step with checks, a case for each check, and
-- one suite for the hosts. A check that could not look is an error: it must never count as passed.
-- SPDX-License-Identifier: MIT
local need = ...
local facts = need "facts"
local markup = need "markup"
local sys = need "sys"
local h = markup.h

local function case(class, name, inside)
  return { kind = inside and inside.name or false, h.testcase { classname = class, name = name, inside or false } }
end

local function suite(name, cases, timestamp)
  local counts, body = { failure = 0, error = 0, skipped = 0 }, {}
  for i, each in ipairs(cases) do
    if each.kind then counts[each.kind] = counts[each.kind] + 1 end
    body[i] = each[1]
  end
  return { counts = counts, total = #cases, h.testsuite { name = name, tests = #cases, failures = counts.failure,
    errors = counts.error, skipped = counts.skipped, timestamp = timestamp, body } }
end

local function of_check(check)
  local message, evidence = facts.summary(check.evidence), check.evidence and sys.json(check.evidence) or ""
  local inside = check.verdict == "fail" and h.failure { type = "fail", message = message, evidence }
    or check.verdict ~= "pass" and h.error { type = "unknown", message = message, evidence }
  return case(check.host or "site", check.name, inside)
end

local function of_host(host)
  local make = ({ failed = h.failure, unreachable = h.error, unknown = h.error, skipped = h.skipped })[host.outcome]
  return case("hosts", host.name, make and make { type = host.outcome ~= "skipped" and host.outcome,
    message = host.reason or facts.words(host.outcome) })
end

local function of_run(report)
  local verdict = facts.verdict(report)
  local err = (report.outcome or {}).error
  local text = ("%s: %s"):format(verdict.title, err and err.message or verdict.text)
  local make = ({ bad = h.failure, unsure = h.error })[verdict.tone]
  return case("run", report.run.playbook, make and make { type = report.run.state, message = text })
end

return function(report)
  local run = report.run
  local timestamp = sys.time(run.started_unix_ms):gsub(" UTC$", ""):gsub(" ", "T")
  local hosts, run_cases = {}, { of_run(report) }
  for i, host in ipairs(facts.hosts(report)) do hosts[i] = of_host(host) end
  local suites = { suite("run", run_cases, timestamp), suite("hosts", hosts, timestamp) }
  for _, group in ipairs(facts.grouped(report.checks, "step")) do
    local cases = {}
    for i, check in ipairs(group.rows) do cases[i] = of_check(check) end
    table.insert(suites, suite(group.name, cases, timestamp))
  end
  local totals, bodies = { tests = 0, failure = 0, error = 0 }, {}
  for i, each in ipairs(suites) do
    totals.tests = totals.tests + each.total
    totals.failure, totals.error = totals.failure + each.counts.failure, totals.error + each.counts.error
    bodies[i] = each[1]
  end
  local root = h.testsuites { name = ("staffetta %s, run %d on %s"):format(run.playbook, run.run, run.site_name),
    tests = totals.tests, failures = totals.failure, errors = totals.error,
    time = ("%.3f"):format((facts.duration_ms(report) or 0) / 1000), bodies }
  return '<?xml version="1.0" encoding="UTF-8"?>\n' .. markup.text(root) .. "\n"
end
