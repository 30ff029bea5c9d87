-- tester.lua - a site's tests of its own scripts: the real ctx, site and stages over hosts that only answer what the
-- test says and note what they are asked.
-- Trusted: runs with `sys` and the loader of the other files here. Must never reach a host.
local sys, trusted = ...

-- ---- what a host can be asked, from the descriptions ----

-- "vip:take" -> { is_change, need }
local function read_methods()
  local methods = {}
  for _, file in ipairs(sys.meta()) do
    local need, is_change = nil, false
    for line in file.text:gmatch("[^\n]+") do
      need = line:match('Needs "([%l.]+)"') or line:match('and "([%l.]+)"%.') or need
      is_change = is_change or line:find("^%-%-%-@return { changed: boolean }") ~= nil
      local owner, name = line:match("^function ([%w_]+):([%w_]+)%(")
      if owner then
        methods[owner .. ":" .. name] = { is_change = is_change, need = need }
        need, is_change = nil, false
      end
    end
  end
  return methods
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- ---- fake hosts ----

local function raise(format, ...)
  error({ kind = "invalid_data", op = "test", subject = "", message = format:format(...) }, 0)
end

local function check_known(methods, call)
  if methods[call] then return methods[call] end
  local nearest = sys.nearest(call, sorted_keys(methods))
  raise("no host can be asked '%s'%s", call, nearest and ("; did you mean '" .. nearest .. "'?") or "")
end

local function check_need(method, call, needs)
  for _, need in ipairs(needs) do
    if not method.need or need == method.need then return end
  end
  raise("%s needs '%s', which the script does not declare: add it to its needs", call, method.need)
end

-- host.<binding> of a fake host.
local function new_power(test, methods, host, binding, needs)
  return setmetatable({}, { __name = binding, __metatable = false, __index = function(_, name)
    local call = binding .. ":" .. name
    local method = check_known(methods, call)
    return function(_, ...)
      check_need(method, call, needs)
      test.calls[#test.calls + 1] = { host = host, call = call, args = { ... } }
      if method.is_change then test.changes[#test.changes + 1] = test.calls[#test.calls] end
      local answer = test.answers[host .. " " .. call]
      if answer == nil then answer = test.answers["* " .. call] end
      if type(answer) == "function" then return answer(...) end
      if answer ~= nil then return answer end
      if method.is_change then return { changed = true } end
      raise("%s was asked %s, and the test has no answer: t:answer(\"%s\", \"%s\", ...)", host, call, host, call)
    end
  end })
end

-- ---- a run without a loop: tasks run to their end when they are spawned, and sleep turns the clock ----

local function new_sys(test, methods)
  local fake = { planning = false }
  local clock_ns = 0
  function fake.power(host, binding, needs) return new_power(test, methods, host, binding, needs) end
  function fake.spawn(step, fn, ...)
    local before = fake.current
    fake.current = step
    local task = table.pack(pcall(fn, ...))
    fake.current = before
    return task
  end
  function fake.join(task)
    if task[1] then return true, task[2] end
    return false, { error = task[2], traceback = "" }
  end
  function fake.step() return fake.current end
  function fake.sleep_ms(duration_ms) clock_ns = clock_ns + duration_ms * 1000000 end
  function fake.now_ns() return clock_ns end
  function fake.change_count(host)
    local count = 0
    for _, change in ipairs(test.changes) do count = count + (change.host == host and 1 or 0) end
    return count
  end
  function fake.emit(event)
    if event.event == "note" then test.said[#test.said + 1] = event.text end
    if event.event == "step" then test.steps[#test.steps + 1] = event.step end
  end
  function fake.record_check(_, result) test.checks[#test.checks + 1] = result end
  function fake.measure(name, figures) test.measures[name] = figures end
  function fake.ask() return "rollback" end
  function fake.hold() return true end
  function fake.undo_host() return {} end
  function fake.measures_before() return {} end
  for _, name in ipairs { "outcome", "begin", "forks", "limit", "unlimit", "record_script" } do
    fake[name] = function() end
  end
  return setmetatable(fake, { __index = sys })
end

local function new_ctx(test, methods)
  local fake = new_sys(test, methods)
  local manifests, worlds = trusted("manifest.luac")(fake), trusted("world.luac")(fake)
  return trusted("ctx.luac")(fake, manifests, worlds, trusted("stages.luac")(fake), trusted)
end

-- ---- t, what a test holds in its hand ----

local function words(value)
  local ok, text = pcall(sys.json, type(value) == "table" and value or { value })
  if not ok then return tostring(value) end
  return type(value) == "table" and text or text:sub(2, -2)
end

local function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function new_t(methods)
  local t, test = {}, nil
  local function start()
    test = { answers = test and test.answers or {}, calls = {}, changes = {}, said = {}, steps = {}, checks = {},
      measures = {} }
    return new_ctx(test, methods)
  end

  function t.answer(_, host, call, value)
    check_known(methods, call)
    if not test then start() end
    test.answers[host .. " " .. call] = value
  end

  function t.check(_, name, options)
    options = options or {}
    local result = start().run_check({ check = name, params = options.params },
      options.host and { name = options.host })
    return result.verdict, result.evidence, test
  end

  function t.run(_, name, params)
    local ctx = start()
    local ok, err = pcall(ctx.main, name, params or {})
    if not ok then test.error = type(err) == "table" and rawget(err, "message") or tostring(err) end
    return test
  end

  function t.equals(_, found, expected)
    if not equal(found, expected) then raise("expected %s, found %s", words(expected), words(found)) end
  end

  function t.contains(_, text, part)
    if not tostring(text):find(part, 1, true) then raise("expected '%s' in '%s'", part, tostring(text)) end
  end

  return t
end

-- ---- files of tests ----

local function load_tests(file)
  local chunk, message = sys.load(file.text, "@" .. file.name)
  if not chunk then raise("%s", message) end
  local tests = chunk()
  if type(tests) ~= "table" or type(tests.tests) ~= "table" then
    raise("%s: a file of tests returns { api = 1, tests = { [\"what it shows\"] = function(t) ... end } }", file.name)
  end
  if tests.api ~= sys.api_version then
    raise("%s: field 'api' is %s; this program runs tests of api %d", file.name, tostring(tests.api), sys.api_version)
  end
  return tests.tests
end

-- { tests = { { name, text } } } -> { { file, test, message = why it failed or nil } }
return function(input)
  local methods, results = read_methods(), {}
  for _, file in ipairs(input.tests) do
    local tests = load_tests(file)
    for _, name in ipairs(sorted_keys(tests)) do
      local ok, err = pcall(tests[name], new_t(methods))
      local message = not ok and (type(err) == "table" and rawget(err, "message") or tostring(err)) or nil
      results[#results + 1] = { file = file.name, test = name, message = message }
    end
  end
  return results
end
