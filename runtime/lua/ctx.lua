-- ctx.lua - what a running script holds in its hand: steps, actions, gates, checks, measures.
-- Trusted: runs with `sys`, other files here and the loader of the rest. Must never let a check pass that did not look.
local sys, manifests, worlds, stages, trusted = ...

local M = {}

local verdict_rank = { pass = 0, unknown = 1, fail = 2 }

-- The field `key` of what a script raised, or "": looking at it must not raise in turn.
local function part_of(err, key)
  local text = type(err) == "table" and rawget(err, key)
  return type(text) == "string" and text or ""
end

-- What a script raised, whatever that is, in one line.
local function message_of(err)
  local text, expected, found = part_of(err, "message"), part_of(err, "expected"), part_of(err, "found")
  if text == "" then
    local ok, words = pcall(tostring, err)
    text = ok and words or "the script raised a value that is no message"
  end
  if expected ~= "" then text = ("%s; expected %s"):format(text, expected) end
  if found ~= "" then text = ("%s, found %s"):format(text, found) end
  return utf8.len(text) and text or text:gsub("[\128-\255]", "?")
end

local function raise(kind, subject, format, ...)
  error({ kind = kind, op = "run", subject = subject, message = format:format(...) }, 0)
end

-- ---- loading ----

local folders = { playbook = "playbooks", check = "checks", policy = "policies" }

local function find(kind, name)
  local script, err = sys.find(folders[kind], name)
  if not script then error(err, 0) end
  return script
end

local forbidden = (sys.site() or {}).forbid or {}

-- A script to be run: the site's `forbid` holds for it.
local function load_script(kind, name)
  local script = find(kind, name)
  sys.record_script(script)
  local manifest = manifests.load(script, kind)
  for _, need in ipairs(manifest.needs or {}) do
    for _, each in ipairs(forbidden) do
      if need == each then raise("denied", need, "the %s '%s' needs '%s', which site.lua forbids", kind, name, need) end
    end
  end
  return script, manifest
end

-- What a policy says; `extends` names another one that it takes all unstated fields from.
local function stated_policy(name, depth)
  if depth > 8 then raise("invalid_data", name, "the policy '%s' extends itself in a circle", name) end
  local _, manifest = load_script("policy", name)
  local policy = {}
  if manifest.extends then
    for key, value in pairs(stated_policy(manifest.extends, depth + 1)) do policy[key] = value end
  end
  for key, value in pairs(manifest.policy) do policy[key] = value end
  return policy
end

-- The policy in its normal form: checked, every field filled in.
local function load_policy(name)
  local policy, err = sys.normalize("policy", stated_policy(name, 0))
  if not policy then
    error({ kind = err.kind, op = "run", subject = name, message = ("the policy '%s': %s"):format(name, err.message),
      remedy = "correct it: staffetta scripts where " .. name }, 0)
  end
  policy.name = name
  return policy
end

M.load_policy = load_policy

-- ---- checks ----

local function run_check(row, host)
  local script, manifest = load_script("check", row.check)
  local world = worlds.new(manifest.needs, load_policy)
  local params = manifests.params(script, manifest, row.params or {}, world)
  local view = M.new(world, manifest)
  view.host = host and world.host(host.name) or nil
  local verdict, evidence = manifest.run(view, params)
  if verdict_rank[verdict] == nil then
    raise("invalid_data", row.check, "the check '%s' returned '%s'; expected 'pass', 'fail' or 'unknown', and evidence",
      row.check, tostring(verdict))
  end
  if type(evidence) == "string" then evidence = { reason = evidence } end
  sys.json(evidence) -- raises for what can not be kept
  return { verdict = verdict, evidence = evidence or {} }
end

M.run_check = run_check

-- A check that breaks did not look: its verdict is unknown, with the reason as evidence. It has a task of its own, so
-- that also the stop of one which never ends is its own.
local function guarded_check(row, host, step)
  local ok, outcome = sys.join(sys.spawn(step, run_check, row, host))
  if not ok then outcome = { verdict = "unknown", evidence = { reason = message_of(outcome.error) } } end
  local result = { check = row.check, host = host and host.name or nil, verdict = outcome.verdict,
    evidence = outcome.evidence }
  sys.record_check(step, result)
  return result
end

-- ---- ctx ----

local methods = {}

-- Hosts that failed in a step which could live with that: name -> why. What they had was put back; no later step and
-- no check touches them.
local given_up = {}

-- ctx:limited(hosts): those of them that the run may touch: all, unless it has a limit.
function methods.limited(self, hosts)
  local left = {}
  for _, host in ipairs(hosts) do
    if not sys.is_outside(host.name) then left[#left + 1] = host end
  end
  return left
end

local function usable(hosts, step)
  local left = {}
  for _, host in ipairs(methods.limited(nil, hosts)) do
    if given_up[host.name] then
      sys.emit { event = "skipped", step = step, host = host.name, reason = given_up[host.name] }
    else
      left[#left + 1] = host
    end
  end
  return left
end

-- What is worth another try: nobody answered in time, or somebody else was at work.
local passing = { busy = true, timeout = true, unreachable = true }

local function may_pass(failure)
  local err = failure and failure.error
  return type(err) == "table" and (rawget(err, "is_retryable") == true or passing[rawget(err, "kind")] == true)
end

-- fn(host), and again while it fails for what may pass. true, or false and { error, traceback }.
local function try(step, stage, fn, host)
  for attempt = 0, stage.retries do
    local ok, failure = sys.join(sys.spawn(step, fn, host))
    if ok or attempt == stage.retries or not may_pass(failure) then return { ok = ok, failure = failure } end
    sys.emit { event = "retry", step = step, host = host.name, attempt = attempt + 1,
      message = message_of(failure.error) }
    sys.sleep_ms(math.min(100 << math.min(attempt, 6), 5000))
  end
end

local function start(step, stage, fn, host)
  sys.emit { event = "host_begun", step = step, host = host.name }
  local task = sys.spawn(step, try, step, stage, fn, host)
  if stage.deadline_ms then sys.limit(task, host.name, stage.deadline_ms) end
  return { host = host, task = task, changes_before = sys.change_count(host.name), began_ns = sys.now_ns() }
end

-- How it ended on one host: nil, or { host, kind, message, traceback }.
local function finish(step, stage, started)
  local _, outcome = sys.join(started.task)
  local host, failure = started.host.name, nil
  if stage.deadline_ms then sys.unlimit(host) end
  if not outcome then
    failure = { kind = "timeout", message = ("not done within %d ms"):format(stage.deadline_ms) }
  elseif not outcome.ok then
    local err = outcome.failure.error
    failure = { kind = type(err) == "table" and rawget(err, "kind") or "invalid_data", message = message_of(err),
      remedy = part_of(err, "remedy"), traceback = outcome.failure.traceback, is_bug = type(err) ~= "table" }
  end
  local outcome_of_host = sys.change_count(host) > 0 and "done" or "unchanged"
  if failure then
    failure.host = host
    outcome_of_host = failure.kind == "unreachable" and "unreachable" or "failed"
  end
  sys.outcome(host, outcome_of_host, step, failure and failure.message)
  sys.emit { event = "host", step = step, host = host, ok = not failure, outcome = outcome_of_host,
    changes = sys.change_count(host) - started.changes_before, message = failure and failure.message,
    duration_ms = (sys.now_ns() - started.began_ns) // 1000000 }
  return failure
end

-- What a host that is given up has of this run is put back at once; where that fails, so does the run.
local function give_up(step, failure)
  given_up[failure.host] = ("failed in step '%s'"):format(step)
  local undone, err = sys.undo_host(failure.host)
  if not undone then error(err, 0) end
end

-- fn(i) for each i up to `count`, at most `forks` of them at once, or `most` where nobody has said.
local function at_once(step, count, fn, most)
  local next_one, workers = 1, {}
  local function work()
    while next_one <= count do
      local i = next_one
      next_one = i + 1
      fn(i)
    end
  end
  for i = 1, math.min(sys.forks() or most or count, count) do workers[i] = sys.spawn(step, work) end
  for _, worker in ipairs(workers) do
    local ok, failure = sys.join(worker)
    if not ok then error(failure.error, 0) end
  end
end

local is_held = false

-- Keeps other controllers from all hosts that the run may touch, before it first changes one, until it ends. They are
-- taken by few at a time: after an interruption those that have begun are waited for.
function M.hold()
  if is_held or sys.planning then return end
  local names, began_ns = {}, sys.now_ns()
  for name in pairs((sys.site() or { hosts = {} }).hosts) do
    if not sys.is_outside(name) then names[#names + 1] = name end
  end
  table.sort(names)
  sys.emit { event = "hold", hosts = #names }
  at_once(nil, #names, function(i)
    local since_ns = sys.now_ns()
    sys.emit { event = "hold_begun", host = names[i] }
    local held, err = sys.hold(names[i])
    if not held then error(err, 0) end
    sys.emit { event = "held", host = names[i], duration_ms = (sys.now_ns() - since_ns) // 1000000 }
  end, 32)
  sys.emit { event = "hold_end", hosts = #names, duration_ms = (sys.now_ns() - began_ns) // 1000000 }
  is_held = true
end

-- fn(host) for all hosts of the batch; what failed, in the batch's order.
local function run_hosts(step, stage, batch, fn)
  local found, failed = {}, {}
  at_once(step, #batch, function(i) found[i] = finish(step, stage, start(step, stage, fn, batch[i])) or false end)
  for i = 1, #batch do failed[#failed + 1] = found[i] or nil end
  return failed
end

local function run_batch(step, stage, number, fn, failures)
  local batch, began_ns = stage.batches[number], sys.now_ns()
  local about = { event = "batch", step = step, batch = number, batches = #stage.batches, hosts = #batch }
  sys.emit(about)
  local new = run_hosts(step, stage, batch, fn)
  about.event, about.failed, about.duration_ms = "batch_end", #new, (sys.now_ns() - began_ns) // 1000000
  sys.emit(about)
  table.move(new, 1, #new, #failures + 1, failures)
  if #failures > stage.max_fail then
    local first = failures[1]
    error({ kind = first.is_bug and "invalid_data" or "step_failed", op = step, subject = first.host,
      traceback = first.traceback, remedy = first.remedy,
      message = ("step '%s' failed on %s: %s"):format(step, first.host, first.message) }, 0)
  end
  for _, failure in ipairs(new) do give_up(step, failure) end
end

-- What is to be looked at: each check on each of its hosts.
local function looks_of(rows, step)
  local looks = {}
  for _, row in ipairs(rows) do
    if row.hosts or row.host then
      for _, host in ipairs(usable(row.hosts or { row.host }, step)) do
        looks[#looks + 1] = { row = row, host = host }
      end
    else
      looks[#looks + 1] = { row = row }
    end
  end
  return looks
end

-- ctx:step(name, hosts, fn, options): fn(host) runs for all hosts at once, or for one batch after another; what it
-- changes is planned, journalled, undone. A batch ends when all of its hosts have; raises when more failed than may.
function methods.step(self, name, hosts, fn, options)
  M.hold()
  hosts = usable(hosts, name)
  local stage, failures = stages.plan(name, hosts, options), {}
  sys.emit { event = "step", step = name, hosts = #hosts, batches = #stage.batches }
  for i, batch in ipairs(stage.batches) do
    run_batch(name, stage, i, fn, failures)
    if stage.gate then
      local gate = ("after '%s'"):format(name)
      if #stage.batches > 1 then gate = ("%s, batch %d of %d"):format(gate, i, #stage.batches) end
      methods.gate(self, gate, type(stage.gate) == "function" and stage.gate(batch) or stage.gate)
    end
  end
end

-- ctx:act(name, hosts, fn, options): like step, for what has no state to put back (bringing an SA up). A plan only
-- names it.
function methods.act(self, name, hosts, fn, options)
  if sys.planning then
    sys.emit { event = "would_act", step = name, hosts = #hosts }
    return
  end
  methods.step(self, name, hosts, fn, options)
end

-- ctx:together{ fn, fn, ... }: runs functions side by side inside a step; returns their first results in order.
function methods.together(self, functions)
  local tasks, results, failed = {}, {}, nil
  for i, fn in ipairs(functions) do tasks[i] = sys.spawn(sys.step(), fn) end
  for i, task in ipairs(tasks) do
    local ok, result = sys.join(task)
    if not ok then failed = failed or result else results[i] = result end
  end
  if failed then error(failed.error, 0) end
  return results
end

-- ctx:checks(name, rows): each row { check = "name", host = h | hosts = list, params = {...} }. Returns the worst
-- verdict and all results. In a plan nothing is looked at.
function methods.checks(self, name, rows)
  if sys.planning then
    sys.emit { event = "would_check", step = name, checks = #rows }
    for _, row in ipairs(rows) do pcall(load_script, "check", row.check) end -- which they are belongs to the plan
    return "unknown", {}
  end
  sys.emit { event = "step", step = name, checks = #rows }
  local worst, results, looks = "pass", {}, looks_of(rows, name)
  at_once(name, #looks, function(i) results[i] = guarded_check(looks[i].row, looks[i].host, name) end)
  for _, result in ipairs(results) do
    if verdict_rank[result.verdict] > verdict_rank[worst] then worst = result.verdict end
  end
  if #results == 0 then worst = "unknown" end
  return worst, results
end

-- What made a gate fail or be unknown, in words.
local function gate_reason(name, verdict, results)
  for _, result in ipairs(results) do
    if result.verdict == verdict then
      return ("gate '%s': check '%s'%s is %s: %s"):format(name, result.check,
        result.host and " on " .. result.host or "", verdict,
        result.evidence.summary or result.evidence.reason or sys.json(result.evidence))
    end
  end
  return ("gate '%s' had nothing to look at"):format(name)
end

-- The rows without those that are only for hosts outside the run's limit.
local function rows_inside(rows)
  local left = {}
  for _, row in ipairs(rows) do
    local hosts = row.hosts or row.host and { row.host } or {}
    if #hosts == 0 or #methods.limited(nil, hosts) > 0 then left[#left + 1] = row end
  end
  return left
end

-- ctx:gate(name, rows): checks that must pass before the playbook goes on. A failed one ends the run: what it changed
-- is put back, or held for a person where the site says so. For an unknown one a person is asked; where nobody is
-- there to ask, it ends the run like a failed one, and everything is put back.
function methods.gate(self, name, rows)
  local inside = rows_inside(rows)
  if #inside == 0 and #rows > 0 then
    sys.emit { event = "note", text = ("gate '%s' is for hosts outside the limit only"):format(name) }
    return
  end
  local verdict, results = methods.checks(self, name, inside)
  if sys.planning then return end
  local reason, answer = nil, "continue"
  if verdict ~= "pass" then reason = gate_reason(name, verdict, results) end
  if verdict == "fail" then answer = (sys.site() or {}).on_gate_fail or "rollback" end
  if verdict == "unknown" then answer = sys.ask { gate = name, reason = reason } end
  sys.emit { event = "gate", gate = name, verdict = verdict, answer = answer, reason = reason }
  if answer == "continue" then return end
  raise(answer == "hold" and "gate_held" or "gate_" .. verdict, name, "%s", reason)
end

-- ctx:measure(name, figures): puts figures into the report; every number's unit stands in its name.
local measures = {}
function methods.measure(self, name, figures)
  measures[name] = figures
  sys.measure(name, figures)
end

-- ctx:measured(): all measures of the run so far, name -> figures.
function methods.measured(self)
  return measures
end

-- ctx.differs(wanted, found): the name of the first field, sorted, in which found lacks what wanted has, with the value
-- wanted and the one found; nil when none.
local function differs(wanted, found, path)
  if type(wanted) ~= "table" or type(found) ~= "table" then
    if wanted == found then return nil end
    return path or "value", wanted, found
  end
  local keys = {}
  for key in pairs(wanted) do keys[#keys + 1] = key end
  if #wanted ~= #found then return path or "length", wanted, found end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    local field, expected, present = differs(wanted[key], found[key],
      path and (path .. "." .. tostring(key)) or tostring(key))
    if field then return field, expected, present end
  end
  return nil
end

function methods.say(self, format, ...)
  sys.emit { event = "note", text = select("#", ...) > 0 and format:format(...) or format }
end

function methods.sleep_ms(self, duration_ms)
  sys.sleep_ms(duration_ms)
end

-- ctx:wait_until(timeout_ms, fn): calls fn every 20 ms until it returns true; false when the time is over.
function methods.wait_until(self, timeout_ms, fn)
  local deadline_ns = sys.now_ns() + timeout_ms * 1000000
  while not fn() do
    if sys.now_ns() > deadline_ns then return false end
    sys.sleep_ms(20)
  end
  return true
end

local function new_files()
  return worlds.read_only({
    -- The names in a folder of the site, sorted.
    list = function(_, path)
      local full, err = sys.site_path(path)
      if not full then return nil, err end
      local names = {}
      local ok, iterator, state = pcall(sys.lfs.dir, full)
      if not ok then return nil, { kind = "io", op = "list", subject = path, message = iterator } end
      for name in iterator, state do
        if name ~= "." and name ~= ".." then names[#names + 1] = name end
      end
      table.sort(names)
      return names
    end,
    -- { mode = "file", size = bytes, modification = unix seconds, ... } of a file of the site; nil when there is none.
    attributes = function(_, path)
      local full = sys.site_path(path)
      return full and sys.lfs.attributes(full) or nil
    end,
    read = function(_, path)
      return sys.read_site_file(path)
    end,
  }, "files")
end

local function new_journal()
  return worlds.read_only({
    -- What a rollback of the run would do: { run = n, items = {...}, conflicts = n }.
    rollback_plan = function(_, run, options) return sys.rollback_plan(run, options and options.host) end,
    -- What the run has measured: name -> figures.
    measures = function(_, run) return sys.measures(run) end,
    -- Does it; refuses with kind "conflict", having touched nothing, where a host no longer has what the run wrote.
    rollback = function(_, run, options)
      options = options or {}
      return sys.rollback(run, options.host, options.force or false)
    end,
  }, "journal")
end

local function declares(manifest, need)
  for _, each in ipairs(manifest.needs) do
    if each == need then return true end
  end
  return false
end

function M.new(world, manifest)
  local fields = {
    is_planning = sys.planning,
    site = worlds.read_only({ name = world.name, budgets = worlds.read_only(world.budgets, "budgets"),
      hosts = world.hosts, clusters = world.clusters, host = world.host, cluster = world.cluster,
      group = world.group }, "site"),
    now_ns = function() return sys.now_ns() end,
    differs = function(wanted, found) return differs(wanted, found) end,
  }
  if declares(manifest, "files.read") then fields.files = new_files() end
  if declares(manifest, "journal.rollback") then fields.journal = new_journal() end
  for name, method in pairs(methods) do fields[name] = method end
  return setmetatable(fields, { __name = "ctx", __metatable = false })
end

-- What the playbook wants to look at when a failed run has been put back; main sets it.
local look_after_undo

-- The body of a run's last coroutine, where the program has put back what the run had changed. No change can follow.
function M.undone()
  if not look_after_undo then return end
  local ok, err = pcall(look_after_undo)
  if not ok then
    sys.record_check("undone", { check = "undone", verdict = "unknown", evidence = { reason = message_of(err) } })
  end
end

-- The body of a run's first coroutine.
function M.main(name, given)
  local script, manifest = load_script("playbook", name)
  local world = worlds.new(manifest.needs, load_policy)
  local params = manifests.params(script, manifest, given, world)
  sys.begin(manifest.needs)
  for measure, figures in pairs(sys.measures_before()) do measures[measure] = figures end
  local view = M.new(world, manifest)
  look_after_undo = manifest.undone and function()
    local rows = manifest.undone(view, params)
    if #rows > 0 then methods.checks(view, "everything is as before", rows) end
  end
  manifest.run(view, params)
end

-- What `staffetta scripts` shows of one script.
function M.describe(kind, name)
  local script = find(kind, name)
  local manifest = manifests.load(script, kind)
  local description = { name = name, kind = kind, origin = script.origin, path = script.path, sha256 = script.sha256,
    summary = manifest.summary, needs = manifest.needs, params = manifest.params, extends = manifest.extends,
    lint = kind ~= "policy" and trusted("lint.luac")(sys).look(script, manifest) or {} }
  if kind == "policy" then
    description.policy = load_policy(name)
    description.fingerprint = sys.fingerprint("policy", description.policy)
  end
  return description
end

return M
