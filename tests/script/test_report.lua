-- Reports: one run as a page, Markdown, JSON, JUnit XML and figures; whatever hosts answer stays text.
local lu = require "luaunit"
local cjson = require "cjson"
local support = require "support"

local TestReport = {}

local needs = [[needs = { "registry.read", "registry.write" },]]

-- What a host, or a script, might say to take over a page, a table or a terminal.
local hostile = [[<script>alert(1)</script> "><img src=x onerror=alert(2)> ' & ]] .. "]]> --> | `x` \27[31m \0 "
  .. "\u{202e} \u{9b}2J </style></td>"

function TestReport:setUp()
  self.place = support.new_place()
  self.place:site_of("win-a", "win-b")
end

function TestReport:tearDown()
  self.place:close()
end

-- Runs a playbook with `body` and expects its exit code.
function TestReport:try(body, code)
  self.place:playbook("try", needs, body)
  local answer = self.place:run("try")
  lu.assertEquals(answer.code, code or 0, answer.out .. answer.err)
end

-- The report of the last run in one form, as text; also its file's path.
function TestReport:report(form)
  local path = ("%s/report.%s"):format(self.place.dir, form)
  local answer = self.place:staffetta("report", "--" .. form, path)
  lu.assertEquals({ answer.code, answer.out, answer.err }, { 0, "", "" })
  return self.place:read("report." .. form), path
end

local changes_both = [[
  ctx:step("set it", ctx.site.hosts(), function(host)
    assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "dword", 1))
  end)
]]

-- A run with all that a report can show, and every text of it hostile.
function TestReport:run_hostile()
  self.place:check("ugly", "", ("return 'pass', { summary = %q, [%q] = { 1, %q } }"):format(hostile, hostile, hostile))
  self.place:check("wrong", "", ("return 'fail', { reason = %q }"):format(hostile))
  self.place:check("blind", "", "return 'unknown', {}")
  self:try(([[
    local ugly = %q
    ctx:step(ugly, ctx.site.hosts(), function(host)
      assert(host.registry:set("HKLM\\SYSTEM\\" .. "Test", "<b>", "sz", (ugly:gsub("\0", ""))))
    end)
    ctx:measure(ugly, { outage_us = 12000, error_us = 500, budget_ms = 6000, summary = ugly, lost = 1, sent = 2,
      is_steady = true })
    ctx:measure("crash", { outage_us = 900, error_us = 10, timeline = { summary = ugly, from_us = -1000, to_us = 2000,
      outage_us = 900, sum_us = 900, error_us = 10, agrees = true,
      events = { { at_us = 0, host = ugly, source = ugly, event = ugly } },
      phases = { { name = ugly, seen = true, at_us = 0, duration_us = 0, host = ugly, source = ugly, event = ugly },
        { name = "first_answer", seen = false } } } })
    ctx:measure("other", { [ugly] = 1, depth_ms = 5 })
    ctx:checks(ugly, { { check = "ugly", hosts = ctx.site.hosts() }, { check = "wrong" }, { check = "blind" } })
  ]]):format(hostile), 3)
end

-- ---- the page ----

local function xpath(path, expression)
  return (support.shell("xmllint --nonet --xpath %s %s", expression, path):gsub("\n$", ""))
end

local function count(path, expression)
  return tonumber(xpath(path, ("count(%s)"):format(expression)))
end

function TestReport:test_whatever_hosts_answer_stays_text()
  self:run_hostile()
  local page, path = self:report("html")
  support.shell("xmllint --nonet --noout %s", path) -- well-formed: no answer has ended an element or an attribute
  lu.assertEquals(count(path, "//script|//img|//iframe|//object|//link|//base|//form"), 0)
  lu.assertEquals(count(path, "//@*[starts-with(name(), 'on')]|//@style|//@src"), 0)
  lu.assertStrContains(page, "&lt;script&gt;alert(1)&lt;/script&gt;")
  lu.assertNil(page:find("[\0-\8\11-\31\127]"))
  for _, invisible in ipairs { "\u{202e}", "\u{9b}" } do lu.assertNil(page:find(invisible, 1, true)) end
  lu.assertStrContains(page, "␛[31m")
  for address in page:gmatch("%a+://[^%s\"'<]+") do lu.assertEquals(address, "http://www.w3.org/2000/svg") end
end

function TestReport:test_only_its_own_style_is_allowed()
  self:try(changes_both)
  local page, path = self:report("html")
  local policy = xpath(path, "string(//meta[@http-equiv='Content-Security-Policy']/@content)")
  local style = self.place:write("style", page:match("<style>(.-)</style>"))
  local hash = support.shell("openssl dgst -sha256 -binary %s | base64 -w0", style)
  lu.assertEquals(policy,
    ("default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-%s'"):format(hash))
end

function TestReport:test_the_picture_of_a_failover_and_its_phases()
  self:run_hostile()
  local page, path = self:report("html")
  lu.assertEquals(count(path, "//figure[@class = 'timeline']//*[local-name() = 'svg']"), 1)
  lu.assertEquals(count(path, "//section[@id = 'failovers']//tbody/tr"), 2)
  lu.assertEquals(select(2, page:match("style%-src [^\"]+"):gsub("sha256", "")), 2) -- the page's, the picture's
end

function TestReport:test_it_can_be_heard_and_walked_through()
  self:run_hostile()
  local page, path = self:report("html")
  lu.assertEquals(count(path, "/html[@lang]/head/title"), 1)
  for _, only in ipairs { "//h1", "//main", "//header", "//footer", "//nav[@aria-label]" } do
    lu.assertEquals(count(path, only), 1, only)
  end
  lu.assertEquals(count(path, "//table"), count(path, "//table[caption]"))
  lu.assertEquals(count(path, "//th"), count(path, "//th[@scope]"))
  lu.assertEquals(count(path, "//section"), count(path, "//section[@aria-labelledby = .//h2/@id]"))
  lu.assertTrue(count(path, "//*[local-name() = 'svg' and @role = 'img']") >= 2)
  lu.assertEquals(count(path, "//*[local-name() = 'svg' and not(@aria-hidden) and not(*[local-name() = 'title'])]"), 0)
  lu.assertEquals(count(path, "//*[@class = 'scroll' and not(@tabindex = 0 and @aria-label)]"), 0)
  local seen, level = {}, 1
  for id in page:gmatch(' id="([^"]*)"') do
    lu.assertNil(seen[id], id)
    seen[id] = true
  end
  for target in page:gmatch('href="#([^"]*)"') do lu.assertTrue(seen[target], target) end
  for heading in page:gmatch("<h(%d)") do
    lu.assertTrue(tonumber(heading) <= level + 1, "a heading skips a level")
    level = tonumber(heading)
  end
end

-- Relative luminance and contrast as WCAG 2 defines them.
local function luminance(colour)
  local sum = 0
  for i, weight in ipairs { 0.2126, 0.7152, 0.0722 } do
    local share = tonumber(colour:sub(2 * i, 2 * i + 1), 16) / 255
    sum = sum + weight * (share <= 0.04045 and share / 12.92 or ((share + 0.055) / 1.055) ^ 2.4)
  end
  return sum
end

local function contrast(one, other)
  local bright, dark = luminance(one), luminance(other)
  if bright < dark then bright, dark = dark, bright end
  return (bright + 0.05) / (dark + 0.05)
end

function TestReport:test_every_colour_can_be_read_by_day_and_by_night()
  self:try(changes_both)
  local css, modes = self:report("html"):match("<style>(.-)</style>"), 0
  for block in css:gmatch(":root%s*{(.-)}") do
    local colours = {}
    for name, colour in block:gmatch("%-%-(%l+): (#%x+)") do colours[name] = colour end
    for _, name in ipairs(colours.good and { "ink", "muted", "accent", "good", "bad", "unsure" } or {}) do
      for _, ground in ipairs { "paper", "card" } do
        local ratio = contrast(colours[name], colours[ground])
        lu.assertTrue(ratio >= 4.5, ("%s on %s: %.2f"):format(name, ground, ratio))
      end
    end
    modes = modes + (colours.good and 1 or 0)
  end
  lu.assertEquals(modes, 2)
end

-- What Chromium complains of on the page itself, without any network.
local function complaints(path, folder)
  local log = support.shell("cd %s; timeout 100 unshare -n chromium --headless --no-sandbox --disable-gpu "
    .. "--user-data-dir=%s --enable-logging=stderr --v=0 --dump-dom %s 2>&1 >/dev/null", folder, folder .. "/chromium",
    "file://" .. path)
  local found = {}
  for line in log:gmatch("[^\n]+") do
    if line:find("CONSOLE", 1, true) and line:find("source: file:", 1, true) then found[#found + 1] = line end
  end
  return found
end

function TestReport:test_a_browser_has_nothing_to_complain_of()
  if not os.execute("command -v chromium >/dev/null && unshare -n true 2>/dev/null") then
    print("SKIP: there is no chromium, or no network namespace for it")
    return
  end
  self:run_hostile()
  local page, path = self:report("html")
  lu.assertEquals(complaints(path, self.place.dir), {})
  local broken = self.place:write("broken.html", (page:gsub("<main", '<p style="color: red">x</p><main', 1)))
  lu.assertStrContains(table.concat(complaints(broken, self.place.dir)), "Content Security Policy")
end

function TestReport:test_what_it_tells()
  self:run_hostile()
  local _, path = self:report("html")
  lu.assertEquals(xpath(path, "string(//h1)"), "Try on site test")
  lu.assertStrContains(xpath(path, "string(//header//strong)"), "Done, and wrong")
  lu.assertStrContains(xpath(path, "string(//section[@id='checks'])"), "fail")
  lu.assertStrContains(xpath(path, "string(//section[@id='changes']//h3)"), "win-a")
  lu.assertStrContains(xpath(path, "string(//section[@id='back'])"),
    ("staffetta rollback 1 --site %s --state %s"):format(self.place.site, self.place.state))
  lu.assertStrContains(xpath(path, "string(//section[@id='back'])"), "rollback 1 --host win-b")
  local hash = support.shell("sha256sum %s", self.place.site .. "/playbooks/try.lua"):match("^%x+")
  lu.assertStrContains(xpath(path, "string(//section[@id='scripts'])"), hash)
end

function TestReport:test_hosts_can_be_filtered_by_their_outcome()
  self:try([[
    ctx:step("half", ctx.site.hosts(), function(host)
      if host.name == "win-a" then error { kind = "timeout", message = "no answer" } end
      assert(host.registry:set("HKLM\\SYSTEM\\Test", "a", "dword", 1))
    end, { max_fail = 1 })
  ]], 3)
  local page, path = self:report("html")
  lu.assertEquals(count(path, "//fieldset/label/input[@type = 'radio']"), 3) -- all, failed, done
  for _, outcome in ipairs { "failed", "done" } do
    lu.assertEquals(count(path, ("//input[@id = 'only-%s']"):format(outcome)), 1)
    lu.assertEquals(count(path, ("//section[@id = 'hosts']//tbody/tr[@class = '%s']"):format(outcome)), 1)
    lu.assertStrContains(page, ("section:has(#only-%s:checked) tbody tr:not(.%s)"):format(outcome, outcome))
  end
end

function TestReport:test_the_same_bytes_each_time()
  self:run_hostile()
  local first = self:report("html")
  lu.assertEquals(self:report("html") == first, true)
end

-- ---- runs that did not end well ----

function TestReport:test_a_failed_run()
  self:try(changes_both .. [[ error { kind = "gate_fail", message = "no luck <today>" } ]], 3)
  local _, path = self:report("html")
  lu.assertStrContains(xpath(path, "string(//header)"), "Failed")
  lu.assertStrContains(xpath(path, "string(//header)"), "Everything is put back")
  lu.assertStrContains(xpath(path, "string(//header)"), "no luck <today>")
  lu.assertStrContains(xpath(path, "string(//section[@id='back'])"), "Nothing of what this run has changed stands.")
end

function TestReport:test_a_run_that_was_killed()
  self.place:playbook("try", needs, changes_both .. [[ ctx:say("here") ctx:sleep_ms(60000) ]])
  local job = self.place:start("run", "try")
  job:wait_for("here")
  job:signal("KILL")
  job:finish()
  local _, path = self:report("html")
  lu.assertStrContains(xpath(path, "string(//header)"), "Cut short")
  for _, command in ipairs { "resume 1", "rollback 1 --plan" } do
    lu.assertStrContains(xpath(path, "string(//section[@id='back'])"), command)
  end
  local _, junit = self:report("junit")
  lu.assertEquals(count(junit, "//testsuite[@name = 'run']/testcase/failure"), 1)
  lu.assertEquals(count(junit, "//testsuite[@name = 'hosts']/testcase/error"), 2)
  lu.assertStrContains(self:report("prometheus"), 'staffetta_run_success{site="test",playbook="try"} 0\n')
end

-- ---- the other forms ----

function TestReport:test_junit()
  self:run_hostile()
  local _, path = self:report("junit")
  local schema = os.getenv("STAFFETTA_SOURCE") .. "/tests/script/junit.rng"
  support.shell("xmllint --nonet --noout --relaxng %s %s 2>&1", schema, path)
  lu.assertEquals({ count(path, "//testcase"), count(path, "//testcase/failure"), count(path, "//testcase/error") },
    { 7, 2, 1 }) -- the run, two hosts, four checks; the run and one check failed, one could not look
  for _, each in ipairs { "/testsuites", "//testsuite[1]", "//testsuite[3]" } do
    lu.assertEquals(tonumber(xpath(path, ("string(%s/@tests)"):format(each))), count(path, each .. "//testcase"))
    lu.assertEquals(tonumber(xpath(path, ("string(%s/@failures)"):format(each))), count(path, each .. "//failure"))
  end
end

function TestReport:test_figures_for_prometheus()
  self:run_hostile()
  local text = self:report("prometheus")
  for line in text:gmatch("[^\n]+") do
    if not line:find("^# HELP [%w_]+ %w") and not line:find("^# TYPE [%w_]+ gauge$") then
      lu.assertStrMatches(line, "[%a_][%w_]*{.*} [%d.e+-]+")
    end
  end
  for _, line in ipairs { 'staffetta_run{site="test",playbook="try"} 1',
    'checks{site="test",playbook="try",verdict="pass"} 2', 'hosts{site="test",playbook="try",outcome="done"} 2',
    'staffetta_measure_depth_seconds{site="test",playbook="try",measure="other"} 0.005' } do
    lu.assertStrContains(text, line .. "\n")
  end
  local outage = text:match("\nstaffetta_measure_outage_seconds(%b{}) 0.012\n") -- labels' braces are balanced
  lu.assertStrContains(outage, '\\"><img')
  if os.execute("command -v promtool >/dev/null") then
    support.shell("promtool check metrics <%s 2>&1", self.place.dir .. "/report.prometheus")
  end
end

function TestReport:test_a_file_is_replaced_at_once_or_not_at_all()
  self:try(changes_both)
  local path = self.place:write("metrics/staffetta.prom", "old")
  local answer = self.place:staffetta("report", "--prometheus", path)
  lu.assertEquals(answer.code, 0, answer.err)
  lu.assertStrContains(self.place:read("metrics/staffetta.prom"), "staffetta_run_success")
  lu.assertEquals(support.shell("ls -A %s", self.place.dir .. "/metrics"), "staffetta.prom\n")
  lu.assertEquals(self.place:staffetta("report", "--html", self.place.dir .. "/none/page.html").code, 1)
end

function TestReport:test_markdown()
  self:run_hostile()
  local text = self.place:staffetta("report").out
  lu.assertEquals(text, self.place:staffetta("report", "1", "--markdown").out)
  lu.assertStrContains(text, "# Run 1: try on test\n\n**Done, and wrong**")
  lu.assertNil(text:find("<", 1, true))
  for line in text:gmatch("[^\n]+") do -- a table's row has as many cells as its head, whatever was answered
    if line:find("^| win") then
      local cells = select(2, line:gsub("\\|", ""):gsub("|", "|"))
      lu.assertTrue(cells == 5 or cells == 6, line)
    end
  end
end

function TestReport:test_json()
  self:run_hostile()
  local doc = cjson.decode(self.place:staffetta("report", "--json").out)
  lu.assertEquals({ doc.run.playbook, doc.outcome.verdict, #doc.checks, #doc.changes, #doc.scripts },
    { "try", "fail", 4, 2, 5 })
  lu.assertEquals({ doc.changes[1].describe.before, doc.measures[1].figures.budget_ms }, { "absent", 6000 })
  lu.assertStrContains(doc.changes[1].describe.what, "HKLM\\SYSTEM\\Test\\<b>")
end

function TestReport:test_several_forms_at_once()
  self:try(changes_both)
  local dir = self.place.dir
  local answer = self.place:staffetta("report", "--html", dir .. "/a", "--junit", dir .. "/b", "--json")
  lu.assertEquals({ answer.code, cjson.decode(answer.out).run.run }, { 0, 1 })
  lu.assertStrContains(self.place:read("a"), "<!DOCTYPE html>")
  lu.assertStrContains(self.place:read("b"), "<testsuites")
end

function TestReport:test_wrong_usage()
  self:try(changes_both)
  lu.assertEquals(self.place:staffetta("report", "7").code, 1)
  lu.assertEquals(self.place:staffetta("report", "seven").code, 1)
  lu.assertEquals(self.place:staffetta("report", "1", "2").code, 64)
  lu.assertEquals(self.place:staffetta("report", "--pdf", "x").code, 64)
end

return TestReport
